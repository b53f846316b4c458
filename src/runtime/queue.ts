import { DeltaloomError } from '../core/errors.js';
import type { JobOutcome, JobProgress } from '../study/jobs.js';
import { describeError, reviveError } from './job-error.js';
import { runLine } from './job-log.js';
import { hasEnded, JOB_PRIORITIES, type JobView, type SubmittedJob } from './protocol.js';

/** What a running job is given: the queue's side of `JobContext`. */
export interface JobHooks {
  readonly signal: AbortSignal;
  readonly progress: (progress: JobProgress) => void;
  readonly log: (line: string) => void;
}

export interface QueueOptions {
  readonly execute: (job: SubmittedJob, hooks: JobHooks) => Promise<JobOutcome>;
  readonly updated: (view: JobView) => void;
  readonly log: (job: SubmittedJob, line: string) => void;
  /** Resolves when all that was logged can be read: nobody is told an end whose log lacks its last line. */
  readonly logsWritten: () => Promise<void>;
  readonly logFile: (job: SubmittedJob) => string;
  /** Milliseconds between two updates of one job's progress. */
  readonly progressInterval?: number;
}

interface Entry {
  job: SubmittedJob;
  view: JobView;
  readonly key: string;
  readonly order: number;
  readonly abort: AbortController;
  lastSent: number;
  pending: ReturnType<typeof setTimeout> | undefined;
}

/** Ended jobs that are still told to a window that joins. */
const KEPT = 200;

/**
 * One job on the device at a time; the others wait by priority, then in the order of arrival. Work that is queued or
 * running already is not queued twice. A job that runs is never pushed aside by a more urgent one: trainings are
 * long and resume exactly, but swapping them costs the engine its compiled graphs.
 */
export class JobQueue {
  private readonly entries = new Map<string, Entry>();
  private running: Entry | undefined;
  private arrivals = 0;

  constructor(private readonly options: QueueOptions) {}

  list(): JobView[] {
    return [...this.entries.values()].map(({ view }) => view);
  }

  get idle(): boolean {
    return this.running === undefined && !this.list().some(({ state }) => state === 'queued');
  }

  get current(): JobView | undefined {
    return this.running?.view;
  }

  /** Returns the job that will do this work: the one submitted, or the one that was asked for it before. */
  submit(job: SubmittedJob): JobView {
    const key = `${job.study}\n${canonical(job.request)}`;
    const twin = [...this.entries.values()].find(
      (entry) => entry.key === key && (entry.view.state === 'queued' || entry.view.state === 'running'),
    );
    if (twin !== undefined) {
      if (JOB_PRIORITIES[job.priority] > JOB_PRIORITIES[twin.view.priority]) {
        twin.job = { ...twin.job, priority: job.priority };
        this.update(twin, { priority: job.priority });
      }
      return twin.view;
    }
    const view = unstarted(job, this.options.logFile(job));
    const entry: Entry = {
      job,
      view,
      key,
      order: this.arrivals++,
      abort: new AbortController(),
      lastSent: 0,
      pending: undefined,
    };
    this.entries.set(job.id, entry);
    this.options.updated(view);
    this.startNext();
    return entry.view;
  }

  /** Returns false when there was nothing to cancel: the job is unknown or has ended. */
  cancel(id: string): boolean {
    const entry = this.entries.get(id);
    if (entry === undefined || hasEnded(entry.view.state)) return false;
    if (entry.view.state === 'queued') {
      this.end(entry, { state: 'cancelled' });
    } else if (entry.view.state === 'running') {
      this.update(entry, { state: 'cancelling' });
      entry.abort.abort(new DeltaloomError('cancelled', 'Cancelled.'));
    }
    return true;
  }

  /** Ends the running job as failed, for a reason that lies outside it (memory). */
  giveUp(error: DeltaloomError): void {
    this.running?.abort.abort(error);
  }

  private startNext(): void {
    if (this.running !== undefined) return;
    const next = [...this.entries.values()]
      .filter(({ view }) => view.state === 'queued')
      .sort(
        (a, b) => JOB_PRIORITIES[b.view.priority] - JOB_PRIORITIES[a.view.priority] || a.order - b.order,
      )[0];
    if (next === undefined) return;
    this.running = next;
    this.update(next, { state: 'running', startedAt: Date.now(), attempts: next.view.attempts + 1 });
    void this.run(next);
  }

  private async run(entry: Entry): Promise<void> {
    const end = await this.execute(entry);
    await this.options.logsWritten();
    this.end(entry, end);
    this.running = undefined;
    this.startNext();
  }

  /** Does the job and logs how it ended; never rejects. */
  private async execute(entry: Entry): Promise<Partial<JobView>> {
    const { job, abort } = entry;
    const log = (line: string): void => this.options.log(job, line);
    try {
      log(`${job.title} begins (attempt ${entry.view.attempts}).`);
      const outcome = await this.options.execute(job, {
        signal: abort.signal,
        progress: (progress) => this.progress(entry, progress),
        log,
      });
      const reason = givenUp(abort.signal);
      if (reason !== undefined) throw reason;
      log(outcome.summary);
      return { state: abort.signal.aborted ? 'cancelled' : 'done', outcome };
    } catch (caught) {
      const reason = givenUp(abort.signal);
      if (abort.signal.aborted && reason === undefined) {
        log('Cancelled.');
        return { state: 'cancelled' };
      }
      const error = describeError(reason ?? caught);
      log(`Failed: ${reviveError(error).line}`);
      const stack = caught instanceof DeltaloomError || !(caught instanceof Error) ? undefined : caught.stack;
      if (stack !== undefined) log(stack);
      return { state: 'failed', error };
    }
  }

  private progress(entry: Entry, progress: JobProgress): void {
    if (hasEnded(entry.view.state)) return;
    const { task, runId } = progress;
    if (task !== undefined && runId !== undefined && runId !== entry.view.progress?.runId) {
      this.options.log(entry.job, runLine(task, runId));
    }
    entry.view = { ...entry.view, progress };
    const wait = entry.lastSent + (this.options.progressInterval ?? 200) - Date.now();
    if (wait <= 0) {
      this.send(entry);
    } else {
      entry.pending ??= setTimeout(() => this.send(entry), wait);
    }
  }

  private update(entry: Entry, change: Partial<JobView>): void {
    entry.view = { ...entry.view, ...change };
    this.send(entry);
  }

  private send(entry: Entry): void {
    clearTimeout(entry.pending);
    entry.pending = undefined;
    entry.lastSent = Date.now();
    this.options.updated(entry.view);
  }

  private end(entry: Entry, change: Partial<JobView>): void {
    this.update(entry, { ...change, endedAt: Date.now() });
    const ended = [...this.entries.values()].filter(({ view }) => hasEnded(view.state));
    for (const old of ended.slice(0, Math.max(0, ended.length - KEPT))) this.entries.delete(old.view.id);
  }
}

/** How a job looks before it has begun. */
export function unstarted(job: SubmittedJob, logFile: string): JobView {
  return {
    ...job,
    state: 'queued',
    progress: null,
    outcome: null,
    error: null,
    logFile,
    submittedAt: Date.now(),
    startedAt: null,
    endedAt: null,
  };
}

/** The reason of `giveUp`; undefined when the user cancelled, or nothing was aborted. */
function givenUp(signal: AbortSignal): DeltaloomError | undefined {
  const reason: unknown = signal.reason;
  return signal.aborted && reason instanceof DeltaloomError && reason.code !== 'cancelled'
    ? reason
    : undefined;
}

/** The same text for the same request, in whatever order its properties were written. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
