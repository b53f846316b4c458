import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { VsCodeInstallation } from './installation.js';

export interface VsCodeServerOptions {
  /** Holds settings, extensions and logs of this server; a fresh one is a fresh user. */
  readonly dataDirectory: string;
  /** 0: any free port. */
  readonly port?: number;
  /** true: folders start untrusted and VS Code asks. */
  readonly workspaceTrust?: boolean;
  readonly settings?: Readonly<Record<string, unknown>>;
  /**
   * For tests: a built workbench heeds `extensionDevelopmentPath` and `extensionTestsPath` only then. It shows no toasts then
   * either, so that people get `extension` instead.
   */
  readonly testDriver?: boolean;
  /** Folder of an extension that this user has, as it lies there; reloading the window loads what was built meanwhile. */
  readonly extension?: string;
}

export interface VsCodeServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `127.0.0.1:PORT`: the authority of `vscode-remote` resources. */
  readonly authority: string;
  /** Of the server: everything that it starts is below it. */
  readonly pid: number;
  /** The user's settings, in place of those before. A window that is opened afterwards has them. */
  writeSettings(settings: Readonly<Record<string, unknown>>): Promise<void>;
  stop(): Promise<void>;
}

const QUIET_SETTINGS = {
  'chat.disableAIFeatures': true,
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'extensions.ignoreRecommendations': true,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'update.mode': 'none',
};

/** Starts VS Code for the browser on the loopback address only. Rejects with the server's output when it does not answer. */
export async function startVsCodeServer(
  installation: VsCodeInstallation,
  options: VsCodeServerOptions,
): Promise<VsCodeServer> {
  const port = options.port === undefined || options.port === 0 ? await freePort() : options.port;
  const user = path.join(options.dataDirectory, 'data', 'User');
  await mkdir(user, { recursive: true });
  const writeSettings = (settings: Readonly<Record<string, unknown>> = {}): Promise<void> =>
    writeFile(path.join(user, 'settings.json'), JSON.stringify({ ...QUIET_SETTINGS, ...settings }, null, 2));
  await writeSettings(options.settings);
  if (options.extension !== undefined) await installInPlace(options.dataDirectory, options.extension);
  const environment: NodeJS.ProcessEnv = { ...process.env, EXTENSIONS_GALLERY: '{}' };
  // A VS Code terminal sets these for its own instance; the server must not talk to that one.
  delete environment['VSCODE_IPC_HOOK_CLI'];
  delete environment['NODE_OPTIONS'];
  const args = [
    installation.server,
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--without-connection-token',
    '--accept-server-license-terms',
    '--telemetry-level',
    'off',
    '--reconnection-grace-time',
    '5',
    '--server-data-dir',
    options.dataDirectory,
    ...(options.testDriver === true ? ['--enable-smoke-test-driver'] : []),
    ...(options.workspaceTrust === true ? [] : ['--disable-workspace-trust']),
  ];
  const child = spawn(installation.node, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const authority = `127.0.0.1:${port}`;
  const url = `http://${authority}`;
  for (let attempt = 0; ; attempt++) {
    if (child.exitCode !== null || attempt > 300) {
      child.kill('SIGKILL');
      throw new Error(`VS Code's server did not start on port ${port}:\n${output}`);
    }
    const answer = await fetch(`${url}/version`).catch(() => undefined);
    if (answer?.ok === true) break;
    await delay(100);
  }
  return {
    url,
    authority,
    pid: child.pid ?? 0,
    writeSettings,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 3000);
      await exited;
      clearTimeout(killer);
    },
  };
}

/** Adds an extension to the user's list without copying it; what else is on the list stays. */
async function installInPlace(dataDirectory: string, folder: string): Promise<void> {
  const { publisher, name, version } = JSON.parse(
    await readFile(path.join(folder, 'package.json'), 'utf8'),
  ) as { publisher: string; name: string; version: string };
  const identifier = { id: `${publisher}.${name}` };
  const list = path.join(dataDirectory, 'extensions', 'extensions.json');
  await mkdir(path.dirname(list), { recursive: true });
  const text = await readFile(list, 'utf8').catch(() => '[]');
  const others = (JSON.parse(text) as { identifier?: { id?: string } }[]).filter(
    (entry) => entry.identifier?.id !== identifier.id,
  );
  // As VS Code writes addresses: `$mid` 1 marks one.
  const location = { $mid: 1, scheme: 'file', path: toUrlPath(folder) };
  const entry = { identifier, version, location, metadata: { installedTimestamp: Date.now(), pinned: true } };
  await writeFile(list, JSON.stringify([...others, entry]));
}

/** The address that opens a folder with payload keys for the workbench (`extensionDevelopmentPath`, ...). */
export function workbenchAddress(
  server: VsCodeServer,
  folder: string | undefined,
  payload: readonly (readonly [string, string])[] = [],
): string {
  const query = new URLSearchParams();
  if (folder !== undefined) query.set('folder', toUrlPath(folder));
  query.set('payload', JSON.stringify([...payload, ['skipWelcome', 'true']]));
  return `${server.url}/?${query.toString()}`;
}

/** A resource of the server's file system, as the browser names it. */
export function remoteResource(server: VsCodeServer, file: string): string {
  return `vscode-remote://${server.authority}${toUrlPath(file)}`;
}

function toUrlPath(file: string): string {
  const slashed = path.resolve(file).split(path.sep).join('/');
  return slashed.startsWith('/') ? slashed : `/${slashed}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('No free port.'));
        else resolve(address.port);
      });
    });
  });
}
