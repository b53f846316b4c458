import { mergeRecordPath } from '../../study/paths.js';
import type { JobView } from '../../runtime/protocol.js';
import type { JobStatus } from './messages.js';

/** A job in the words of a page. */
export function jobStatus(job: JobView): JobStatus {
  const { request, progress, outcome, error } = job;
  const [task = null, ...others] = request.kind === 'tune' ? request.tasks : [];
  return {
    id: job.id,
    title: job.title,
    kind: request.kind,
    state: job.state,
    text: error?.message ?? outcome?.summary ?? progress?.label ?? job.title,
    fraction: progress === null || progress.total === 0 ? null : progress.done / progress.total,
    target: request.kind === 'merge' ? request.target : others.length === 0 ? task : null,
    merge: mergeOf(job),
  };
}

function mergeOf({ request, outcome }: JobView): string | null {
  if (request.kind === 'merge') return outcome?.records[0] ?? null;
  if (request.kind !== 'tune' || request.initialisation.kind !== 'merge') return null;
  const [task] = request.tasks;
  return task === undefined ? null : mergeRecordPath(task, request.initialisation.id);
}
