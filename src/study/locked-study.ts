import type { JobContext } from './jobs.js';
import { withStudyLock, type LockHolder } from './lock.js';
import { StudySession } from './session.js';

/** A process that is about to end its work holds the lock a little longer. */
const GRACE_MS = 2000;

export interface LockedStudyOptions {
  /** For people: what the lock is held for. */
  readonly purpose: string;
  /** How long to wait for another process that works on the study, in milliseconds. */
  readonly waitMs?: number | undefined;
  /** Instead of the study's own seeds. */
  readonly seed?: number | undefined;
}

/**
 * Works on a study, alone. While another process does, the job says so in its progress; it then finds the study as that one
 * left it.
 *
 * @throws the signal's reason when it aborts; DeltaloomError `study-locked`, and of a study that can't be read
 */
export async function withLockedStudy<Result>(
  directory: string,
  context: JobContext,
  { purpose, waitMs = GRACE_MS, seed }: LockedStudyOptions,
  work: (session: StudySession) => Promise<Result>,
): Promise<Result> {
  const open = (): Promise<StudySession> => StudySession.open(directory, context, seed);
  // Before the lock: a folder that is no study gets no .deltaloom.
  const early = await open();
  let waited = false;
  const waiting = ({ pid, purpose: theirs }: LockHolder): void => {
    waited = true;
    const label = `Waiting for process ${pid}, which works on the study (${theirs})`;
    context.log(`${label}.`);
    context.progress({ label, done: 0, total: 0, unit: 'steps' });
  };
  const alone = async (): Promise<Result> => work(waited ? await open() : early);
  return withStudyLock(directory, purpose, alone, { waitMs, signal: context.signal, waiting });
}
