import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { DeltaSettings } from '../../src/core/delta-settings.js';
import type { T5Architecture } from '../../src/core/t5-architecture.js';
import type { Tensor } from '../../src/core/tensor.js';
import { encodeSafetensors } from '../../src/formats/safetensors.js';
import { readT5Config } from '../../src/formats/t5-config.js';
import { initialDelta } from '../../src/model/deltas/initial.js';
import { studySchema, type StudyConfiguration } from '../../src/study/configuration.js';
import { checkpointPath, matrixPath, mergeRecordPath, runRecordPath } from '../../src/study/paths.js';
import { planTune } from '../../src/study/plan-tune.js';
import type {
  CheckpointReference,
  MergeRecord,
  Provenance,
  RunRecord,
  ScoreMatrix,
} from '../../src/study/records.js';
import type { StudySnapshot, TaskEntry } from '../../src/study/snapshot.js';
import { requestOf } from '../../src/study/staleness.js';
import { StudyFiles } from '../../src/study/study-files.js';

/**
 * Studies made for tests: realistic records (every number from a seedless hash, so that they never change) of any size,
 * as a snapshot in memory or as a folder on disk.
 */

export const CONFIGURATION: StudyConfiguration = studySchema.parse({
  version: 1,
  name: 'Two families',
  backbone: 'backbone',
  tasks: 'tasks',
  groups: { sentiment: ['movies', 'hotels', 'phones'], grammar: ['agreement', 'negation'] },
  metrics: { movies: 'ACC', hotels: 'ACC', phones: 'ACC', agreement: 'ACC', negation: 'ACC', odd_one: 'EM' },
  deltas: { adapter: { type: 'adapter', size: 4 }, lora: { type: 'lora', rank: 4 } },
  targets: { shots: 16, seeds: [13, 42] },
});

export const TASKS = ['movies', 'hotels', 'phones', 'agreement', 'negation', 'odd_one'];

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** 0 to 1, from the text alone. */
export function numberOf(text: string): number {
  return parseInt(hashOf(text).slice(0, 8), 16) / 0x1_0000_0000;
}

export function makeProvenance(time = '2026-03-01T10:00:00.000Z'): Provenance {
  return {
    commit: 'a1b2c3d4e5f60718293a4b5c6d7e8f9012345678',
    branch: 'main',
    dirty: false,
    time,
    seconds: 12.5,
    device: 'cpu (ONNX Runtime, 2 threads)',
    versions: { deltaloom: '0.1.0', 'onnxruntime-node': '1.30.0' },
  };
}

export function makeRun(over: Partial<RunRecord> & Pick<RunRecord, 'task' | 'id'>): RunRecord {
  const deltaName = over.deltaName ?? 'adapter';
  const key = hashOf(`${over.task} ${over.id}`);
  const source = (over.role ?? 'source') === 'source';
  return {
    format: 'deltaloom/run',
    version: 1,
    key,
    kind: 'tune',
    deltaName,
    delta: CONFIGURATION.deltas[deltaName] ?? null,
    role: 'source',
    shots: source ? 'full' : 16,
    dataSeed: 42,
    seed: 42,
    initialisation: { kind: 'random', seed: 42 },
    tuning: CONFIGURATION.sources.tuning,
    chosen: { learningRate: 5e-4, batchSize: 8 },
    inputs: { backbone: hashOf('backbone'), data: { train: hashOf(over.task) }, initial: null },
    status: 'done',
    checkpoint: {
      path: checkpointPath(over.task, over.id),
      sha256: hashOf(`weights ${over.task} ${over.id}`),
      bytes: 4096,
    },
    curve: { train: [{ step: 10, loss: 2.1 }], dev: [{ step: 100, metric: 0.6, loss: 1.1 }] },
    results: {
      metric: 'ACC',
      dev: 0.5 + numberOf(`${key} dev`) / 2,
      test: source ? null : 0.4 + numberOf(`${key} test`) / 2,
      devLoss: 0.9,
      bestStep: 600,
      steps: 1000,
      testExamples: source ? null : 300,
    },
    provenance: makeProvenance(),
    ...over,
  };
}

export function makeMerge(target: string, sources: readonly RunRecord[], label = 'loss'): MergeRecord {
  const raw = sources.map(({ task }) => numberOf(`${label} ${target} ${task}`) + 0.05);
  const total = raw.reduce((sum, value) => sum + value, 0);
  const id = `adapter-${label}-${hashOf(target).slice(0, 8)}`;
  return {
    format: 'deltaloom/merge',
    version: 1,
    id,
    key: hashOf(`merge ${target} ${label}`),
    target,
    deltaName: 'adapter',
    delta: CONFIGURATION.deltas['adapter'] ?? {
      type: 'adapter',
      size: 4,
      nonlinearity: 'silu',
      placement: [],
    },
    label,
    score: label === 'loss' ? 'loss' : null,
    granularity: 'model',
    temperature: label === 'loss' ? 0.1 : null,
    loraRule: null,
    loraRuleDifference: null,
    sources: sources.map(({ task, id: source, checkpoint }) => ({
      task,
      id: source,
      sha256: checkpoint?.sha256 ?? hashOf(task),
    })),
    parts: ['model'],
    weights: [raw.map((value) => value / total)],
    checkpoint: {
      path: checkpointPath(target, id),
      sha256: hashOf(`merged ${target} ${label}`),
      bytes: 4096,
    },
    provenance: makeProvenance('2026-03-02T10:00:00.000Z'),
  };
}

export function makeMatrix(method: 'loss' | 'el2n' = 'loss', tasks: readonly string[] = TASKS): ScoreMatrix {
  return {
    format: 'deltaloom/scores',
    version: 1,
    method,
    methodVersion: 1,
    granularity: 'model',
    direction: 'lower',
    compatibility: 'default',
    deltaName: 'adapter',
    delta: CONFIGURATION.deltas['adapter'] ?? {
      type: 'adapter',
      size: 4,
      nonlinearity: 'silu',
      placement: [],
    },
    targets: [...tasks],
    sources: [...tasks],
    parts: ['model'],
    probe: { split: 'dev', shots: 16, examples: null },
    cells: tasks.flatMap((target) =>
      tasks
        .filter((source) => source !== target)
        .map((source) => ({
          target,
          source,
          key: hashOf(`${method} ${target} ${source}`),
          values: [0.2 + numberOf(`${method} ${target} ${source}`)],
          provenance: 0,
        })),
    ),
    provenances: [makeProvenance()],
  };
}

export interface MadeStudy {
  readonly tasks: readonly string[];
  readonly runs: readonly RunRecord[];
  readonly merges: readonly MergeRecord[];
  readonly matrices: readonly ScoreMatrix[];
}

/** Sources of every task, few-shot runs with two seeds from random, a merge for each, a failed and a stale run. */
export function makeRecords(): MadeStudy {
  const sources = TASKS.map((task) => makeRun({ task, id: `adapter-source-${hashOf(task).slice(0, 8)}` }));
  const merges = TASKS.slice(0, 5).map((target) =>
    makeMerge(
      target,
      sources.filter(({ task }) => task !== target),
    ),
  );
  const targets = TASKS.slice(0, 4).flatMap((task) =>
    [13, 42].flatMap((seed) => {
      const merge = merges.find(({ target }) => target === task);
      const common = { task, seed, role: 'target' as const, tuning: CONFIGURATION.targets.tuning };
      const random = makeRun({
        ...common,
        id: `adapter-16-s${seed}-random`,
        initialisation: { kind: 'random', seed: 42 },
        provenance: makeProvenance('2026-03-03T08:00:00.000Z'),
      });
      if (merge === undefined) return [random];
      return [
        random,
        makeRun({
          ...common,
          id: `adapter-16-s${seed}-loss`,
          initialisation: {
            kind: 'merge',
            id: merge.id,
            label: merge.label,
            sha256: merge.checkpoint.sha256,
          },
          provenance: { ...makeProvenance('2026-03-04T08:00:00.000Z'), dirty: true },
        }),
      ];
    }),
  );
  const failed = makeRun({
    task: 'odd_one',
    id: 'adapter-16-s13-failed',
    role: 'target',
    seed: 13,
    status: 'failed',
    error: { code: 'loss-not-finite', message: 'The loss became NaN at step 40.', remedy: 'Lower the rate.' },
    checkpoint: null,
    results: {
      metric: 'EM',
      dev: null,
      test: null,
      devLoss: null,
      bestStep: null,
      steps: 40,
      testExamples: null,
    },
  });
  const stale = makeRun({
    task: 'movies',
    id: 'lora-source-old',
    deltaName: 'lora',
    delta: { type: 'lora', rank: 8, alpha: 16, targetModules: ['q', 'v'] },
    provenance: makeProvenance('2026-01-04T08:00:00.000Z'),
  });
  return {
    tasks: TASKS,
    runs: [...sources, ...targets, failed, stale],
    merges,
    matrices: [makeMatrix('loss'), makeMatrix('el2n')],
  };
}

/** A study of the given size, for measuring. */
export function makeLargeRecords(tasks: number, runsPerTask: number): MadeStudy {
  const names = Array.from({ length: tasks }, (_, index) => `task_${String(index).padStart(3, '0')}`);
  const runs = names.flatMap((task) =>
    Array.from({ length: runsPerTask }, (_, seed) =>
      makeRun({ task, id: `adapter-16-s${seed}`, seed, role: seed === 0 ? 'source' : 'target' }),
    ),
  );
  return { tasks: names, runs, merges: [], matrices: [] };
}

export function makeSnapshot(records: MadeStudy = makeRecords(), directory = '/study'): StudySnapshot {
  const groups = Object.entries(CONFIGURATION.groups);
  return {
    directory,
    configuration: CONFIGURATION,
    problems: [],
    tasks: records.tasks.map((name): TaskEntry => ({
      name,
      groups: groups.filter(([, members]) => members.includes(name)).map(([group]) => group),
      metric: CONFIGURATION.metrics[name] ?? 'ACC',
      data: [16, 64, 'full' as const].map((shots) => ({
        shots,
        seed: 42,
        files: {
          train: `tasks/${name}/${name}_${shots}_42_train.tsv`,
          dev: `tasks/${name}/${name}_${shots}_42_dev.tsv`,
        },
      })),
    })),
    runs: records.runs,
    merges: records.merges,
    matrices: records.matrices,
  };
}

export function weightsOnDisk({ runs, merges }: MadeStudy): Set<string> {
  return new Set([...runs, ...merges].flatMap(({ checkpoint }) => checkpoint?.path ?? []));
}

/** A small delta with the names of the reference, different for every text; of no backbone. */
function makeDelta(text: string): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const stack of ['encoder', 'decoder']) {
    for (const layer of stack === 'encoder' ? [0, 1] : [0, 1, 2]) {
      for (const [name, shape] of [
        ['adapter_A', [8, 4]],
        ['adapter_B', [4, 8]],
      ] as const) {
        const full = `${stack}.block.0.layer.${layer}.adapter.${name}`;
        const data = Float32Array.from(
          { length: 32 },
          (_, index) => numberOf(`${text} ${full} ${index}`) - 0.5,
        );
        tensors.set(full, { shape: [...shape], data });
      }
    }
  }
  return tensors;
}

/**
 * Writes a study to a folder: configuration, data, records and weights. Where it has a backbone, its records say that they
 * were made from it, from these data and with these settings, and its weights fit; a record of another delta than the study's
 * own stays stale.
 */
export async function writeStudy(
  directory: string,
  records: MadeStudy = makeRecords(),
  settings: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await writeInputs(directory, records, settings);
  const config = path.join(directory, 'backbone', 'config.json');
  const architecture = existsSync(config) ? await readT5Config(config) : null;
  const { runs, merges, matrices } =
    architecture === null ? records : await settleRecords(directory, records, architecture);
  const write = writerIn(directory);
  for (const run of runs) await write(runRecordPath(run.task, run.id), JSON.stringify(run, null, 2));
  for (const merge of merges) {
    await write(mergeRecordPath(merge.target, merge.id), JSON.stringify(merge, null, 2));
  }
  for (const matrix of matrices) {
    await write(
      matrixPath(matrix.deltaName, matrix.method, matrix.granularity),
      JSON.stringify(matrix, null, 2),
    );
  }
  for (const { checkpoint, delta } of [...runs, ...merges]) {
    if (checkpoint !== null)
      await write(checkpoint.path, encodeWeights(checkpoint.path, delta, architecture));
  }
}

/** The path of a checkpoint decides its values, since its hash is the hash of these bytes. */
function encodeWeights(
  file: string,
  delta: DeltaSettings | null,
  architecture: T5Architecture | null,
): Buffer {
  const tensors =
    architecture === null || delta === null
      ? makeDelta(file)
      : initialDelta(architecture, delta, parseInt(hashOf(file).slice(0, 8), 16));
  return Buffer.from(
    encodeSafetensors(tensors, { metadata: { format: 'deltaloom/delta', delta: JSON.stringify(delta) } }),
  );
}

function writerIn(directory: string): (file: string, content: string | Buffer) => Promise<void> {
  return async (file, content) => {
    const absolute = path.join(directory, file);
    await mkdir(path.dirname(absolute), { recursive: true });
    await writeFile(absolute, content);
  };
}

async function writeInputs(
  directory: string,
  records: MadeStudy,
  settings: Readonly<Record<string, unknown>>,
): Promise<void> {
  const write = writerIn(directory);
  const { version, name, backbone, tasks, groups, metrics } = CONFIGURATION;
  const configuration = {
    version,
    name,
    backbone,
    tasks,
    groups: records.tasks === TASKS ? groups : {},
    metrics: records.tasks === TASKS ? metrics : {},
    deltas: { adapter: { type: 'adapter', size: 4 }, lora: { type: 'lora', rank: 4 } },
    targets: { shots: 16, seeds: [13, 42] },
    ...settings,
  };
  await write('deltaloom.json', `${JSON.stringify(configuration, null, 2)}\n`);
  for (const task of records.tasks) {
    for (const shots of ['16_13', '16_42', '64_42']) {
      for (const split of ['train', 'dev', 'test']) {
        await write(
          `tasks/${task}/${task}_${shots}_${split}.tsv`,
          `a fine ${task}\tgood\na poor ${task}\tbad\n`,
        );
      }
    }
  }
}

/** The records as the study itself would have made them: names, keys, input hashes and checkpoint hashes hold. */
async function settleRecords(
  directory: string,
  records: MadeStudy,
  architecture: T5Architecture,
): Promise<MadeStudy> {
  const study = await StudyFiles.read(directory);
  const hashOfWeights = (
    checkpoint: CheckpointReference,
    delta: DeltaSettings | null,
  ): CheckpointReference => {
    const bytes = encodeWeights(checkpoint.path, delta, architecture);
    return { ...checkpoint, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
  };
  const settled = new Map<string, RunRecord>();
  const settle = async (run: RunRecord, merges: readonly MergeRecord[]): Promise<void> => {
    const { sources, targets } = study.configuration;
    const checkpoint = run.checkpoint === null ? null : hashOfWeights(run.checkpoint, run.delta);
    const known = { ...run, checkpoint, tuning: run.role === 'source' ? sources.tuning : targets.tuning };
    const request = requestOf(known, { runs: [...settled.values()], merges });
    const own = JSON.stringify(run.delta) === JSON.stringify(study.configuration.deltas[run.deltaName]);
    if (request === null) throw new Error(`${run.id} is no tuning.`);
    const { id, key, inputs, data } = await planTune(study, { ...request, test: run.role === 'target' });
    const results = { ...run.results, metric: study.metric(run.task) };
    const made = { ...known, inputs, dataSeed: data.data.seed, results };
    settled.set(`${run.task}/${run.id}`, own ? { ...made, id, key } : made);
  };
  for (const run of records.runs.filter(({ role }) => role === 'source')) await settle(run, []);
  const merges = records.merges.map((merge) => ({
    ...merge,
    checkpoint: hashOfWeights(merge.checkpoint, merge.delta),
    sources: merge.sources.map((source) => {
      const now = settled.get(`${source.task}/${source.id}`);
      return { ...source, id: now?.id ?? source.id, sha256: now?.checkpoint?.sha256 ?? source.sha256 };
    }),
  }));
  for (const run of records.runs.filter(({ role }) => role !== 'source')) {
    const { initialisation } = run;
    const merge =
      initialisation.kind === 'merge' ? merges.find(({ id }) => id === initialisation.id) : undefined;
    const start =
      merge === undefined ? initialisation : { ...initialisation, sha256: merge.checkpoint.sha256 };
    await settle({ ...run, initialisation: start }, merges);
  }
  return { ...records, runs: [...settled.values()], merges };
}

/** A T5 of 70,000 parameters that really computes: the committed part of the golden values. Write it before the study. */
export async function writeTinyBackbone(project: string, directory: string): Promise<void> {
  const golden = path.join(project, 'test', 'fixtures', 'golden');
  const target = path.join(directory, 'backbone');
  await mkdir(target, { recursive: true });
  for (const file of [
    'modelA/config.json',
    'modelA/model.safetensors',
    'tokenizer/spiece.model',
    'tokenizer/tokenizer_config.json',
  ]) {
    await copyFile(path.join(golden, file), path.join(target, path.basename(file)));
  }
}

/** Settings with which a few-shot run takes a second and a source tuning never ends by itself. */
export const QUICK_SETTINGS = {
  lengths: { input: 32, output: 8 },
  targets: {
    shots: 16,
    seeds: [13],
    tuning: { steps: 60, validateEvery: 10, logEvery: 5, patience: 0, dropout: 0 },
  },
  sources: {
    tuning: { steps: 100_000, validateEvery: 10, logEvery: 5, patience: 0, dropout: 0 },
  },
};
