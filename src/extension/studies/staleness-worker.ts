import { parentPort, workerData } from 'node:worker_threads';
import { DeltaloomError } from '../../core/errors.js';
import { readSnapshot } from '../../study/snapshot.js';
import { staleRecords } from '../../study/staleness.js';
import { StudyFiles } from '../../study/study-files.js';
import type { StalenessAnswer, StalenessQuestion } from './staleness.js';

/** A thread of its own: judges one study as `deltaloom status` does, answers and ends. */

const { directory, mayWrite } = workerData as StalenessQuestion;

async function answer(): Promise<StalenessAnswer> {
  try {
    const study = await StudyFiles.read(directory);
    const stale = await staleRecords(study, await readSnapshot(directory));
    // What was hashed once is not hashed again, neither here nor by a job.
    if (mayWrite) await study.close();
    return { stale: [...stale] };
  } catch (error) {
    // A study that can't be read has problems of its own, and they are shown.
    if (error instanceof DeltaloomError) return { stale: [] };
    throw error;
  }
}

void answer().then((stale) => parentPort?.postMessage(stale));
