import type { RunRecord } from './records.js';

/** Whether a run is a source that was tuned, or brought in, to its end. Apart from the records' schemas, which the tree does not need. */
export function isFinishedSource({
  kind,
  role,
  status,
}: Pick<RunRecord, 'kind' | 'role' | 'status'>): boolean {
  return kind === 'tune' && role === 'source' && status === 'done';
}
