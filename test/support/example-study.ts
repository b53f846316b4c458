import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { SCORE_METHOD_INFO, type Granularity, type ScoreMethod } from '../../src/core/methods.js';
import { studySchema } from '../../src/study/configuration.js';
import {
  deltaSchema,
  runRecordSchema,
  scoreMatrixSchema,
  type Provenance,
  type RunRecord,
  type ScoreMatrix,
} from '../../src/study/records.js';

/**
 * Records of a study as a real one leaves them, of any size, from a seed: groups of tasks in which relatives score
 * closer and transfer better. For tests and benchmarks of what reads records.
 */
export interface ExampleStudy {
  readonly tasks: readonly string[];
  readonly groups: Readonly<Record<string, string[]>>;
  readonly configuration: unknown;
  readonly runs: readonly RunRecord[];
  readonly matrices: readonly ScoreMatrix[];
}

export interface ExampleOptions {
  readonly tasks?: number;
  readonly perGroup?: number;
  readonly methods?: readonly ScoreMethod[];
  /** Also a block and a layer matrix of GraNd with this many encoder and decoder blocks each. */
  readonly blocks?: number;
  readonly seed?: number;
  readonly commit?: string | null;
  readonly seeds?: readonly number[];
}

const VERBS = ['compare', 'count', 'judge', 'extract', 'rewrite', 'answer', 'sort', 'match'];

export function exampleStudy(options: ExampleOptions = {}): ExampleStudy {
  const random = generator(options.seed ?? 1);
  const perGroup = options.perGroup ?? 4;
  const tasks = Array.from(
    { length: options.tasks ?? 8 },
    (_, i) => `${VERBS[Math.floor(i / perGroup) % VERBS.length] ?? 'task'}_${String(i).padStart(2, '0')}`,
  );
  const family = (task: string) => Math.floor(tasks.indexOf(task) / perGroup);
  const groups: Record<string, string[]> = {};
  for (const task of tasks) (groups[`family-${family(task)}`] ??= []).push(task);
  const methods = options.methods ?? ['loss', 'el2n', 'logits-label-cosine'];
  const provenance = (minute: number): Provenance => ({
    commit: options.commit ?? null,
    branch: options.commit === undefined || options.commit === null ? null : 'main',
    dirty: false,
    time: new Date(Date.UTC(2026, 2, 3, 9, minute)).toISOString(),
    seconds: 1 + random(),
    device: 'cpu',
    versions: { deltaloom: '0.1.0' },
  });
  const similarity = tasks.map((target) =>
    tasks.map((source) => (family(target) === family(source) ? 0.75 : 0.3) + 0.2 * (random() - 0.5)),
  );
  const value = (method: ScoreMethod, target: number, source: number, part: number) => {
    const s = (similarity[target]?.[source] ?? 0) + 0.04 * (random() - 0.5) + 0.02 * Math.sin(part);
    return SCORE_METHOD_INFO[method].direction === 'lower' ? 2.2 - 1.8 * s : s;
  };
  const matrix = (method: ScoreMethod, granularity: Granularity, parts: readonly string[]): ScoreMatrix =>
    scoreMatrixSchema.parse({
      format: 'deltaloom/scores',
      version: 1,
      method,
      methodVersion: 1,
      granularity,
      direction: SCORE_METHOD_INFO[method].direction,
      compatibility: 'default',
      deltaName: 'adapter',
      delta: ADAPTER,
      targets: tasks,
      sources: tasks,
      parts,
      probe: { split: 'dev', shots: 16, examples: 16 },
      cells: tasks.flatMap((target, i) =>
        tasks.map((source, j) => ({
          target,
          source,
          key: sha(`${method}.${granularity}.${target}.${source}`),
          values: parts.map((_, part) => value(method, i, j, part)),
          provenance: 0,
        })),
      ),
      provenances: [provenance(30)],
    });
  const blocks = stackParts(options.blocks ?? 0);
  const matrices = methods.map((method) => matrix(method, 'model', ['model']));
  if (blocks.blocks.length > 0) {
    matrices.push(matrix('grand', 'block', blocks.blocks), matrix('grand', 'layer', blocks.layers));
  }
  const runs = tasks.flatMap((task, i) => [
    exampleRun({ task, role: 'source', initialisation: 'random', test: 0.8, provenance: provenance(i) }),
    ...['random', 'average', 'group', ...methods].flatMap((initialisation, k) =>
      (options.seeds ?? [42, 43, 44]).map((seed) =>
        exampleRun({
          task,
          role: 'target',
          initialisation,
          seed,
          test: Math.min(0.97, 0.48 + (k < 2 ? 0.02 * k : 0.18) + 0.06 * random()),
          provenance: provenance(40),
        }),
      ),
    ),
  ]);
  return {
    tasks,
    groups,
    configuration: { version: 1, name: 'Example', backbone: 'backbone', tasks: 'tasks', groups },
    runs,
    matrices,
  };
}

export const ADAPTER = deltaSchema.parse({ type: 'adapter' });

export function exampleRun(options: {
  readonly task: string;
  readonly role: RunRecord['role'];
  readonly initialisation: string;
  readonly seed?: number;
  readonly test?: number;
  readonly provenance: Provenance;
}): RunRecord {
  const { task, role, initialisation } = options;
  const seed = options.seed ?? 42;
  const shots = role === 'source' ? 'full' : 16;
  const key = sha(`${task}.${role}.${initialisation}.${seed}`);
  // All seeds start from one merge.
  const start = sha(`${task}.${initialisation}`);
  const id = `adapter-${shots}-${seed}-${initialisation}-${key.slice(0, 8)}`;
  const steps = Array.from({ length: 6 }, (_, i) => 10 * (i + 1));
  return runRecordSchema.parse({
    format: 'deltaloom/run',
    version: 1,
    id,
    key,
    kind: 'tune',
    task,
    deltaName: 'adapter',
    delta: ADAPTER,
    role,
    shots,
    dataSeed: 13,
    seed,
    initialisation:
      initialisation === 'random'
        ? { kind: 'random', seed: 42 }
        : { kind: 'merge', id: `merge-${start.slice(0, 8)}`, label: initialisation, sha256: start },
    tuning: studySchema.shape.targets.unwrap().shape.tuning.parse({}),
    chosen: { learningRate: 5e-4, batchSize: 8 },
    inputs: { backbone: sha('backbone'), data: {}, initial: null },
    status: 'done',
    checkpoint: { path: `.deltaloom/checkpoints/${task}/${id}.safetensors`, sha256: key, bytes: 1000 },
    curve: {
      train: steps.map((step) => ({ step, loss: 1.5 * Math.exp(-step / 30) + 0.2 })),
      dev: steps
        .filter((_, i) => i % 2 === 1)
        .map((step) => ({ step, metric: 0.5 + step / 200, loss: 1 - step / 100 })),
    },
    results: {
      metric: 'ACC',
      dev: options.test ?? 0.5,
      test: options.test ?? 0.5,
      devLoss: 0.4,
      bestStep: 60,
      steps: 60,
      testExamples: 500,
    },
    provenance: options.provenance,
  });
}

/** Writes configuration and records where the program expects them. */
export async function writeStudy(directory: string, study: ExampleStudy): Promise<void> {
  await writeJson(directory, 'deltaloom.json', study.configuration);
  for (const run of study.runs) await writeJson(directory, `.deltaloom/runs/${run.task}/${run.id}.json`, run);
  for (const matrix of study.matrices) await writeJson(directory, matrixFile(matrix), matrix);
}

export function matrixFile(matrix: ScoreMatrix): string {
  return `.deltaloom/scores/${matrix.deltaName}/${matrix.method}.${matrix.granularity}.json`;
}

export async function writeJson(directory: string, file: string, value: unknown): Promise<void> {
  const place = path.join(directory, file);
  await mkdir(path.dirname(place), { recursive: true });
  await writeFile(place, `${JSON.stringify(value, null, 1)}\n`);
}

function stackParts(count: number): { blocks: string[]; layers: string[] } {
  const stack = (name: string) => Array.from({ length: count }, (_, i) => `${name}.block.${i}`);
  const blocks = [...stack('encoder'), ...stack('decoder')];
  const layers = blocks.flatMap((block) =>
    Array.from({ length: block.startsWith('encoder') ? 2 : 3 }, (_, i) => `${block}.layer.${i}`),
  );
  return { blocks, layers };
}

function sha(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** mulberry32: small, seeded, good enough to scatter examples. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A few examples of every task, so that the command line finds the study whole. */
export async function writeTasks(directory: string, tasks: readonly string[]): Promise<void> {
  for (const task of tasks) {
    const folder = path.join(directory, 'tasks', task);
    await mkdir(folder, { recursive: true });
    for (const split of ['train', 'dev', 'test']) {
      const lines = ['yes', 'no'].map((answer, i) => `${task} example ${i} of ${split}\t${answer}\n`);
      await writeFile(path.join(folder, `${task}_16_42_${split}.tsv`), lines.join(''));
    }
  }
}
