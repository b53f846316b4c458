import { Emitter } from './emitter.js';
import { jobLogFile } from './job-log.js';
import { hasEnded, type JobError, type JobView, type SubmittedJob } from './protocol.js';
import { unstarted } from './queue.js';

/** What the editor knows of its jobs, over every runtime that worked on them. */
export class JobBook {
  readonly onChange = new Emitter<JobView>();
  private readonly jobs = new Map<string, JobView>();
  /** Jobs that a restarted runtime must be given again. */
  private readonly submitted = new Map<string, SubmittedJob>();

  list(): JobView[] {
    return [...this.jobs.values()];
  }

  get(id: string): JobView | undefined {
    return this.jobs.get(id);
  }

  get unfinished(): JobView[] {
    return this.list().filter(({ state }) => !hasEnded(state));
  }

  /** Jobs that were handed to a runtime and have not ended. */
  get pending(): readonly SubmittedJob[] {
    return [...this.submitted.values()];
  }

  hand(job: SubmittedJob): void {
    this.submitted.set(job.id, job);
  }

  takeBack(id: string): void {
    this.submitted.delete(id);
  }

  /** News of a job. Returns false when they come too late: a job that was ended here stays ended. */
  remember(view: JobView): boolean {
    const known = this.jobs.get(view.id);
    if (known !== undefined && hasEnded(known.state)) return false;
    const cancelling = known?.state === 'cancelling' && view.state === 'running';
    const next: JobView = cancelling ? { ...view, state: 'cancelling' } : view;
    this.jobs.set(view.id, next);
    if (hasEnded(next.state)) this.submitted.delete(view.id);
    this.onChange.fire(next);
    return true;
  }

  /** The jobs of a runtime that was joined: those that go on are resubmitted should it die. */
  adopt(views: readonly JobView[]): void {
    for (const view of views) {
      this.remember(view);
      if (!hasEnded(view.state)) this.submitted.set(view.id, resubmission(view));
    }
  }

  /** Ends a job without its runtime. */
  end(view: JobView, state: 'cancelled' | 'failed', error: JobError | null = null): void {
    this.remember({ ...view, state, error, endedAt: Date.now() });
  }

  /** Ends everything that has not ended, those included that no runtime ever confirmed. */
  failAll(error: JobError): void {
    for (const job of this.submitted.values()) {
      if (!this.jobs.has(job.id)) this.jobs.set(job.id, unstarted(job, jobLogFile(job.study, job.id)));
    }
    this.submitted.clear();
    for (const view of this.unfinished) this.end(view, 'failed', error);
  }

  /** Resolves when the job has ended; rejects for an unknown one. */
  finished(id: string): Promise<JobView> {
    const view = this.jobs.get(id);
    if (view === undefined) return Promise.reject(new Error(`There is no job '${id}'.`));
    if (hasEnded(view.state)) return Promise.resolve(view);
    return new Promise((resolve) => {
      const listening = this.onChange.on((changed) => {
        if (changed.id !== id || !hasEnded(changed.state)) return;
        listening.dispose();
        resolve(changed);
      });
    });
  }
}

function resubmission(view: JobView): SubmittedJob {
  const { id, study, request, priority, title, attempts, compute } = view;
  return { id, study, request, priority, title, attempts, compute };
}
