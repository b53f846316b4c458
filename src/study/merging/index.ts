export type { MergedFile, MergeFile, MergeOptions } from './merge-checkpoints.js';
export { mergeCheckpoints } from './merge-checkpoints.js';
export type { MergeCandidate, MergeContext, MergeDecision, MergeRequest } from './merge-for-target.js';
export { decideMerge, mergeForTarget } from './merge-for-target.js';
export type { ChosenWeights, MergeBy, WeightRequest } from './plan-merge.js';
export { chooseWeights } from './plan-merge.js';
export { scoreCommand } from './score-command.js';
