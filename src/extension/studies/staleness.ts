import { Worker } from 'node:worker_threads';
import type { StaleRecords } from '../../study/staleness.js';

/** What the thread is given. */
export interface StalenessQuestion {
  readonly directory: string;
  /** false in an untrusted workspace: what was hashed is then not remembered in the study's cache. */
  readonly mayWrite: boolean;
  /** Asks for the source runs of these tasks instead of the judgement. */
  readonly sources?: { readonly deltaName: string; readonly tasks: readonly string[] };
}

export interface StalenessAnswer {
  readonly stale: readonly (readonly [string, string])[];
  /** Ids of runs by their tasks. */
  readonly sources: readonly (readonly [string, string])[];
}

/**
 * Asks which records are stale, and which runs serve as sources, without holding the extension host: both hash data and
 * backbone, so they are found out in a thread that ends with its answer. Rejects when the thread fails.
 */
export class StalenessJudge {
  private readonly workers = new Set<Worker>();

  constructor(
    private readonly workerFile: string,
    private readonly mayWrite: () => boolean,
  ) {}

  async judge(directory: string): Promise<StaleRecords> {
    const { stale } = await this.ask({ directory, mayWrite: this.mayWrite() });
    return new Map(stale);
  }

  /** The ids of the runs that a merge takes as the sources of these tasks; tasks without one are left out. */
  async sourcesInUse(
    directory: string,
    deltaName: string,
    tasks: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const question = { directory, mayWrite: this.mayWrite(), sources: { deltaName, tasks } };
    return new Map((await this.ask(question)).sources);
  }

  private ask(question: StalenessQuestion): Promise<StalenessAnswer> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(this.workerFile, { workerData: question });
      this.workers.add(worker);
      worker.once('message', resolve);
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
