import { setTimeout as delay } from 'node:timers/promises';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import { DeltaloomError } from '../core/errors.js';
import type { DeviceReport } from '../engine/contract.js';
import type { StudyProblem } from '../study/snapshot.js';
import { findAdvertised } from './discovery.js';
import { Emitter } from './emitter.js';
import { jobLogFile } from './job-log.js';
import { joinProcess, startProcess, type RuntimeProcess, type RuntimeProgram } from './process.js';
import {
  hasEnded,
  Messages,
  PROTOCOL_VERSION,
  type Answer,
  type CheckpointSummary,
  type InspectParams,
  type JobError,
  type JobView,
  type SessionSettings,
  type SubmittedJob,
} from './protocol.js';
import { unstarted } from './queue.js';

/** Every wait of the client, in milliseconds. */
export interface RuntimeTimeouts {
  /** From the start of the process to its greeting. */
  readonly start: number;
  /** To reach a runtime that another window left. */
  readonly join: number;
  /** Silence of a runtime that is at work: native calls block its heartbeat, so this is generous. */
  readonly hang: number;
  /** From 'cancel' to the end of the process if the job does not stop by itself. */
  readonly cancel: number;
  /** From asking the process to end to ending it. */
  readonly softKill: number;
  /** A runtime that lived this long was well: its end begins a new count of restarts. */
  readonly stable: number;
  /** Before the first, second and third restart; their number is the number of restarts. */
  readonly backOff: readonly number[];
}

export const DEFAULT_TIMEOUTS: RuntimeTimeouts = {
  start: 20_000,
  join: 2_000,
  hang: 300_000,
  cancel: 30_000,
  softKill: 3_000,
  stable: 600_000,
  backOff: [500, 2_000, 8_000],
};

export type ClientState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly pid: number }
  | { readonly kind: 'restarting'; readonly attempt: number; readonly reason: string }
  | { readonly kind: 'broken'; readonly reason: string };

export interface RuntimeClientOptions {
  /** Asked at every start, so that changed settings hold after the next one. */
  readonly program: () => RuntimeProgram;
  readonly settings: () => SessionSettings;
  readonly log: (level: 'info' | 'warn' | 'error', line: string) => void;
  readonly timeouts?: Partial<RuntimeTimeouts>;
}

interface Link {
  readonly process: RuntimeProcess;
  readonly connection: MessageConnection;
  readonly since: number;
  /** When anything was last heard. */
  heard: number;
}

/**
 * The editor's side of the runtime: starts the process on first need (or joins one that outlived another window),
 * notices when it crashes or hangs, starts it again and hands it the jobs that had not ended.
 */
export class RuntimeClient {
  readonly onJob = new Emitter<JobView>();
  readonly onState = new Emitter<ClientState>();
  readonly onLogged = new Emitter<{ readonly id: string; readonly line: string }>();
  readonly onDevice = new Emitter<DeviceReport>();

  private readonly timeouts: RuntimeTimeouts;
  private readonly jobs = new Map<string, JobView>();
  /** Jobs that a restarted runtime must be given again. */
  private readonly submitted = new Map<string, SubmittedJob>();
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

  constructor(private readonly options: RuntimeClientOptions) {
    this.timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  }

  get state(): ClientState {
    return this.current;
  }

  list(): JobView[] {
    return [...this.jobs.values()];
  }

  get(id: string): JobView | undefined {
    return this.jobs.get(id);
  }

  /** Submits a job, starting the runtime on first need. Returns the job that does the work, which may be an earlier one. */
  async submit(job: SubmittedJob): Promise<JobView> {
    const link = await this.connected();
    this.submitted.set(job.id, job);
    try {
      const view = await link.connection.sendRequest(Messages.submit, job);
      if (view.id !== job.id) this.submitted.delete(job.id);
      this.remember(view);
      return this.jobs.get(view.id) ?? view;
    } catch (error) {
      // The runtime died with the request in its hands: the restart submits it again.
      await this.settled(link);
      await this.recovering;
      const view = this.jobs.get(job.id);
      if (view !== undefined) return view;
      this.submitted.delete(job.id);
      throw error;
    }
  }

  /** Asks a job to stop; a runtime whose job does not stop in time is ended and started again without it. */
  async cancel(id: string): Promise<boolean> {
    const view = this.jobs.get(id);
    if (view === undefined || hasEnded(view.state)) return false;
    const { link } = this;
    if (link === undefined) {
      this.endHere(view, 'cancelled', null);
      return true;
    }
    this.remember({ ...view, state: view.state === 'queued' ? 'queued' : 'cancelling' });
    void delay(this.timeouts.cancel, undefined, { ref: false }).then(async () => {
      const late = this.jobs.get(id);
      if (late === undefined || hasEnded(late.state) || this.link !== link) return;
      this.endHere(late, 'cancelled', null);
      await this.endProcess(link, `a cancelled job did not stop within ${this.timeouts.cancel / 1000} s`);
    });
    return link.connection.sendRequest(Messages.cancel, { id }).catch(() => false);
  }

  finished(id: string): Promise<JobView> {
    const view = this.jobs.get(id);
    if (view === undefined) return Promise.reject(new Error(`There is no job '${id}'.`));
    if (hasEnded(view.state)) return Promise.resolve(view);
    return new Promise((resolve) => {
      const listening = this.onJob.on((changed) => {
        if (changed.id !== id || !hasEnded(changed.state)) return;
        listening.dispose();
        resolve(changed);
      });
    });
  }

  devices(): Promise<readonly DeviceReport[]> {
    return this.ask((connection) => connection.sendRequest(Messages.devices, null));
  }

  check(study: string): Promise<readonly StudyProblem[]> {
    return this.ask((connection) => connection.sendRequest(Messages.check, { study }));
  }

  inspect(params: InspectParams): Promise<CheckpointSummary> {
    return this.ask((connection) => connection.sendRequest(Messages.inspect, params));
  }

  /** Hands changed settings to a living runtime. */
  async configure(): Promise<void> {
    await this.link?.connection.sendRequest(Messages.configure, this.options.settings());
  }

  /** Joins the runtime that another window left in one of the studies, if there is one. Starts nothing. */
  async joinIfRunning(): Promise<boolean> {
    if (this.link !== undefined || this.starting !== undefined || this.disposed)
      return this.link !== undefined;
    const found = await this.findRunning();
    if (found === undefined) return false;
    await this.connected(found);
    return true;
  }

  /** Ends the process now; unfinished jobs are submitted to a new one. For people who ask for it. */
  async restart(): Promise<void> {
    this.restarts = 0;
    if (this.link === undefined) {
      await this.connected();
      return;
    }
    const { link } = this;
    this.endReason = 'a restart was asked for';
    await this.endProcess(link, this.endReason);
    await this.recovering;
  }

  /** The window goes. The runtime ends with it, or goes on with its jobs if the user chose so. */
  async dispose(): Promise<void> {
    this.disposed = true;
    clearInterval(this.watch);
    const link = this.link ?? (await this.starting?.catch(() => undefined));
    if (link === undefined) return;
    const goesOn = this.options.settings().outliveWindow && this.list().some(({ state }) => !hasEnded(state));
    await link.connection.sendNotification(Messages.leave).catch(() => undefined);
    if (!goesOn) {
      const ended = await Promise.race([
        link.process.gone.then(() => true),
        delay(this.timeouts.softKill, false, { ref: false }),
      ]);
      if (!ended) link.process.kill();
    }
    link.connection.dispose();
    link.process.release();
    this.link = undefined;
    this.setState({ kind: 'absent' });
  }

  private async ask<T>(request: (connection: MessageConnection) => Promise<Answer<T>>): Promise<T> {
    const { connection } = await this.connected();
    const answer = await request(connection);
    if (answer.ok) return answer.value;
    const { code, message, remedy, file, line } = answer.error;
    throw new DeltaloomError(code, message, {
      place: { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) },
      ...(remedy === undefined ? {} : { remedy }),
    });
  }

  private async connected(running?: RuntimeProcess): Promise<Link> {
    if (this.disposed) throw new Error('The window is closing.');
    if (this.link !== undefined) return this.link;
    if (this.recovering !== undefined && this.starting === undefined) {
      await this.recovering;
      return this.connected();
    }
    // The slot is cleared on failure too, so that the next call tries again.
    this.starting ??= this.open(running).finally(() => (this.starting = undefined));
    return this.starting;
  }

  private async open(running?: RuntimeProcess): Promise<Link> {
    if (this.current.kind !== 'restarting') this.setState({ kind: 'starting' });
    let process: RuntimeProcess | undefined;
    try {
      process = running ?? (await this.findRunning());
      const joined = process !== undefined;
      process ??= await startProcess(this.options.program(), (line) => this.options.log('info', line));
      const link: Link = { process, connection: process.connection, since: Date.now(), heard: Date.now() };
      this.listen(link);
      const greeting = await Promise.race([
        link.connection.sendRequest(Messages.greet, { protocol: PROTOCOL_VERSION }),
        process.gone.then((reason) => {
          throw new Error(`The runtime did not start: ${reason}.`);
        }),
        delay(this.timeouts.start, undefined, { ref: false }).then(() => {
          throw new Error(`The runtime did not answer within ${this.timeouts.start / 1000} s.`);
        }),
      ]);
      await link.connection.sendRequest(Messages.configure, this.options.settings());
      this.link = link;
      this.watch ??= setInterval(() => this.lookForHang(), Math.max(50, this.timeouts.hang / 10));
      this.watch.unref();
      void process.gone.then((reason) => this.lost(link, reason));
      this.options.log('info', `The runtime ${joined ? 'was joined' : 'runs'} (process ${process.pid}).`);
      this.setState({ kind: 'ready', pid: process.pid });
      for (const view of greeting.jobs) {
        this.remember(view);
        if (!hasEnded(view.state)) this.submitted.set(view.id, resubmission(view));
      }
      return link;
    } catch (error) {
      process?.connection.dispose();
      process?.kill();
      const reason = error instanceof Error ? error.message : String(error);
      if (this.recovering === undefined) this.setState({ kind: 'broken', reason });
      throw new DeltaloomError('runtime-not-started', `The runtime process can't be started. ${reason}`, {
        remedy: 'See the log; the setting "deltaloom.runtime.node" names another Node.',
        cause: error,
      });
    }
  }

  private async findRunning(): Promise<RuntimeProcess | undefined> {
    for (const study of this.options.settings().studies) {
      const found = await findAdvertised(study);
      if (found === undefined) continue;
      try {
        return await joinProcess(found, this.timeouts.join);
      } catch (error) {
        this.options.log('warn', `The runtime left by another window can't be joined: ${String(error)}`);
      }
    }
    return undefined;
  }

  private listen(link: Link): void {
    const { connection } = link;
    const heard = (): void => {
      link.heard = Date.now();
    };
    connection.onNotification(Messages.heartbeat, heard);
    connection.onNotification(Messages.updated, (view) => {
      heard();
      this.remember(view);
    });
    connection.onNotification(Messages.logged, (entry) => {
      heard();
      this.onLogged.fire(entry);
    });
    connection.onNotification(Messages.deviceOpened, (device) => this.onDevice.fire(device));
    // Both are followed by the end of the process, which is where they are dealt with.
    connection.onError(() => undefined);
    connection.onClose(() => undefined);
    connection.listen();
  }

  private remember(view: JobView): void {
    const known = this.jobs.get(view.id);
    // A job that was ended here (cancelled too late for the runtime) stays ended.
    if (known !== undefined && hasEnded(known.state)) return;
    const cancelling = known?.state === 'cancelling' && view.state === 'running';
    const next: JobView = cancelling ? { ...view, state: 'cancelling' } : view;
    this.jobs.set(view.id, next);
    if (hasEnded(next.state)) {
      this.submitted.delete(view.id);
      if (next.state === 'done') this.restarts = 0;
    }
    this.onJob.fire(next);
  }

  private endHere(view: JobView, state: 'cancelled' | 'failed', error: JobError | null): void {
    this.remember({ ...view, state, error, endedAt: Date.now() });
  }

  private lookForHang(): void {
    const { link } = this;
    if (link === undefined) return;
    // A queued job counts: a runtime that hangs at once may never get to say that it runs.
    const busy = this.list().some(({ state }) => !hasEnded(state));
    const silence = Date.now() - link.heard;
    if (!busy || silence < this.timeouts.hang) return;
    link.heard = Date.now();
    void this.endProcess(link, `it was silent for ${Math.round(silence / 1000)} s`);
  }

  /** Soft, then hard. */
  private async endProcess(link: Link, reason: string): Promise<void> {
    this.endReason = reason;
    link.process.terminate();
    const ended = await Promise.race([
      link.process.gone.then(() => true),
      delay(this.timeouts.softKill, false, { ref: false }),
    ]);
    if (!ended) link.process.kill();
    await link.process.gone;
  }

  /** After a failed request: gives the end of the process a moment to be noticed. */
  private async settled(link: Link): Promise<void> {
    await Promise.race([link.process.gone, delay(1000, undefined, { ref: false })]);
  }

  private lost(link: Link, exit: string): void {
    if (this.link !== link) return;
    this.link = undefined;
    link.connection.dispose();
    if (this.disposed) return;
    const reason = this.endReason ?? exit;
    this.endReason = undefined;
    if (Date.now() - link.since > this.timeouts.stable) this.restarts = 0;
    for (const view of this.list()) {
      if (view.state === 'cancelling') this.endHere(view, 'cancelled', null);
    }
    this.lostReason = reason;
    this.options.log('error', `The runtime (process ${link.process.pid}) has gone: ${reason}.`);
    if (this.submitted.size === 0) {
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
      const needed = this.link === undefined && this.submitted.size > 0;
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
        this.starting ??= this.open().finally(() => (this.starting = undefined));
        const link = await this.starting;
        if (await this.handOver(link)) return;
      } catch (error) {
        this.options.log('error', error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** Submits the unfinished jobs to a new runtime; false if that one was lost meanwhile. */
  private async handOver(link: Link): Promise<boolean> {
    for (const job of [...this.submitted.values()]) {
      const attempts = this.jobs.get(job.id)?.attempts ?? job.attempts;
      try {
        const view = await link.connection.sendRequest(Messages.submit, { ...job, attempts });
        this.remember(view);
      } catch {
        await this.settled(link);
        return this.link === link;
      }
    }
    return true;
  }

  private giveUp(reason: string): void {
    const times = this.timeouts.backOff.length;
    this.restarts = 0;
    this.setState({ kind: 'broken', reason });
    for (const job of this.submitted.values()) {
      if (!this.jobs.has(job.id)) this.jobs.set(job.id, unstarted(job, jobLogFile(job.study, job.id)));
    }
    this.submitted.clear();
    for (const view of this.list().filter(({ state }) => !hasEnded(state))) {
      this.endHere(view, 'failed', {
        code: 'runtime-crashed',
        message: `The runtime ended ${times + 1} times while it was at work: ${reason}.`,
        remedy: 'Open the log of the job. Less memory (smaller batches) or another device may help.',
      });
    }
  }

  private setState(state: ClientState): void {
    this.current = state;
    this.onState.fire(state);
  }
}

function resubmission(view: JobView): SubmittedJob {
  const { id, study, request, priority, title, attempts, compute } = view;
  return { id, study, request, priority, title, attempts, compute };
}
