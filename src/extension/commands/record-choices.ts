import type { Study } from '../services.js';
import { STRINGS } from '../strings.js';
import { formatMerge, formatMetric, formatRun, joinParts } from '../tree/labels.js';
import type { CheckpointNode, MergeNode } from '../tree/nodes.js';
import { toldStates } from '../tree/rows.js';
import type { StudyIndex } from '../tree/study-index.js';
import type { Choice } from './tune-choices.js';

/** What a command needs of a run or a merge: what stands in its record, or its weights too. */
export type Wanted = 'record' | 'weights';

/** Every tuning and merge of a study that has what is wanted, by task, to choose one of. */
export function collectRecords(
  study: Study,
  index: StudyIndex,
  wanted: Wanted,
): Choice<CheckpointNode | MergeNode>[] {
  const fits = ({ weightsHere }: { readonly weightsHere: boolean }): boolean =>
    wanted === 'record' || weightsHere;
  return [...index.tasks.values()].flatMap(({ task, checkpoints, merges }) => [
    ...checkpoints.filter(fits).map((checkpoint): Choice<CheckpointNode> => {
      const { run, state, score, weightsHere } = checkpoint;
      return {
        heading: task.name,
        label: `${task.name}: ${formatRun(run)}`,
        description: joinParts([
          state === 'failed' ? '' : formatMetric(score),
          STRINGS.tree.seed(run.seed),
          ...toldStates(state, run.checkpoint === null || weightsHere),
        ]),
        value: { kind: 'checkpoint', study, group: null, checkpoint },
      };
    }),
    ...merges.filter(fits).map((merge): Choice<MergeNode> => ({
      heading: task.name,
      label: `${task.name}: ${formatMerge(merge.record)}`,
      description: joinParts([merge.record.deltaName, ...toldStates(merge.state, merge.weightsHere)]),
      value: { kind: 'merge', study, group: null, merge },
    })),
  ]);
}
