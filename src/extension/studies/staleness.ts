import { Worker } from 'node:worker_threads';
import type { StaleRecords } from '../../study/staleness.js';

/** What the thread is given. */
export interface StalenessQuestion {
  readonly directory: string;
  /** false in an untrusted workspace: what was hashed is then not remembered in the study's cache. */
  readonly mayWrite: boolean;
}

export interface StalenessAnswer {
  readonly stale: readonly (readonly [string, string])[];
}

/**
 * Asks which records are stale without holding the extension host: the judgement hashes data and backbone, so it is made in
 * a thread that ends with its answer. Rejects when the thread fails.
 */
export class StalenessJudge {
  private readonly workers = new Set<Worker>();

  constructor(
    private readonly workerFile: string,
    private readonly mayWrite: () => boolean,
  ) {}

  judge(directory: string): Promise<StaleRecords> {
    const question: StalenessQuestion = { directory, mayWrite: this.mayWrite() };
    return new Promise((resolve, reject) => {
      const worker = new Worker(this.workerFile, { workerData: question });
      this.workers.add(worker);
      worker.once('message', ({ stale }: StalenessAnswer) => resolve(new Map(stale)));
      worker.once('error', reject);
      worker.once('exit', (code) => {
        this.workers.delete(worker);
        // After an answer this says nothing any more.
        reject(new Error(`The thread ended with code ${code} and without an answer.`));
      });
    });
  }

  dispose(): void {
    for (const worker of this.workers) void worker.terminate();
  }
}
