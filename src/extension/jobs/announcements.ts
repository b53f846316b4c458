import type { JobView } from '../../runtime/protocol.js';

export const NOTIFICATION_LEVELS = ['unseen', 'failures', 'never'] as const;
export type NotificationLevel = (typeof NOTIFICATION_LEVELS)[number];

/** Whether the end of a job deserves a notification, or, where there was nothing to do, a word in passing. */
export type Announcement = 'none' | 'on-record' | 'done' | 'failed';

/**
 * Only what the user started; a success only if nobody was looking at the tree or at its log; a failure unless its log is in view.
 */
export function announcementOf(
  job: JobView,
  seen: {
    readonly startedHere: boolean;
    readonly looking: boolean;
    readonly reading: boolean;
    readonly level: NotificationLevel;
  },
): Announcement {
  if (!seen.startedHere || seen.reading || seen.level === 'never') return 'none';
  if (job.state === 'failed') return 'failed';
  if (job.state !== 'done') return 'none';
  // It took no time, and nothing in the tree shows that anything was done.
  if (job.outcome?.computed === 0) return 'on-record';
  return seen.level === 'failures' || seen.looking ? 'none' : 'done';
}
