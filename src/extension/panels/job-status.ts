import type { JobView } from '../../runtime/protocol.js';
import type { JobStatus } from './messages.js';

/** A job in the words of a page. */
export function jobStatus(job: JobView): JobStatus {
  const { progress, outcome, error } = job;
  return {
    id: job.id,
    title: job.title,
    kind: job.request.kind,
    state: job.state,
    text: error?.message ?? outcome?.summary ?? progress?.label ?? job.title,
    fraction: progress === null || progress.total === 0 ? null : progress.done / progress.total,
    target: job.request.kind === 'merge' ? job.request.target : null,
  };
}
