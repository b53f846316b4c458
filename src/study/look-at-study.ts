import type { JobContext } from './jobs.js';
import { StudySession } from './session.js';

/**
 * A study as a job would find it, for what only looks: nothing can be computed.
 *
 * @param seed instead of the study's own seeds of sources and targets
 * @throws DeltaloomError of a study that can't be read
 */
export function lookAtStudy(directory: string, seed?: number): Promise<StudySession> {
  const idle: JobContext = {
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    engine: () => Promise.reject(new Error('looking at a study needs no engine')),
  };
  return StudySession.open(directory, idle, seed);
}
