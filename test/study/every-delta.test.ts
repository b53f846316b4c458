import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeLoraByProducts } from '../../src/core/lora-products.js';
import { mergeDeltas, wholePlan } from '../../src/core/merging.js';
import type { DeltaTensors } from '../../src/core/tensor.js';
import type { Engine } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { sha256File } from '../../src/formats/atomic-file.js';
import { readTensors, writeSafetensors } from '../../src/formats/safetensors.js';
import { executeJob } from '../../src/study/execute.js';
import { importIntoStudy } from '../../src/study/import.js';
import type { JobContext, JobOutcome, JobRequest } from '../../src/study/jobs.js';
import type { MergeRecord } from '../../src/study/records.js';
import { readSnapshot } from '../../src/study/snapshot.js';
import { TINY_TUNING, copyInputs, writeTinyStudy } from '../support/tiny-study.js';

/** Whole studies of LoRA and prefixes by every method, in the reference's compatibility, and with NaN in a checkpoint. */

const TUNING = { ...TINY_TUNING, steps: 2, validateEvery: 1 };
const METHODS = [
  ...['loss', 'kl-divergence', 'el2n', 'logits-label-cosine', 'hidden-cosine', 'grand'],
  ...['weight-cosine', 'weight-cosine-change', 'euclidean', 'performance'],
];
const SETTINGS = {
  sources: { tuning: TUNING },
  targets: { shots: 4, seeds: [7], tuning: TUNING },
  scores: { methods: METHODS, granularities: ['model', 'block', 'layer'], steps: 1 },
};
const DELTAS = {
  lora: { type: 'lora', rank: 2, alpha: 4, targetModules: ['q', 'v'] },
  prefix: { type: 'prefix', length: 2, hiddenSize: 3 },
};

let root: string;
let engine: Engine;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'deltaloom-deltas-'));
  engine = await openEngine({ device: 'cpu', threads: 1 });
});
afterAll(async () => {
  await engine.dispose();
  await rm(root, { recursive: true, force: true });
});

const contextWith = (open: JobContext['engine']): JobContext => ({
  signal: new AbortController().signal,
  progress: () => undefined,
  log: () => undefined,
  engine: open,
});
const execute = (study: string, request: JobRequest): Promise<JobOutcome> =>
  executeJob(
    study,
    request,
    contextWith(() => Promise.resolve(engine)),
  );
const executeWithoutEngine = (study: string, request: JobRequest): Promise<JobOutcome> =>
  executeJob(
    study,
    request,
    contextWith(() => Promise.reject(new Error('no engine should be needed'))),
  );

async function newStudy(name: string, configuration: Record<string, unknown>): Promise<string> {
  const study = join(root, name);
  await mkdir(study);
  await writeTinyStudy(study, { configuration });
  return study;
}

describe('LoRA merged by products, and prefixes', { timeout: 300_000 }, () => {
  let study: string;
  beforeAll(async () => {
    study = await newStudy('lora-and-prefix', {
      ...SETTINGS,
      deltas: DELTAS,
      merges: { loraRule: 'products', perBlock: true },
    });
  });

  it('run whole: tuned, scored by every method, merged, tuned from every merge and tested', async () => {
    await execute(study, { kind: 'run' });
    const { runs, matrices, merges, problems } = await readSnapshot(study);
    expect(problems).toEqual([]);
    for (const deltaName of Object.keys(DELTAS)) {
      const own = matrices.filter((matrix) => matrix.deltaName === deltaName);
      expect(new Set(own.map(({ method }) => method))).toEqual(new Set(METHODS));
      const blank = own.flatMap(({ method, cells }) =>
        cells.filter(({ values }) => values.includes(null)).map(() => method),
      );
      expect(blank).toEqual([]);
      const granularities = own.filter(({ method }) => method === 'grand').map((each) => each.granularity);
      expect(granularities.sort()).toEqual(['block', 'layer', 'model']);
      const made = merges.filter((merge) => merge.deltaName === deltaName);
      const targets = runs.filter(
        (run) => run.deltaName === deltaName && run.role === 'target' && run.kind === 'tune',
      );
      expect(targets).toHaveLength(3 + made.length);
      for (const run of targets) expect(run).toMatchObject({ status: 'done', results: { testExamples: 5 } });
    }
  });

  it('merge LoRA to the factors closest to the average of products, and say how far the rules are apart', async () => {
    const merge = await mergeBy('lora', 'average');
    const expected = mergeLoraByProducts(await sourcesOf(merge), wholePlan(merge.weights[0] ?? []));
    expect(await readTensors(join(study, merge.checkpoint.path))).toEqual(expected.tensors);
    expect(merge).toMatchObject({ loraRule: 'products' });
    expect(merge.loraRuleDifference).toBeCloseTo(expected.difference, 12);
    expect(merge.loraRuleDifference).toBeGreaterThan(0);
  });

  it('merge prefixes tensor by tensor', async () => {
    const merge = await mergeBy('prefix', 'average');
    expect(await readTensors(join(study, merge.checkpoint.path))).toEqual(
      mergeDeltas(await sourcesOf(merge), wholePlan(merge.weights[0] ?? [])),
    );
    expect(merge).toMatchObject({ loraRule: null, loraRuleDifference: null });
  });

  it('do no work the second time', async () => {
    const again = await executeWithoutEngine(study, { kind: 'run' });
    expect(again.computed).toBe(0);
    expect(again.reused).toBeGreaterThan(100);
  });

  async function mergeBy(deltaName: string, label: string): Promise<MergeRecord> {
    const { merges } = await readSnapshot(study);
    const found = merges.find((merge) => merge.deltaName === deltaName && merge.label === label);
    if (found === undefined) throw new Error(`no merge of ${deltaName} by ${label}`);
    return found;
  }

  async function sourcesOf(merge: MergeRecord): Promise<DeltaTensors[]> {
    const { runs } = await readSnapshot(study);
    return Promise.all(
      merge.sources.map(({ id }) => {
        const run = runs.find((each) => each.id === id);
        return readTensors(join(study, run?.checkpoint?.path ?? ''));
      }),
    );
  }
});

describe('reference compatibility', { timeout: 300_000 }, () => {
  const methods = ['loss', 'kl-divergence', 'el2n', 'logits-label-cosine', 'hidden-cosine', 'grand'];
  const scores = { ...SETTINGS.scores, methods };

  it('runs whole by its own definitions: sums instead of means, the negated cosine, and nothing twice', async () => {
    const study = await newStudy('reference', { ...SETTINGS, scores, compatibility: 'reference' });
    const usual = join(root, 'usual');
    await copyInputs(study, usual);
    await writeTinyStudy(usual, { configuration: { ...SETTINGS, scores } });
    await execute(study, { kind: 'run' });
    expect((await executeWithoutEngine(study, { kind: 'run' })).computed).toBe(0);
    await execute(usual, { kind: 'run' });

    const [theirs, ours] = [await readSnapshot(study), await readSnapshot(usual)];
    expect(theirs.problems).toEqual([]);
    expect(new Set(theirs.matrices.map(({ compatibility }) => compatibility))).toEqual(
      new Set(['reference']),
    );
    const cell = ({ matrices }: typeof theirs, method: string) => {
      const matrix = matrices.find((each) => each.method === method && each.granularity === 'model');
      return matrix?.cells.find(({ target, source }) => target === 'copy' && source === "it's")?.values[0];
    };
    // Four dev rows of four label tokens; one answer each, so that no label is shifted.
    const tokens = 16;
    expect(cell(theirs, 'logits-label-cosine')).toBeCloseTo(
      tokens * (cell(ours, 'logits-label-cosine') ?? Number.NaN),
      4,
    );
    const weightsBy = ({ merges }: typeof theirs, method: string) =>
      merges.find((merge) => merge.target === 'copy' && merge.label === method)?.weights[0] ?? [];
    const order = (weights: readonly number[]) => Math.sign((weights[0] ?? 0) - (weights[1] ?? 0));
    // The reference gives the more similar source the smaller weight.
    expect(order(weightsBy(theirs, 'logits-label-cosine'))).toBe(
      -order(weightsBy(ours, 'logits-label-cosine')),
    );
  });
});

describe('NaN in a checkpoint', { timeout: 300_000 }, () => {
  const score: JobRequest = {
    kind: 'score',
    deltaName: 'adapter',
    methods: ['loss'],
    granularities: ['model'],
  };
  const merge: JobRequest = { kind: 'merge', target: 'copy', deltaName: 'adapter', by: { kind: 'average' } };
  let study: string;
  let file: string;
  let record: string;

  beforeAll(async () => {
    study = await newStudy('nan', { sources: { tuning: TUNING } });
    const tasks = ['copy', 'last letter', "it's"];
    const initialisation = { kind: 'random' } as const;
    await execute(study, { kind: 'tune', tasks, deltaName: 'adapter', role: 'source', initialisation });
    const run = (await readSnapshot(study)).runs.find(({ task }) => task === "it's");
    file = join(study, run?.checkpoint?.path ?? '');
    record = join(study, '.deltaloom', 'runs', "it's", `${run?.id ?? ''}.json`);
    const tensors = await readTensors(file);
    const [first] = tensors.values();
    if (first !== undefined) first.data[3] = Number.NaN;
    await writeSafetensors(file, tensors);
  });

  it('is a file that is not the recorded one: neither scored nor merged', async () => {
    await expect(execute(study, score)).rejects.toMatchObject({ code: 'source-missing' });
    await expect(execute(study, merge)).rejects.toMatchObject({
      code: 'checkpoint-missing',
      message: "The source checkpoint of 'it's' is on record, but its file is gone or was overwritten.",
    });
    // Where it has no say, the merge goes on without it.
    const without: JobRequest = { ...merge, by: { kind: 'explicit', weights: { 'last letter': 1 } } };
    expect((await execute(study, without)).summary).toBe('Merged 1 source for copy by explicit.');
  });

  it('is named with file, tensor and element where the record vouches for it', async () => {
    const vouched = JSON.parse(await readFile(record, 'utf8')) as { checkpoint: { sha256: string } };
    vouched.checkpoint.sha256 = await sha256File(file);
    await writeFile(record, JSON.stringify(vouched));
    await expect(execute(study, score)).rejects.toMatchObject({
      code: 'delta-not-finite',
      message: expect.stringContaining('element 3') as string,
      place: { file: expect.stringContaining("it's") as string, at: expect.any(String) as string },
    });
    await expect(execute(study, merge)).rejects.toMatchObject({
      code: 'checkpoint-not-finite',
      message: "The source 'it's' has a NaN at element 3.",
      place: { file: expect.stringContaining("it's") as string, at: expect.any(String) as string },
    });
  });

  it('is not imported', async () => {
    const left = join(root, 'left');
    await mkdir(join(left, 'copy'), { recursive: true });
    const foreign = join(left, 'copy', 'checkpoint-best.safetensors');
    await writeFile(foreign, await readFile(file));
    const context = contextWith(() => Promise.resolve(engine));
    await expect(importIntoStudy(study, left, { deltaName: 'adapter' }, context)).rejects.toMatchObject({
      code: 'delta-not-finite',
      place: { file: foreign },
    });
  });
});
