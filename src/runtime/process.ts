import { spawn, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import {
  createMessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node.js';
import type { Advertisement } from './discovery.js';

export interface RuntimeProgram {
  /** A Node binary, or VS Code's own with ELECTRON_RUN_AS_NODE. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** A runtime process at the other end of a connection that has not begun to listen. */
export interface RuntimeProcess {
  readonly pid: number;
  readonly connection: MessageConnection;
  /** Settles once, with the reason, when the process or the way to it has gone. */
  readonly gone: Promise<string>;
  /** Asks it to end. */
  terminate(): void;
  /** Ends it. */
  kill(): void;
  /** Lets this process end although the runtime lives on. */
  release(): void;
}

/** Starts the program; what it prints to stderr goes to `log`. */
export async function startProcess(
  program: RuntimeProgram,
  log: (line: string) => void,
): Promise<RuntimeProcess> {
  const child = spawn(program.command, [...program.args], {
    env: program.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
    // A group of its own: what ends the window's group (Ctrl-C in a terminal) must not end a job that may outlive it.
    detached: process.platform !== 'win32',
  });
  const { stdin, stdout, stderr } = child;
  // Without a listener a write to a child that has died would be an uncaught error.
  stdin.on('error', () => undefined);
  let tail = '';
  stderr.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (tail + chunk).split(/\r?\n/);
    tail = lines.pop() ?? '';
    for (const line of lines) log(line);
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid ?? 0;
  const gone = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      if (tail !== '') log(tail);
      resolve(signal === null ? `it ended with code ${code ?? 'unknown'}` : `it was ended by ${signal}`);
    });
  });
  return {
    pid,
    connection: createMessageConnection(new StreamMessageReader(stdout), new StreamMessageWriter(stdin)),
    gone,
    terminate: () => void child.kill('SIGTERM'),
    kill: () => void child.kill('SIGKILL'),
    release: () => release(child),
  };
}

function release(child: ChildProcess): void {
  child.unref();
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
}

/** Joins a runtime that another window left behind. Rejects when it does not answer. */
export async function joinProcess(
  { pid, address }: Advertisement,
  timeoutMs: number,
): Promise<RuntimeProcess> {
  const socket = connect(address);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`The runtime at ${address} does not answer.`));
    }, timeoutMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
  socket.on('error', () => undefined);
  const gone = new Promise<string>((resolve) =>
    socket.once('close', () => resolve('it closed the connection')),
  );
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(pid, name);
    } catch {
      // It has gone already; `gone` says so.
    }
  };
  return {
    pid,
    connection: createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket)),
    gone,
    terminate: () => signal('SIGTERM'),
    kill: () => signal('SIGKILL'),
    release: () => void socket.destroy(),
  };
}
