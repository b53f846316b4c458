import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeltaTensors } from '../../../src/core/tensor.js';
import type { TokenisedExample } from '../../../src/study/compute/contract.js';
import { matrixPath } from '../../../src/study/paths.js';
import { cellState, wantedCell } from '../../../src/study/scoring/cells.js';
import type {
  ScoredDelta,
  ScoredTarget,
  ScoringContext,
  ScoringRequest,
} from '../../../src/study/scoring/index.js';
import { planCells, scoreStudy } from '../../../src/study/scoring/index.js';
import { StudyStore } from '../../../src/study/store.js';
import type { ArithmeticModel } from './arithmetic-model.js';
import { arithmeticModel } from './arithmetic-model.js';

const TASKS = ['a', 'b', 'c'];
const ROWS: TokenisedExample[] = [
  { row: 0, input: Int32Array.of(5, 5, 1), answers: [Int32Array.of(4, 1), Int32Array.of(9, 1)] },
  { row: 1, input: Int32Array.of(5, 1), answers: [Int32Array.of(2, 1)] },
  { row: 2, input: Int32Array.of(5, 5, 5, 1), answers: [Int32Array.of(3, 3, 1)] },
];

function tensors(value: number): DeltaTensors {
  const name = (layer: string) => `${layer}.adapter.adapter_A`;
  const tensor = { shape: [2], data: Float32Array.of(value, 1) };
  return new Map([
    [name('encoder.block.0.layer.0'), tensor],
    [name('decoder.block.0.layer.1'), tensor],
  ]);
}

function delta(task: string, value: number): ScoredDelta {
  return {
    task,
    sha256: `${value}`.padEnd(64, '0'),
    file: task,
    inPlace: true,
    tensors: () => Promise.resolve(tensors(value)),
  };
}

describe('scoreStudy', () => {
  let folder: string;
  let double: ArithmeticModel;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deltaloom-score-'));
    double = arithmeticModel();
  });
  afterEach(() => rm(folder, { recursive: true }));

  const request = (change: Partial<ScoringRequest> = {}): ScoringRequest => ({
    deltaName: 'adapter',
    delta: { type: 'prefix', length: 1, hiddenSize: 1 },
    compatibility: 'default',
    methods: [
      'loss',
      'kl-divergence',
      'el2n',
      'logits-label-cosine',
      'hidden-cosine',
      'grand',
      'weight-cosine',
    ],
    granularities: ['model', 'block'],
    targets: TASKS.map((task, i) => ({
      task,
      dataSha256: `${i}`.repeat(64),
      tuningDigest: `${i}`.repeat(64),
      examples: () => Promise.resolve(ROWS),
      delta: delta(task, 100 + i),
    })),
    sources: TASKS.map((task, i) => delta(task, i + 1)),
    rows: TASKS,
    columns: TASKS,
    backboneFingerprint: 'f'.repeat(64),
    lengths: { input: 512, output: 64 },
    probe: { split: 'dev', shots: 16, examples: null, batchSize: 2 },
    initial: null,
    tuning: null,
    ...change,
  });
  const context = (change: Partial<ScoringContext> = {}): ScoringContext => ({
    store: new StudyStore(folder),
    journal: join(folder, '.deltaloom', 'cache', 'scores-adapter.jsonl'),
    model: () => Promise.resolve(double.model),
    provenance: () =>
      Promise.resolve({
        commit: null,
        branch: null,
        dirty: false,
        time: '2026-01-01T00:00:00Z',
        device: 'x',
        versions: {},
      }),
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    ...change,
  });
  const read = (
    method: Parameters<typeof matrixPath>[1],
    granularity: Parameters<typeof matrixPath>[2] = 'model',
  ) => new StudyStore(folder).readMatrix('adapter', method, granularity);
  const bytes = async (method: Parameters<typeof matrixPath>[1]) =>
    (await readFile(join(folder, matrixPath('adapter', method, 'model')), 'utf8')).replace(
      /"seconds": [\d.]+/g,
      '',
    );

  it('takes means over the label tokens of the whole probe, every row with its own first answer', async () => {
    const outcome = await scoreStudy(request(), context());
    expect(outcome).toMatchObject({ computed: 9 * 9, reused: 0 });
    // Labels 4 1, 2 1, 3 3 1: 15 over 7 tokens; source b adds 2 to each.
    const loss = await read('loss');
    expect(loss?.cells.map(({ target, source }) => target + source).join()).toBe(
      'aa,ab,ac,ba,bb,bc,ca,cb,cc',
    );
    expect(loss?.cells[1]?.values[0]).toBeCloseTo(15 / 7 + 2, 6);
    expect((await read('el2n'))?.cells[1]?.values[0]).toBeCloseTo((15 / 7 + 2) * 2, 6);
    expect((await read('kl-divergence'))?.cells[1]?.values[0]).toBeCloseTo(15 / 7 + 2 + 100, 4);
    const hidden = await read('hidden-cosine', 'block');
    expect(hidden?.parts).toEqual(['encoder.block.0', 'decoder.block.0']);
    expect(hidden?.cells[1]?.values).toEqual([1, 3]);
    // Two batches, of 2 rows and of 1: the mean of the two norms of each tensor is 2 * 1.5.
    expect((await read('grand', 'block'))?.cells[1]?.values).toEqual([3, 3]);
    expect((await read('grand'))?.cells[1]?.values[0]).toBeCloseTo(3 * Math.SQRT2, 12);
  });

  it('makes one sweep for five methods, one gradient pass for both granularities, one teacher per batch', async () => {
    await scoreStudy(request(), context());
    expect(double.calls).toEqual({ sweeps: 9 * 2, teachers: 3 * 2, gradients: 9 * 2, living: 0 });
  });

  it('sums, shifts labels and reads one batch in reference compatibility', async () => {
    await scoreStudy(request({ compatibility: 'reference' }), context());
    // File order with shifted labels: 4 1, 9 1 | 2 1.
    expect((await read('loss'))?.cells[1]?.values[0]).toBeCloseTo(15 / 4 + 2, 6);
    expect((await read('el2n'))?.cells[1]?.values[0]).toBeCloseTo((15 + 4 * 2) * 2, 6);
    expect((await read('logits-label-cosine'))?.cells[1]?.values[0]).toBeCloseTo((18 + 6 * 2) * 3, 6);
    expect((await read('hidden-cosine', 'block'))?.cells[1]?.values).toEqual([1, 5]);
    expect((await read('grand', 'block'))?.cells[1]?.values).toEqual([6, 6]);
  });

  it('does nothing the second time, and opens no model for it', async () => {
    await scoreStudy(request(), context());
    const before = await bytes('loss');
    const model = () => Promise.reject(new Error('opened'));
    expect(await scoreStudy(request(), context({ model }))).toMatchObject({ computed: 0, reused: 81 });
    expect(await bytes('loss')).toBe(before);
  });

  it('computes only what a changed input touches, and says what changed', async () => {
    await scoreStudy(request(), context());
    const targets = request().targets.map((target) =>
      target.task === 'b' ? { ...target, delta: delta('b', 500) } : target,
    );
    const store = new StudyStore(folder);
    const { cells } = await planCells(request({ targets }), ({ method, granularity }) =>
      store.readMatrix('adapter', method, granularity),
    );
    const stale = cells.filter(({ status }) => status.state === 'stale');
    expect(stale.map(({ method, target }) => `${method} ${target}`)).toEqual(
      ['kl-divergence b', 'hidden-cosine b', 'weight-cosine b', 'weight-cosine b'].flatMap((cell) => [
        cell,
        cell,
        cell,
      ]),
    );
    expect(stale[0]?.status).toEqual({
      state: 'stale',
      reason: "the few-shot checkpoint of 'b' changed",
    });
    expect(await scoreStudy(request({ targets }), context())).toMatchObject({ computed: 12, reused: 69 });
  });

  it('keeps what is finished when stopped, and ends with the bytes of an undisturbed run', async () => {
    await scoreStudy(request(), context());
    const undisturbed = await bytes('kl-divergence');
    await rm(join(folder, '.deltaloom'), { recursive: true });

    const controller = new AbortController();
    double.beforeSweep = () => {
      if (double.calls.sweeps >= 18 + 9) controller.abort();
    };
    await expect(scoreStudy(request(), context({ signal: controller.signal }))).rejects.toThrow();
    const kept = (await read('loss'))?.cells.length ?? 0;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(9);
    double.beforeSweep = null;
    expect(await scoreStudy(request(), context())).toMatchObject({ reused: kept * 9 });
    expect(await bytes('kl-divergence')).toBe(undisturbed);
    expect(double.calls.living).toBe(0);
  });

  it('takes up the journal of a killed process, a torn last line passed over', async () => {
    await scoreStudy(request(), context());
    const undisturbed = await bytes('loss');
    await rm(join(folder, '.deltaloom'), { recursive: true });

    // Killed: the matrices are never written, the journal stays with half a line at its end.
    const killed = context({
      store: {
        readMatrixToChange: () => Promise.resolve(null),
        writeMatrix: () => Promise.reject(new Error('killed')),
      },
    });
    double.beforeSweep = () => {
      if (double.calls.sweeps >= 18 + 5) throw new Error('killed');
    };
    await expect(scoreStudy(request(), killed)).rejects.toThrow('killed');
    await appendFile(killed.journal, '{"kind":"cell","met');
    double.beforeSweep = null;
    expect(await scoreStudy(request(), context())).toMatchObject({ reused: 2 * 9, computed: 7 * 9 });
    expect(await bytes('loss')).toBe(undisturbed);
    await expect(readFile(killed.journal)).rejects.toThrow('ENOENT');
  });

  it('fills single rows and columns, and leaves the others', async () => {
    const [first, second] = [request().targets.slice(0, 1), request().sources.slice(1)];
    await scoreStudy(request({ methods: ['loss'], targets: first, sources: second }), context());
    expect((await read('loss'))?.cells.map(({ source }) => source)).toEqual(['b', 'c']);
    await scoreStudy(request({ methods: ['loss'] }), context());
    expect((await read('loss'))?.cells).toHaveLength(9);
    expect((await read('loss'))?.targets).toEqual(TASKS);
  });

  it('keeps what is on record outside the rows and columns of a request', async () => {
    await scoreStudy(request({ methods: ['loss'] }), context());
    const narrow = request({ methods: ['loss'], backboneFingerprint: 'e'.repeat(64) });
    const [targets, sources] = [narrow.targets.slice(1, 2), narrow.sources.slice(2)];
    const asked = { ...narrow, targets, sources, rows: ['b'], columns: ['c'] };
    expect(await scoreStudy(asked, context())).toMatchObject({ computed: 1 });
    const kept = await read('loss');
    expect(kept).toMatchObject({ targets: ['b', 'a', 'c'], sources: ['c', 'a', 'b'] });
    expect(kept?.cells).toHaveLength(9);
    expect(kept?.provenances).toHaveLength(1);
    // Back to all of them: those that were made meanwhile are stale or fresh each by itself.
    expect(await scoreStudy(request({ methods: ['loss'] }), context())).toMatchObject({
      computed: 1,
      reused: 8,
    });
    expect((await read('loss'))?.targets).toEqual(TASKS);
  });

  it('drops what is on record for tasks that are gone', async () => {
    await scoreStudy(request({ methods: ['loss'] }), context());
    const later = request({ methods: ['loss'], backboneFingerprint: 'e'.repeat(64) });
    const [targets, sources] = [later.targets.slice(0, 1), later.sources.slice(0, 1)];
    const asked = { ...later, targets, sources, rows: ['a'], columns: ['a'], catalogue: ['a', 'c', 'new'] };
    await scoreStudy(asked, context());
    expect(await read('loss')).toMatchObject({ targets: ['a', 'c'], sources: ['a', 'c'] });
    expect((await read('loss'))?.cells).toHaveLength(4);
  });

  it('says which target has no few-shot delta, before any work', async () => {
    const targets = request().targets.map((target) => ({ ...target, delta: null }));
    await expect(scoreStudy(request({ targets }), context())).rejects.toMatchObject({
      code: 'target-without-delta',
      remedy:
        'Tune it first from random initialisation: deltaloom tune --task a --role target --delta adapter.',
    });
    expect(double.calls.sweeps).toBe(0);
    await scoreStudy(request({ targets, methods: ['loss'] }), context());
    expect(double.calls.teachers).toBe(0);
  });

  it('keeps what was scored while the weights of the target are away, and asks for them for new cells', async () => {
    await scoreStudy(request({ methods: ['kl-divergence'] }), context());
    const targets = request().targets.map(({ delta, ...target }) => ({
      ...target,
      delta: delta === null ? null : { ...delta, inPlace: false },
    }));
    const again = await scoreStudy(request({ targets, methods: ['kl-divergence'] }), context());
    expect(again).toMatchObject({ computed: 0 });
    await expect(
      scoreStudy(request({ targets, methods: ['weight-cosine'] }), context()),
    ).rejects.toMatchObject({
      code: 'target-without-delta',
      message: expect.stringContaining('not on this machine') as string,
    });
  });

  it('says which probe is empty', async () => {
    const targets = request().targets.map((target) => ({ ...target, examples: () => Promise.resolve([]) }));
    await expect(scoreStudy(request({ targets }), context())).rejects.toThrow(/probe of 'a' has no example/);
  });

  it('scores by tuning', async () => {
    const tuning = {
      identity: { steps: 5 },
      tuned: (source: string) =>
        Promise.resolve({ tensors: () => Promise.resolve(tensors(source === 'a' ? 4 : 2)), dev: 0.75 }),
      zeroShot: () => Promise.resolve(0.5),
    };
    await scoreStudy(request({ methods: ['euclidean', 'performance'], tuning }), context());
    // Two tensors, each moved from 1 to 4.
    expect((await read('euclidean'))?.cells[0]?.values).toEqual([6]);
    expect((await read('performance'))?.cells[0]?.values).toEqual([0.25]);
    expect(double.calls.sweeps).toBe(0);
  });

  it('scores by tuning anew where the data or the metric of the tuning changed', () => {
    const now = request();
    const [target] = now.targets;
    const [, source] = now.sources;
    if (target === undefined || source === undefined) throw new Error('no cell');
    const cellOf = (id: 'performance' | 'loss', changed: ScoredTarget) =>
      wantedCell({ method: id, granularity: 'model' }, changed, source, now);
    const recorded = (id: 'performance' | 'loss') => ({ ...cellOf(id, target), values: [1], provenance: 0 });
    const changed = { ...target, tuningDigest: 'another' };
    expect(cellState(cellOf('performance', target), recorded('performance'))).toEqual({ state: 'fresh' });
    expect(cellState(cellOf('performance', changed), recorded('performance'))).toEqual({
      state: 'stale',
      reason: `the data or the metric that sources are tuned by on '${target.task}' changed`,
    });
    expect(cellState(cellOf('loss', changed), recorded('loss'))).toEqual({ state: 'fresh' });
    // Cells of earlier versions do not say what they were tuned by.
    const { tuned, ...inputs } = recorded('performance').inputs;
    expect(tuned).toBeDefined();
    const earlier = { ...recorded('performance'), inputs };
    expect(cellState(cellOf('performance', changed), earlier)).toEqual({ state: 'fresh' });
  });

  it('reports cells done, in all and the time left', async () => {
    const seen: [number, number, boolean][] = [];
    await scoreStudy(
      request({ methods: ['loss'] }),
      context({
        progress: ({ done, total, secondsLeft }) => void seen.push([done, total, secondsLeft !== undefined]),
      }),
    );
    expect(seen[0]).toEqual([0, 9, false]);
    expect(seen.at(-1)).toEqual([8, 9, true]);
  });
});
