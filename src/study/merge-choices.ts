import { GRANULARITIES, SCORE_METHOD_INFO, type ScoreMethod } from '../core/methods.js';
import type { StudyConfiguration } from './configuration.js';
import type { JobRequest } from './jobs.js';
import type { MergeRecord } from './records.js';

export type MergeBy = Extract<JobRequest, { kind: 'merge' }>['by'];

/** The methods to score by, with the one that chooses the best source. */
export function methodsInUse(configuration: StudyConfiguration): ScoreMethod[] {
  const { scores, weights } = configuration;
  return [...new Set([...scores.methods, ...(scores.methods.length > 0 ? [weights.bestSource] : [])])];
}

/** Every way of merging that the study compares. */
export function mergeChoices(configuration: StudyConfiguration): MergeBy[] {
  const { scores, weights, merges, groups } = configuration;
  const choices: MergeBy[] = [{ kind: 'average' }];
  if (Object.keys(groups).length > 0) choices.push({ kind: 'group' });
  if (scores.methods.length > 0) choices.push({ kind: 'best-source', method: weights.bestSource });
  for (const method of scores.methods) {
    const own = SCORE_METHOD_INFO[method].granularities;
    if (own.includes('model')) choices.push({ kind: 'score', method, granularity: 'model' });
    for (const granularity of GRANULARITIES) {
      if (granularity === 'model' || !own.includes(granularity)) continue;
      // A method without a score of the whole model has no other merge than the one by parts.
      const only = !own.includes('model');
      if (only || (merges.perBlock && scores.granularities.includes(granularity))) {
        choices.push({ kind: 'score', method, granularity });
      }
    }
  }
  return choices;
}

/** What a recorded merge was asked for: the same choice, with the temperature it was made at. */
export function mergeAsRecorded({
  label,
  score,
  granularity,
  temperature,
  sources,
  weights,
}: Pick<MergeRecord, 'label' | 'score' | 'granularity' | 'temperature' | 'sources' | 'weights'>): MergeBy {
  if (label === 'average' || label === 'group') return { kind: label };
  if (score === null) {
    const named = sources.map(({ task }, index) => [task, weights[0]?.[index] ?? 0] as const);
    return { kind: 'explicit', weights: Object.fromEntries(named) };
  }
  if (label === 'best-source') return { kind: 'best-source', method: score };
  const part = label.slice(score.length + 1);
  return {
    kind: 'score',
    method: score,
    granularity,
    ...(temperature === null ? {} : { temperature }),
    ...(part === '' || part === `per-${granularity}` ? {} : { part }),
  };
}
