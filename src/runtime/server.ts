import { createServer, type Server } from 'node:net';
import {
  createMessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node.js';
import { DeltaloomError } from '../core/errors.js';
import type { DeviceReport } from '../engine/contract.js';
import type { JobOutcome } from '../study/jobs.js';
import type { StudyProblem } from '../study/snapshot.js';
import { advertise, newAddress, removeAddress, withdraw } from './discovery.js';
import { JobLogs, jobLogFile } from './job-log.js';
import { Messages } from './messages.js';
import {
  PROTOCOL_VERSION,
  type Answer,
  type CheckpointSummary,
  type InspectParams,
  type JobView,
  type SessionSettings,
  type SubmittedJob,
} from './protocol.js';
import { describeError } from './job-error.js';
import { JobQueue, type JobHooks } from './queue.js';

/** What the runtime can do; `main.ts` wires the real thing. */
export interface RuntimeWork {
  readonly execute: (job: SubmittedJob, hooks: JobHooks) => Promise<JobOutcome>;
  readonly devices: () => Promise<readonly DeviceReport[]>;
  readonly check: (study: string) => Promise<readonly StudyProblem[]>;
  readonly inspect: (params: InspectParams) => Promise<CheckpointSummary>;
  /** Told of the device when an engine was opened. */
  readonly onDeviceOpened: (listener: (device: DeviceReport) => void) => void;
  /** Gives back what the engine holds, after a job was given up for memory. */
  readonly release: () => Promise<void>;
}

const HEARTBEAT_MS = 1000;
const MEMORY_CHECK_MS = 2000;
const MEBIBYTE = 1024 * 1024;

/** The runtime's side of the protocol: a queue, and the windows that listen to it. */
export class RuntimeServer {
  private readonly connections = new Set<MessageConnection>();
  private readonly queue: JobQueue;
  private readonly logs = new JobLogs((reason) => console.error(`A log can't be written: ${String(reason)}`));
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly advertised = new Set<string>();
  private settings: SessionSettings = { outliveWindow: false, memoryLimit: 0, studies: [] };
  private listener: Server | undefined;
  private address: string | undefined;
  /** Give the engine back once the running job has ended. */
  private releaseNext = false;

  /** @param ended called once when nobody needs the process any more */
  constructor(
    private readonly work: RuntimeWork,
    private readonly ended: () => void,
  ) {
    this.queue = new JobQueue({
      execute: async (job, hooks) => {
        try {
          return await work.execute(job, hooks);
        } finally {
          if (this.releaseNext) await work.release();
          this.releaseNext = false;
        }
      },
      updated: (view) => this.jobUpdated(view),
      log: (job, line) => {
        this.logs.append(job.study, job.id, line);
        this.tell((connection) => connection.sendNotification(Messages.logged, { id: job.id, line }));
      },
      logsWritten: () => this.logs.flush(),
      logFile: (job) => jobLogFile(job.study, job.id),
    });
    work.onDeviceOpened((device) =>
      this.tell((connection) => connection.sendNotification(Messages.deviceOpened, device)),
    );
    this.timers.push(
      setInterval(
        () => this.tell((connection) => connection.sendNotification(Messages.heartbeat)),
        HEARTBEAT_MS,
      ),
      setInterval(() => this.checkMemory(), MEMORY_CHECK_MS),
    );
  }

  accept(connection: MessageConnection): void {
    connection.onRequest(Messages.greet, () => ({
      protocol: PROTOCOL_VERSION,
      pid: process.pid,
      jobs: this.queue.list(),
    }));
    connection.onRequest(Messages.configure, async (settings) => {
      this.settings = settings;
      await this.listenIfAsked();
      return null;
    });
    connection.onRequest(Messages.submit, async (job) => {
      if (this.address !== undefined) await this.advertiseIn(job.study);
      return this.queue.submit(job);
    });
    connection.onRequest(Messages.cancel, ({ id }) => this.queue.cancel(id));
    connection.onRequest(Messages.devices, () => answer(() => this.work.devices()));
    connection.onRequest(Messages.check, ({ study }) => answer(() => this.work.check(study)));
    connection.onRequest(Messages.inspect, (params) => answer(() => this.work.inspect(params)));
    connection.onNotification(Messages.leave, () => this.gone(connection));
    connection.onClose(() => this.gone(connection));
    connection.onError(([error]) => console.error(`The connection to the editor: ${error.message}`));
    this.connections.add(connection);
    connection.listen();
  }

  private gone(connection: MessageConnection): void {
    if (!this.connections.delete(connection)) return;
    connection.dispose();
    this.endIfUnneeded();
  }

  private jobUpdated(view: JobView): void {
    this.tell((connection) => connection.sendNotification(Messages.updated, view));
    // The queue goes on with the next job in the same turn; only then is it known whether anything is left.
    setImmediate(() => this.endIfUnneeded());
  }

  private endIfUnneeded(): void {
    if (this.connections.size > 0) return;
    if (this.settings.outliveWindow && !this.queue.idle) return;
    void this.close().then(this.ended);
  }

  /** Withdraws the address. A running job is not told: its state is on disk, and it resumes when asked for again. */
  async close(): Promise<void> {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    this.listener?.close();
    await this.logs.flush();
    for (const study of this.advertised) await withdraw(study).catch(() => undefined);
    if (this.address !== undefined) await removeAddress(this.address);
  }

  private async listenIfAsked(): Promise<void> {
    if (!this.settings.outliveWindow || this.listener !== undefined) return;
    const address = await newAddress();
    const listener = createServer((socket) => {
      this.accept(createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket)));
    });
    this.listener = listener;
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(address, () => resolve());
    });
    this.address = address;
    const busy = new Set(this.queue.list().map(({ study }) => study));
    for (const study of busy) await this.advertiseIn(study);
  }

  private async advertiseIn(study: string): Promise<void> {
    if (this.address === undefined || this.advertised.has(study)) return;
    this.advertised.add(study);
    await advertise(study, this.address).catch((error: unknown) => {
      console.error(`${study}: the next window will not find this runtime: ${String(error)}`);
    });
  }

  private checkMemory(): void {
    const { memoryLimit } = this.settings;
    const current = this.queue.current;
    if (memoryLimit === 0 || current === undefined) return;
    const used = Math.round(process.memoryUsage.rss() / MEBIBYTE);
    if (used <= memoryLimit) return;
    this.queue.giveUp(
      new DeltaloomError(
        'memory-limit',
        `The runtime uses ${used} MiB, more than the limit of ${memoryLimit} MiB.`,
        {
          remedy: 'Raise the setting "deltaloom.memoryLimit", or use smaller batches or shorter lengths.',
        },
      ),
    );
    this.releaseNext = true;
  }

  private tell(send: (connection: MessageConnection) => Promise<void>): void {
    for (const connection of this.connections) {
      send(connection).catch(() => this.gone(connection));
    }
  }
}

async function answer<T>(compute: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await compute() };
  } catch (error) {
    return { ok: false, error: describeError(error) };
  }
}
