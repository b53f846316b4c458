import type { ScoreMethod } from '../../core/methods.js';
import { shellWord } from '../shell-word.js';
import type { MergeBy } from './plan-merge.js';

/** The command that makes the target's row of the scores that a choice of weights reads; for remedies. */
export function scoreCommand({
  by,
  method,
  target,
  deltaName,
}: {
  readonly by: MergeBy;
  /** That `by` reads. */
  readonly method: ScoreMethod;
  readonly target: string;
  readonly deltaName: string;
}): string {
  const parts = by.kind === 'score' && by.granularity !== 'model' ? ` --granularity ${by.granularity}` : '';
  // The delta is always named: the command would take the study's first.
  return `deltaloom score --method ${method}${parts} --target ${shellWord(target)} --delta ${shellWord(deltaName)}`;
}
