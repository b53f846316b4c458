import { describe, expect, it } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';
import type { JobPriority, JobView, SubmittedJob } from '../../src/runtime/protocol.js';
import { JobQueue, type JobHooks } from '../../src/runtime/queue.js';
import type { JobOutcome } from '../../src/study/jobs.js';

interface Running {
  readonly id: string;
  readonly hooks: JobHooks;
  readonly finish: (outcome?: Partial<JobOutcome>) => void;
  readonly fail: (error: unknown) => void;
}

function job(id: string, priority: JobPriority = 'normal', task = id, study = '/study'): SubmittedJob {
  return {
    id,
    study,
    request: {
      kind: 'tune',
      tasks: [task],
      deltaName: 'adapter',
      role: 'source',
      initialisation: { kind: 'random' },
    },
    priority,
    title: `Tune ${task}`,
    compute: { device: 'cpu', threads: 0, packWeights: false },
    attempts: 0,
  };
}

function makeQueue(progressInterval = 0, written: Promise<void> = Promise.resolve()) {
  const running: Running[] = [];
  const updates: JobView[] = [];
  const logs: string[] = [];
  const queue = new JobQueue({
    execute: (submitted, hooks) =>
      new Promise((resolve, reject) => {
        const finish = (outcome: Partial<JobOutcome> = {}): void =>
          resolve({ records: [], computed: 1, reused: 0, summary: 'Done.', ...outcome });
        hooks.signal.addEventListener('abort', () => reject(new Error('stopped by the signal')));
        running.push({ id: submitted.id, hooks, finish, fail: reject });
      }),
    updated: (view) => updates.push(view),
    log: (_job, line) => logs.push(line),
    logsWritten: () => written,
    logFile: ({ id }) => `/logs/${id}.log`,
    progressInterval,
  });
  const state = (id: string): string | undefined => queue.list().find((view) => view.id === id)?.state;
  return { queue, running, updates, logs, state };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('JobQueue', () => {
  it('tells of an end only when its log is written', async () => {
    let write: () => void = () => undefined;
    const written = new Promise<void>((resolve) => (write = resolve));
    const { queue, running, logs, state } = makeQueue(0, written);
    queue.submit(job('a'));
    running[0]?.finish();
    await settled();
    expect([logs.at(-1), state('a')]).toEqual(['Done.', 'running']);
    write();
    await settled();
    expect(state('a')).toBe('done');
  });

  it('runs one job at a time, by priority and then by arrival', async () => {
    const { queue, running } = makeQueue();
    queue.submit(job('first'));
    queue.submit(job('late', 'background'));
    queue.submit(job('normal-1'));
    queue.submit(job('normal-2'));
    queue.submit(job('urgent', 'interactive'));
    const order: string[] = [];
    for (let turn = 0; turn < 5; turn++) {
      expect(running).toHaveLength(turn + 1);
      order.push(running[turn]?.id ?? '');
      running[turn]?.finish();
      await settled();
    }
    expect(order).toEqual(['first', 'urgent', 'normal-1', 'normal-2', 'late']);
    expect(queue.idle).toBe(true);
  });

  it('does not queue the same work twice, whatever the order of its properties, and keeps the higher priority', () => {
    const { queue, running } = makeQueue();
    queue.submit(job('running'));
    const first = queue.submit(job('a', 'background', 'boolq'));
    const twin = job('b', 'interactive', 'boolq');
    const reordered = Object.fromEntries(Object.entries(twin.request).reverse()) as typeof twin.request;
    expect(queue.submit({ ...twin, request: reordered }).id).toBe(first.id);
    expect(queue.submit(job('c', 'normal', 'running')).id).toBe('running');
    expect(queue.submit(job('d', 'normal', 'boolq', '/other')).id).toBe('d');
    expect(queue.list().find(({ id }) => id === 'a')?.priority).toBe('interactive');
    expect(running).toHaveLength(1);
  });

  it('lets work be done again once it has ended', async () => {
    const { queue, running } = makeQueue();
    queue.submit(job('a', 'normal', 'boolq'));
    running[0]?.finish();
    await settled();
    expect(queue.submit(job('b', 'normal', 'boolq')).id).toBe('b');
  });

  it('cancels a queued job at once and a running one through its signal, and goes on with the next', async () => {
    const { queue, running, state } = makeQueue();
    queue.submit(job('a'));
    queue.submit(job('b'));
    queue.submit(job('c'));
    expect(queue.cancel('b')).toBe(true);
    expect(state('b')).toBe('cancelled');
    expect(queue.cancel('a')).toBe(true);
    expect(state('a')).toBe('cancelling');
    await settled();
    expect(state('a')).toBe('cancelled');
    expect(running.map(({ id }) => id)).toEqual(['a', 'c']);
    expect(queue.cancel('a')).toBe(false);
    expect(queue.cancel('unknown')).toBe(false);
  });

  it('logs once which run it works on, so that the log of a run can be found', () => {
    const { queue, running, logs } = makeQueue();
    queue.submit(job('a'));
    const progress = { label: 'Tuning', done: 0, total: 10, unit: 'steps', task: 'boolq' } as const;
    for (const runId of ['one', 'one', 'two']) running[0]?.hooks.progress({ ...progress, runId });
    expect(logs.slice(1)).toEqual(['Run boolq/one', 'Run boolq/two']);
  });

  it('fails with code, place and remedy, logs it, and goes on', async () => {
    const { queue, running, logs, state } = makeQueue();
    queue.submit(job('a'));
    queue.submit(job('b'));
    running[0]?.fail(
      new DeltaloomError('no-data', 'No data.', { place: { file: 'x.tsv', line: 7 }, remedy: 'Add some.' }),
    );
    await settled();
    expect(queue.list()[0]?.error).toEqual({
      code: 'no-data',
      message: 'No data.',
      remedy: 'Add some.',
      file: 'x.tsv',
      line: 7,
    });
    expect(logs).toContain('Failed: x.tsv:7: No data. Add some.');
    expect(state('b')).toBe('running');
  });

  it('fails a job that is given up for memory, instead of calling it cancelled', async () => {
    const { queue } = makeQueue();
    queue.submit(job('a'));
    queue.giveUp(new DeltaloomError('memory-limit', 'Too much.'));
    await settled();
    expect(queue.list()[0]).toMatchObject({ state: 'failed', error: { code: 'memory-limit' } });
  });

  it('tells progress now and then, and the last one always', async () => {
    const { queue, running, updates } = makeQueue(40);
    queue.submit(job('a'));
    for (let done = 1; done <= 100; done++) {
      running[0]?.hooks.progress({ label: 'Tuning', done, total: 100, unit: 'steps' });
    }
    expect(updates.filter(({ progress }) => progress !== null).length).toBeLessThan(3);
    running[0]?.finish();
    await settled();
    expect(updates.at(-1)).toMatchObject({ state: 'done', progress: { done: 100 } });
    const sent = updates.length;
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(updates).toHaveLength(sent);
  });
});
