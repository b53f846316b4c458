import { lookAtStudy } from './look-at-study.js';
import { readSnapshot, type StudySnapshot } from './snapshot.js';
import { staleRecords, type StaleRecords } from './staleness.js';

/** What a study holds, and what of it no longer follows from its configuration and files. */
export interface JudgedSnapshot extends StudySnapshot {
  readonly stale: StaleRecords;
}

/**
 * Reads a study and judges its records. Hashes data and backbone, remembered from the last time.
 *
 * @param seed instead of the study's own seeds
 * @throws DeltaloomError of a study that can't be read
 */
export async function readJudgedSnapshot(directory: string, seed?: number): Promise<JudgedSnapshot> {
  const study = await lookAtStudy(directory, seed);
  const snapshot = await readSnapshot(directory);
  return { ...snapshot, stale: await staleRecords(study, snapshot) };
}
