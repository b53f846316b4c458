import { setTimeout as delay } from 'node:timers/promises';
import { DeltaloomError } from '../core/errors.js';
import type { DeviceReport } from '../engine/contract.js';
import { systemErrorCode } from '../formats/atomic-file.js';
import type { StudyProblem } from '../study/snapshot.js';
import {
  DEFAULT_TIMEOUTS,
  type ClientState,
  type RuntimeClientOptions,
  type RuntimeTimeouts,
} from './client-options.js';
import { Emitter } from './emitter.js';
import { JobBook } from './job-book.js';
import { endProcess, endsWithin } from './ending.js';
import { reviveError } from './job-error.js';
import type { GreetedLink, Link, LinkOptions, RuntimeCalls } from './link.js';
import type { RuntimeProcess } from './process.js';
import {
  hasEnded,
  type Answer,
  type CheckpointSummary,
  type InspectParams,
  type JobView,
  type SubmittedJob,
} from './protocol.js';

/** How often a silence is looked for. */
const WATCH_MS = 1000;
/** What a failed request leaves the end of the process to be noticed. */
const SETTLE_MS = 1000;

/** Loaded with the first need of a runtime: the transport is no part of opening a window. */
const loadLink = () => import('./link.js');

/**
 * The editor's side of the runtime: starts the process on first need (or joins one that outlived another window),
 * notices when it crashes or hangs, starts it again and hands it the jobs that had not ended.
 */
export class RuntimeClient {
  readonly onState = new Emitter<ClientState>();
  readonly onLogged = new Emitter<{ readonly id: string; readonly line: string }>();
  readonly onDevice = new Emitter<DeviceReport>();

  private readonly book = new JobBook();
  readonly onJob = this.book.onChange;
  private link: Link | undefined;
  private starting: Promise<Link> | undefined;
  private recovering: Promise<void> | undefined;
  private restarts = 0;
  private current: ClientState = { kind: 'absent' };
  private disposed = false;
  /** Why the process is being ended by us; the reason reported instead of its exit code. */
  private endReason: string | undefined;
  private lostReason = '';
  private watch: NodeJS.Timeout | undefined;

  constructor(private readonly options: RuntimeClientOptions) {}

  get state(): ClientState {
    return this.current;
  }

  list(): JobView[] {
    return this.book.list();
  }

  get(id: string): JobView | undefined {
    return this.book.get(id);
  }

  /** Submits a job, starting the runtime on first need. Returns the job that does the work, which may be an earlier one. */
  async submit(job: SubmittedJob): Promise<JobView> {
    const link = await this.connected();
    this.book.hand(job);
    try {
      const view = await link.calls.submit(job);
      if (view.id !== job.id) this.book.takeBack(job.id);
      this.remember(view);
      return this.book.get(view.id) ?? view;
    } catch (error) {
      // The runtime died with the request in its hands: the restart submits it again.
      await endsWithin(link.process, SETTLE_MS);
      await this.recovering;
      const view = this.book.get(job.id);
      if (view !== undefined) return view;
      this.book.takeBack(job.id);
      throw error;
    }
  }

  /** Asks a job to stop; a runtime whose job does not stop in time is ended and started again without it. */
  async cancel(id: string): Promise<boolean> {
    const view = this.book.get(id);
    if (view === undefined || hasEnded(view.state)) return false;
    const { link } = this;
    if (link === undefined) {
      this.book.end(view, 'cancelled');
      return true;
    }
    this.remember({ ...view, state: view.state === 'queued' ? 'queued' : 'cancelling' });
    const patience = this.timeouts.cancel;
    void delay(patience, undefined, { ref: false }).then(async () => {
      const late = this.book.get(id);
      if (late === undefined || hasEnded(late.state) || this.link !== link) return;
      this.book.end(late, 'cancelled');
      await this.endProcess(link, `a cancelled job did not stop within ${patience / 1000} s`);
    });
    return link.calls.cancel(id).catch(() => false);
  }

  finished(id: string): Promise<JobView> {
    return this.book.finished(id);
  }

  devices(): Promise<readonly DeviceReport[]> {
    return this.ask((calls) => calls.devices());
  }

  check(study: string): Promise<readonly StudyProblem[]> {
    return this.ask((calls) => calls.check(study));
  }

  inspect(params: InspectParams): Promise<CheckpointSummary> {
    return this.ask((calls) => calls.inspect(params));
  }

  /** Hands changed settings to a living runtime. */
  async configure(): Promise<void> {
    await this.link?.calls.configure(this.options.settings());
  }

  /** Joins the runtime that another window left in one of the studies, if there is one. Starts nothing. */
  async joinIfRunning(): Promise<boolean> {
    if (this.link !== undefined || this.starting !== undefined || this.disposed) {
      return this.link !== undefined;
    }
    const found = await this.findRunning();
    if (found === undefined) return false;
    return this.connected(found).then(
      () => true,
      () => false,
    );
  }

  /** Ends the process now; unfinished jobs are submitted to a new one. For people who ask for it. */
  async restart(): Promise<void> {
    this.restarts = 0;
    const { link } = this;
    if (link === undefined) {
      await this.connected();
      return;
    }
    await this.endProcess(link, 'a restart was asked for');
    await this.recovering;
  }

  /** The window goes. The runtime ends with it, or goes on with its jobs if the user chose so. */
  async dispose(): Promise<void> {
    this.disposed = true;
    clearInterval(this.watch);
    const link = this.link ?? (await this.starting?.catch(() => undefined));
    if (link === undefined) return;
    const goesOn = this.options.settings().outliveWindow && this.book.unfinished.length > 0;
    await link.calls.leave().catch(() => undefined);
    if (!goesOn && !(await endsWithin(link.process, this.timeouts.softKill))) link.process.kill();
    link.process.connection.dispose();
    link.process.release();
    this.link = undefined;
    this.setState({ kind: 'absent' });
  }

  private get timeouts(): RuntimeTimeouts {
    return { ...DEFAULT_TIMEOUTS, ...this.options.timeouts?.() };
  }

  private async ask<T>(request: (calls: RuntimeCalls) => Promise<Answer<T>>): Promise<T> {
    const { calls } = await this.connected();
    const answer = await request(calls);
    if (answer.ok) return answer.value;
    throw reviveError(answer.error);
  }

  private async connected(running?: RuntimeProcess): Promise<Link> {
    if (this.disposed) throw new Error('The window is closing.');
    if (this.link !== undefined) return this.link;
    if (this.recovering !== undefined && this.starting === undefined) {
      await this.recovering;
      return this.connected();
    }
    return this.start(running);
  }

  /** One start at a time, whoever asks. The slot is cleared on failure too, so that the next call tries again. */
  private start(running?: RuntimeProcess): Promise<Link> {
    this.starting ??= this.open(running).finally(() => (this.starting = undefined));
    return this.starting;
  }

  private async open(running?: RuntimeProcess): Promise<Link> {
    if (this.current.kind !== 'restarting') this.setState({ kind: 'starting' });
    const options: LinkOptions = {
      settings: this.options.settings(),
      timeouts: this.timeouts,
      log: this.options.log,
      listener: {
        updated: (view) => this.remember(view),
        logged: (entry) => this.onLogged.fire(entry),
        deviceOpened: (device) => this.onDevice.fire(device),
      },
    };
    try {
      const found = running ?? (await this.findRunning());
      const joined = found === undefined ? undefined : await this.join(found, options);
      // Asked to join and nothing else: nothing is started instead.
      if (joined === undefined && running !== undefined) throw new Error('There is no runtime to join.');
      const { link, greeting } =
        joined ?? (await (await loadLink()).startLink(this.options.program(), options));
      const { process } = link;
      this.link = link;
      this.watch ??= setInterval(() => this.lookForHang(), WATCH_MS);
      this.watch.unref();
      void process.gone.then((reason) => this.lost(link, reason));
      this.options.log(
        'info',
        `The runtime ${joined === undefined ? 'runs' : 'was joined'} (process ${process.pid}).`,
      );
      this.setState({ kind: 'ready', pid: process.pid });
      this.book.adopt(greeting.jobs);
      return link;
    } catch (error) {
      const reason = reasonOf(error);
      if (running !== undefined) this.setState({ kind: 'absent' });
      else if (this.recovering === undefined) this.setState({ kind: 'broken', reason });
      throw new DeltaloomError('runtime-not-started', `The runtime process can't be started: ${reason}`, {
        remedy: 'See the log; the setting "deltaloom.runtime.node" names another Node.',
        cause: error,
      });
    }
  }

  private async join(found: RuntimeProcess, options: LinkOptions): Promise<GreetedLink | undefined> {
    try {
      return await (await loadLink()).joinLink(found, options);
    } catch (error) {
      this.options.log('warn', `The runtime left by another window can't be joined: ${String(error)}`);
      return undefined;
    }
  }

  private async findRunning(): Promise<RuntimeProcess | undefined> {
    const { findRunning } = await loadLink();
    return findRunning(this.options.settings().studies, this.timeouts, this.options.log);
  }

  private remember(view: JobView): void {
    // A job that was done says that the runtime is well: its next crash is the first.
    if (this.book.remember(view) && view.state === 'done') this.restarts = 0;
  }

  private lookForHang(): void {
    const { link } = this;
    if (link === undefined) return;
    // A queued job counts: a runtime that hangs at once may never get to say that it runs.
    const busy = this.book.unfinished.length > 0;
    const silence = Date.now() - link.heard;
    if (!busy || silence < this.timeouts.hang) return;
    link.heard = Date.now();
    void this.endProcess(link, `it was silent for ${Math.round(silence / 1000)} s`);
  }

  private endProcess(link: Link, reason: string): Promise<void> {
    this.endReason = reason;
    return endProcess(link.process, this.timeouts.softKill);
  }

  private lost(link: Link, exit: string): void {
    if (this.link !== link) return;
    this.link = undefined;
    link.process.connection.dispose();
    if (this.disposed) return;
    const reason = this.endReason ?? exit;
    this.endReason = undefined;
    if (Date.now() - link.since > this.timeouts.stable) this.restarts = 0;
    for (const view of this.book.list()) {
      if (view.state === 'cancelling') this.book.end(view, 'cancelled');
    }
    this.lostReason = reason;
    this.options.log('error', `The runtime (process ${link.process.pid}) has gone: ${reason}.`);
    if (this.book.pending.length === 0) {
      this.setState({ kind: 'absent' });
      return;
    }
    this.recoverIfNeeded();
  }

  private recoverIfNeeded(): void {
    if (this.recovering !== undefined) return;
    this.recovering = this.recover().finally(() => {
      this.recovering = undefined;
      // Lost again in the very moment in which the recovery ended.
      const needed = this.link === undefined && this.book.pending.length > 0;
      if (needed && !this.disposed && this.current.kind !== 'broken') this.recoverIfNeeded();
    });
  }

  private async recover(): Promise<void> {
    for (;;) {
      const pause = this.timeouts.backOff[this.restarts];
      if (pause === undefined) {
        this.giveUp(this.lostReason);
        return;
      }
      this.restarts++;
      this.setState({ kind: 'restarting', attempt: this.restarts, reason: this.lostReason });
      await delay(pause, undefined, { ref: false });
      if (this.disposed) return;
      try {
        if (await this.handOver(await this.start())) return;
      } catch (error) {
        this.options.log('error', error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** Submits the unfinished jobs to a new runtime; false if that one was lost meanwhile. */
  private async handOver(link: Link): Promise<boolean> {
    for (const job of this.book.pending) {
      const attempts = this.book.get(job.id)?.attempts ?? job.attempts;
      try {
        this.remember(await link.calls.submit({ ...job, attempts }));
      } catch {
        await endsWithin(link.process, SETTLE_MS);
        return this.link === link;
      }
    }
    return true;
  }

  private giveUp(reason: string): void {
    const times = this.timeouts.backOff.length;
    this.restarts = 0;
    this.setState({ kind: 'broken', reason });
    this.book.failAll({
      code: 'runtime-crashed',
      message: `The runtime ended ${times + 1} times while it was at work: ${reason}.`,
      remedy: 'Open the log of the job. Less memory (smaller batches) or another device may help.',
    });
  }

  private setState(state: ClientState): void {
    this.current = state;
    this.onState.fire(state);
  }
}

/** One sentence; the system's own names the program that is not there in code. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return `${String(error)}.`;
  if (systemErrorCode(error) === 'ENOENT' && 'path' in error)
    return `there is no program '${String(error.path)}'.`;
  const said = error.message;
  return said.endsWith('.') ? said : `${said}.`;
}
