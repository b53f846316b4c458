import { existsSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClientState, RuntimeTimeouts } from '../../src/runtime/client-options.js';
import { RuntimeClient } from '../../src/runtime/client.js';
import { advertisementFile } from '../../src/runtime/discovery.js';
import type { JobView, SubmittedJob } from '../../src/runtime/protocol.js';
import { isAlive } from '../harness/processes.js';
import { removeFolder } from '../harness/temporary-folder.js';

/** Every test runs a real child process with the real protocol. */
let study: string;
let clients: RuntimeClient[];
let pids: Set<number>;

beforeEach(async () => {
  study = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-runtime-'));
  clients = [];
  pids = new Set();
});
afterEach(async () => {
  for (const client of clients) await client.dispose();
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended, as it should.
    }
  }
  await removeFolder(study);
});

interface Options {
  readonly timeouts?: Partial<RuntimeTimeouts>;
  readonly outliveWindow?: boolean;
  readonly memoryLimit?: number;
  readonly program?: string;
  /** The Node that runs it. */
  readonly node?: string;
}

function makeClient(options: Options = {}) {
  const states: ClientState[] = [];
  const lines: string[] = [];
  const program = options.program ?? path.join(import.meta.dirname, 'programs', 'scripted-runtime.ts');
  const client = new RuntimeClient({
    program: () => ({
      command: options.node ?? process.execPath,
      args: ['--import', 'tsx', program],
      env: { ...process.env, NODE_OPTIONS: '' },
    }),
    settings: () => ({
      outliveWindow: options.outliveWindow ?? false,
      memoryLimit: options.memoryLimit ?? 0,
      studies: [study],
    }),
    log: (_level, line) => lines.push(line),
    timeouts: () => ({ backOff: [10, 20, 30], ...options.timeouts }),
  });
  client.onState.on((state) => {
    states.push(state);
    if (state.kind === 'ready') pids.add(state.pid);
  });
  clients.push(client);
  return { client, states, lines };
}

let count = 0;
function job(script: string, over: Partial<SubmittedJob> = {}): SubmittedJob {
  return {
    id: `job-${++count}`,
    study,
    request: {
      kind: 'tune',
      tasks: [script],
      deltaName: 'adapter',
      role: 'source',
      initialisation: { kind: 'random' },
    },
    priority: 'normal',
    title: script,
    compute: { device: 'cpu', threads: 0, packWeights: false },
    attempts: 0,
    ...over,
  };
}

function seen(client: RuntimeClient, id: string, test: (view: JobView) => boolean): Promise<JobView> {
  const known = client.get(id);
  if (known !== undefined && test(known)) return Promise.resolve(known);
  return new Promise((resolve) => {
    const listening = client.onJob.on((view) => {
      if (view.id !== id || !test(view)) return;
      listening.dispose();
      resolve(view);
    });
  });
}

function pidOf(client: RuntimeClient): number {
  if (client.state.kind !== 'ready') throw new Error(`The runtime is ${client.state.kind}.`);
  return client.state.pid;
}

async function until(test: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if (test()) return;
    await delay(50);
  }
  throw new Error(`Never happened: ${what}.`);
}

describe('RuntimeClient', () => {
  it('starts nothing before it is needed, then runs a job with progress and a log of its own', async () => {
    const { client, states } = makeClient();
    expect(client.state.kind).toBe('absent');
    const progress: number[] = [];
    client.onJob.on((view) => {
      if (view.progress !== null) progress.push(view.progress.done);
    });
    const view = await client.submit(job('sleep=300'));
    const end = await client.finished(view.id);
    expect(end).toMatchObject({ state: 'done', outcome: { summary: 'Did sleep=300.' }, attempts: 1 });
    expect(progress.at(-1)).toBe(10);
    expect(states.map(({ kind }) => kind)).toEqual(['starting', 'ready']);
    expect(await readFile(end.logFile, 'utf8')).toMatch(/script sleep=300\n.*Did sleep=300\./s);
  });

  it('starts one process for calls made at once', async () => {
    const { client } = makeClient();
    const views = await Promise.all([
      client.submit(job('sleep=10')),
      client.submit(job('sleep=11')),
      client.devices(),
    ]);
    expect(views[2].map(({ id }) => id)).toEqual(['cpu']);
    expect(pids.size).toBe(1);
    await Promise.all([client.finished(views[0].id), client.finished(views[1].id)]);
  });

  it('cancels a running and a queued job', async () => {
    const { client } = makeClient();
    const running = await client.submit(job('sleep=60000'));
    const queued = await client.submit(job('sleep=1'));
    await seen(client, running.id, ({ state }) => state === 'running');
    await client.cancel(queued.id);
    expect((await client.finished(queued.id)).state).toBe('cancelled');
    const ended = client.finished(running.id);
    await client.cancel(running.id);
    expect((await ended).state).toBe('cancelled');
  });

  it('ends the process for a cancelled job that does not stop, and goes on with the next', async () => {
    const { client, lines } = makeClient({ timeouts: { cancel: 200 } });
    const stubborn = await client.submit(job('stubborn=60000'));
    const next = await client.submit(job('sleep=10'));
    await seen(client, stubborn.id, ({ state }) => state === 'running');
    await client.cancel(stubborn.id);
    expect((await client.finished(stubborn.id)).state).toBe('cancelled');
    expect((await client.finished(next.id)).state).toBe('done');
    expect(lines.join('\n')).toContain('did not stop within');
  });

  it('notices kill -9, starts again and finishes the job', async () => {
    const { client, states, lines } = makeClient();
    const view = await client.submit(job('sleep=1500'));
    await seen(client, view.id, ({ progress }) => (progress?.done ?? 0) > 1);
    const first = pidOf(client);
    process.kill(first, 'SIGKILL');
    const end = await client.finished(view.id);
    expect(end).toMatchObject({ state: 'done', attempts: 2 });
    expect(pidOf(client)).not.toBe(first);
    expect(states.map(({ kind }) => kind)).toEqual(['starting', 'ready', 'restarting', 'ready']);
    expect(lines.join('\n')).toContain('SIGKILL');
  });

  it('gives up after three restarts, says so in the job, and starts anew when asked again', async () => {
    const { client, states } = makeClient();
    const poison = await client.submit(job('crash'));
    const end = await client.finished(poison.id);
    expect(end).toMatchObject({ state: 'failed', error: { code: 'runtime-crashed' } });
    expect(states.filter(({ kind }) => kind === 'restarting')).toHaveLength(3);
    expect(client.state.kind).toBe('broken');
    const again = await client.submit(job('sleep=10'));
    expect((await client.finished(again.id)).state).toBe('done');
    expect(client.state.kind).toBe('ready');
  });

  it('does not count crashes that good jobs lie between', async () => {
    const { client } = makeClient({ timeouts: { backOff: [10] } });
    for (const name of ['a', 'b', 'c']) {
      const view = await client.submit(job(`crash-once=${path.join(study, name)}`));
      expect((await client.finished(view.id)).state).toBe('done');
    }
  });

  it('notices a hang, ends the process and resumes', async () => {
    const { client, lines } = makeClient({ timeouts: { hang: 2500, softKill: 100 } });
    const view = await client.submit(job('block=60000'));
    const end = await client.finished(view.id);
    expect(end).toMatchObject({ state: 'done', attempts: 2 });
    expect(lines.join('\n')).toMatch(/silent for \d+ s/);
  });

  it('brings errors over with their place and remedy', async () => {
    const { client } = makeClient();
    const view = await client.submit(job('fail'));
    expect((await client.finished(view.id)).error).toEqual({
      code: 'no-data',
      message: 'There is no data.',
      remedy: 'Add some.',
      file: 'tasks/x.tsv',
      line: 3,
    });
    await expect(client.inspect({ file: '/x.pt' })).rejects.toMatchObject({
      code: 'unreadable',
      remedy: 'Choose another.',
    });
  });

  it('gives up a job that outgrows the memory limit', async () => {
    const { client } = makeClient({ memoryLimit: 300 });
    const view = await client.submit(job('grow'));
    expect(await client.finished(view.id)).toMatchObject({
      state: 'failed',
      error: { code: 'memory-limit' },
    });
  });

  it('says why a runtime does not start', async () => {
    const { client } = makeClient({ program: path.join(study, 'absent.js') });
    await expect(client.submit(job('sleep=1'))).rejects.toMatchObject({ code: 'runtime-not-started' });
    expect(client.state.kind).toBe('broken');
    const node = path.join(study, 'no', 'node');
    await expect(makeClient({ node }).client.submit(job('sleep=1'))).rejects.toThrow(
      `The runtime process can't be started: there is no program '${node}'.`,
    );
  });

  it('ends with its window', async () => {
    const { client } = makeClient();
    const view = await client.submit(job('sleep=60000'));
    await seen(client, view.id, ({ state }) => state === 'running');
    const pid = pidOf(client);
    await client.dispose();
    await until(() => !isAlive(pid), 'the end of the process');
  });

  it('outlives its window when asked to, is found by the next one, and ends when idle', async () => {
    const first = makeClient({ outliveWindow: true });
    const view = await first.client.submit(job('sleep=4000'));
    await seen(first.client, view.id, ({ state }) => state === 'running');
    const pid = pidOf(first.client);
    await first.client.dispose();
    expect(isAlive(pid)).toBe(true);

    const second = makeClient({ outliveWindow: true });
    expect(await second.client.joinIfRunning()).toBe(true);
    expect(pidOf(second.client)).toBe(pid);
    expect(second.client.get(view.id)?.state).toBe('running');
    expect((await second.client.finished(view.id)).state).toBe('done');
    await second.client.dispose();
    await until(() => !isAlive(pid), 'the end of the process');
    expect(existsSync(advertisementFile(study))).toBe(false);
  });

  it('finishes alone when no window comes back', async () => {
    const { client } = makeClient({ outliveWindow: true });
    const view = await client.submit(job('sleep=800'));
    await seen(client, view.id, ({ state }) => state === 'running');
    const pid = pidOf(client);
    await client.dispose();
    await until(() => !isAlive(pid), 'the end of the process');
    expect(await readFile(view.logFile, 'utf8')).toContain('Did sleep=800.');
    const next = makeClient();
    expect(await next.client.joinIfRunning()).toBe(false);
  });

  it('removes what an outliving runtime left when it was killed', async () => {
    const first = makeClient({ outliveWindow: true });
    const view = await first.client.submit(job('sleep=60000'));
    await seen(first.client, view.id, ({ state }) => state === 'running');
    const { address } = JSON.parse(await readFile(advertisementFile(study), 'utf8')) as { address: string };
    const pid = pidOf(first.client);
    await first.client.dispose();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid), 'the end of the process');
    const next = makeClient();
    expect(await next.client.joinIfRunning()).toBe(false);
    expect(next.client.state.kind).toBe('absent');
    expect([advertisementFile(study), path.dirname(address)].filter((left) => existsSync(left))).toEqual([]);
  });

  it('recovers the jobs of a joined runtime that dies', async () => {
    const first = makeClient({ outliveWindow: true });
    const view = await first.client.submit(job('sleep=3000'));
    await seen(first.client, view.id, ({ state }) => state === 'running');
    await first.client.dispose();
    const second = makeClient({ outliveWindow: true });
    await second.client.joinIfRunning();
    process.kill(pidOf(second.client), 'SIGKILL');
    expect(await second.client.finished(view.id)).toMatchObject({ state: 'done', attempts: 2 });
  });
});
