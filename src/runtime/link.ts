import { setTimeout as delay } from 'node:timers/promises';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import type { DeviceReport } from '../engine/contract.js';
import type { StudyProblem } from '../study/snapshot.js';
import type { ClientLog, RuntimeTimeouts } from './client-options.js';
import { findAdvertised } from './discovery.js';
import { joinProcess, startProcess, type RuntimeProcess, type RuntimeProgram } from './process.js';
import { Messages } from './messages.js';
import {
  PROTOCOL_VERSION,
  type Answer,
  type CheckpointSummary,
  type Greeting,
  type InspectParams,
  type JobView,
  type SessionSettings,
  type SubmittedJob,
} from './protocol.js';

/** A runtime process that has greeted, and when anything was last heard of it. */
export interface Link {
  readonly process: RuntimeProcess;
  readonly calls: RuntimeCalls;
  readonly since: number;
  heard: number;
}

/** What a runtime is asked. */
export interface RuntimeCalls {
  configure(settings: SessionSettings): Promise<null>;
  submit(job: SubmittedJob): Promise<JobView>;
  cancel(id: string): Promise<boolean>;
  devices(): Promise<Answer<readonly DeviceReport[]>>;
  check(study: string): Promise<Answer<readonly StudyProblem[]>>;
  inspect(params: InspectParams): Promise<Answer<CheckpointSummary>>;
  leave(): Promise<void>;
}

export interface GreetedLink {
  readonly link: Link;
  readonly greeting: Greeting;
}

/** What a runtime tells unasked. */
export interface LinkListener {
  readonly updated: (view: JobView) => void;
  readonly logged: (entry: { readonly id: string; readonly line: string }) => void;
  readonly deviceOpened: (device: DeviceReport) => void;
}

export interface LinkOptions {
  readonly settings: SessionSettings;
  readonly timeouts: RuntimeTimeouts;
  readonly log: ClientLog;
  readonly listener: LinkListener;
}

/** The runtime that another window left in one of the studies; undefined if there is none that answers. */
export async function findRunning(
  studies: readonly string[],
  timeouts: RuntimeTimeouts,
  log: ClientLog,
): Promise<RuntimeProcess | undefined> {
  for (const study of studies) {
    const found = await findAdvertised(study);
    if (found === undefined) continue;
    try {
      return await joinProcess(found, timeouts.join);
    } catch (error) {
      log('warn', `The runtime left by another window can't be joined: ${String(error)}`);
    }
  }
  return undefined;
}

/** Starts a process and greets it. A process that does not greet is ended. */
export async function startLink(program: RuntimeProgram, options: LinkOptions): Promise<GreetedLink> {
  const process = await startProcess(program, (line) => options.log('info', line));
  try {
    return await greet(process, options, options.timeouts.start);
  } catch (error) {
    process.connection.dispose();
    process.kill();
    throw error;
  }
}

/**
 * Greets a process that another window left. It may be in the middle of a long native call, so it is given the time after
 * which it would count as hung, and it is left alone if it says nothing.
 */
export async function joinLink(process: RuntimeProcess, options: LinkOptions): Promise<GreetedLink> {
  try {
    const joined = await greet(process, options, options.timeouts.hang);
    if (joined.greeting.pid !== process.pid) {
      throw new Error(`Process ${joined.greeting.pid} answered instead of process ${process.pid}.`);
    }
    return joined;
  } catch (error) {
    process.connection.dispose();
    process.release();
    throw error;
  }
}

async function greet(
  process: RuntimeProcess,
  { settings, listener }: LinkOptions,
  timeout: number,
): Promise<GreetedLink> {
  const { connection } = process;
  const calls = callsOver(connection);
  const link: Link = { process, calls, since: Date.now(), heard: Date.now() };
  listen(link, connection, listener);
  const given = new AbortController();
  try {
    const greeting = await Promise.race([
      connection.sendRequest(Messages.greet, { protocol: PROTOCOL_VERSION }),
      process.gone.then((reason) => {
        throw new Error(`The runtime did not start: ${reason}.`);
      }),
      delay(timeout, undefined, { ref: false, signal: given.signal }).then(() => {
        throw new Error(`The runtime did not answer within ${timeout / 1000} s.`);
      }),
    ]);
    await calls.configure(settings);
    return { link, greeting };
  } finally {
    given.abort();
  }
}

function callsOver(connection: MessageConnection): RuntimeCalls {
  return {
    configure: (settings) => connection.sendRequest(Messages.configure, settings),
    submit: (job) => connection.sendRequest(Messages.submit, job),
    cancel: (id) => connection.sendRequest(Messages.cancel, { id }),
    devices: () => connection.sendRequest(Messages.devices, null),
    check: (study) => connection.sendRequest(Messages.check, { study }),
    inspect: (params) => connection.sendRequest(Messages.inspect, params),
    leave: () => connection.sendNotification(Messages.leave),
  };
}

function listen(
  link: Link,
  connection: MessageConnection,
  { updated, logged, deviceOpened }: LinkListener,
): void {
  const heard = (): void => {
    link.heard = Date.now();
  };
  connection.onNotification(Messages.heartbeat, heard);
  connection.onNotification(Messages.updated, (view) => {
    heard();
    updated(view);
  });
  connection.onNotification(Messages.logged, (entry) => {
    heard();
    logged(entry);
  });
  connection.onNotification(Messages.deviceOpened, deviceOpened);
  // Both are followed by the end of the process, which is where they are dealt with.
  connection.onError(() => undefined);
  connection.onClose(() => undefined);
  connection.listen();
}
