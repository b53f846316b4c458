import { parentPort, workerData } from 'node:worker_threads';
import { DeltaloomError } from '../../core/errors.js';
import { SourceFinder } from '../../study/planned-runs.js';
import { readSnapshot } from '../../study/snapshot.js';
import { staleRecords } from '../../study/staleness.js';
import { StudyFiles } from '../../study/study-files.js';
import type { StalenessAnswer, StalenessQuestion } from './staleness.js';

/** A thread of its own: judges one study as `deltaloom status` does, or finds the sources that a merge would take; answers and ends. */

const { directory, mayWrite, sources } = workerData as StalenessQuestion;

async function answer(): Promise<StalenessAnswer> {
  try {
    const study = await StudyFiles.read(directory);
    const stale = sources === undefined ? await staleRecords(study, await readSnapshot(directory)) : [];
    const found =
      sources === undefined ? [] : await new SourceFinder(study).findAll(sources.tasks, sources.deltaName);
    // What was hashed once is not hashed again, neither here nor by a job.
    if (mayWrite) await study.close();
    return { stale: [...stale], sources: found.map(({ task, id }) => [task, id] as const) };
  } catch (error) {
    // A study that can't be read has problems of its own, and they are shown.
    if (error instanceof DeltaloomError) return { stale: [], sources: [] };
    throw error;
  }
}

void answer().then((found) => parentPort?.postMessage(found));
