import type { JobView } from '../../runtime/protocol.js';

export const NOTIFICATION_LEVELS = ['unseen', 'failures', 'never'] as const;
export type NotificationLevel = (typeof NOTIFICATION_LEVELS)[number];

/** Whether the end of a job deserves a notification. */
export type Announcement = 'none' | 'done' | 'failed';

/**
 * Only what the user started in this window; a success only if nobody was looking; a failure unless its log is open.
 */
export function announcementOf(
  job: JobView,
  seen: { readonly startedHere: boolean; readonly looking: boolean; readonly level: NotificationLevel },
): Announcement {
  if (!seen.startedHere || seen.level === 'never') return 'none';
  if (job.state === 'failed') return 'failed';
  if (job.state !== 'done' || seen.level === 'failures' || seen.looking) return 'none';
  // What was on record already took no time: nothing has ended that anybody waited for.
  return job.outcome?.computed === 0 ? 'none' : 'done';
}
