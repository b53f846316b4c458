import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import type { DeltaTensors } from '../../src/core/tensor.js';
import { openEngine } from '../../src/engine/index.js';
import { listCrossFitTasks } from '../../src/formats/crossfit.js';
import { readTensors, writeSafetensors } from '../../src/formats/safetensors.js';
import { encodeWithEos, openTokenizer } from '../../src/formats/tokenizer.js';
import type { Backbone, Batch, Model, TokenisedExample } from '../../src/study/compute/contract.js';
import { openModel } from '../../src/study/compute/index.js';
import { readExamples } from '../../src/study/examples.js';
import type { ScoreMatrix } from '../../src/study/records.js';
import { deltaSchema } from '../../src/study/records.js';
import { probeBatches } from '../../src/study/scoring/batches.js';
import type { ScoringRequest } from '../../src/study/scoring/index.js';
import { scoreStudy } from '../../src/study/scoring/index.js';
import type { Size } from '../engine-model.js';
import { DELTAS, randomBackbone } from '../engine-model.js';
import { Peer } from '../engine-peer.js';

/** Filling loss, KL, EL2N, cosine and block cosine on real tasks, against PyTorch in two ways. */

const METHODS = ['loss', 'kl-divergence', 'el2n', 'logits-label-cosine', 'hidden-cosine'] as const;
/** Tasks of short, middling and long inputs. */
const TASKS = [
  'boolq',
  'web_questions',
  'commonsense_qa',
  'cos_e',
  'codah',
  'crows_pairs',
  'blimp-ellipsis_n_bar_1',
  'hate_speech18',
];
const BATCH = 8;
const DELTA = deltaSchema.parse(DELTAS.adapter);
const SCRIPT = fileURLToPath(new URL('../peers/study_peer.py', import.meta.url));

export interface ScoringOptions {
  readonly size: Size;
  readonly threads: number;
  /** Tasks, at most eight: as many targets and sources. */
  readonly count: number;
  /** Examples of every probe. */
  readonly examples: number;
  /** Folders of CrossFit tasks and of a T5 tokenizer. */
  readonly tasks: string;
  readonly tokenizer: string;
  /** For the backbone and the deltas, kept for the next time. */
  readonly cache: string;
  readonly log: (line: string) => void;
}

export interface ScoringMeasurement {
  readonly tasks: number;
  /** Ours, measured: every cell of every matrix, the model's opening and the compiling of its programs included. */
  readonly seconds: number;
  /** Of those. */
  readonly opening: number;
  /** Ours with half as many sources, thus half the cells. Without the opening. */
  readonly half: { readonly seconds: number; readonly cells: number };
  readonly peer: PeerMeasurement | string;
}

export interface PeerMeasurement {
  readonly configuration: string;
  /** Extrapolated from one measured row to all rows by the number of batches and sources. */
  readonly careful: number;
  /** Extrapolated from one batch of one source by every method. */
  readonly reference: number;
  /** Largest relative difference between our values and the careful peer's, over the measured row. */
  readonly disagreement: number;
}

interface Task {
  readonly task: string;
  readonly examples: readonly TokenisedExample[];
  readonly batches: readonly Batch[];
  readonly source: string;
  readonly own: string;
}

export async function measureScoring(options: ScoringOptions): Promise<ScoringMeasurement> {
  const backbone = await randomBackbone(options.size, join(options.cache, `t5-${options.size}`));
  const tokenizer = await openTokenizer(options.tokenizer);
  const reading: Backbone = { ...backbone, encode: (text, most) => encodeWithEos(tokenizer, text, most) };
  const engine = await openEngine({ device: 'cpu', threads: options.threads });
  try {
    const start = performance.now();
    const model = await openModel(backbone, DELTAS.adapter, engine);
    const opened = (performance.now() - start) / 1000;
    const tasks = await prepareTasks(options, reading, model);
    const some = tasks.slice(0, Math.ceil(tasks.length / 2));
    // Programs are compiled when they are first run: what the first run takes beyond the second is part of the opening.
    const [first, second] = [
      await fill(model, tasks.slice(0, 1), tasks.slice(0, 1), options),
      await fill(model, tasks.slice(0, 1), tasks.slice(0, 1), options),
    ];
    const opening = opened + Math.max(0, first.seconds - second.seconds);
    const half = await fill(model, tasks, some, options);
    const whole = await fill(model, tasks, tasks, options);
    const measured = {
      tasks: tasks.length,
      seconds: whole.seconds + opening,
      opening,
      half: { seconds: half.seconds, cells: tasks.length * some.length },
    };
    options.log(
      `ours: ${tasks.length} x ${tasks.length} in ${measured.seconds.toFixed(1)} s, ${tasks.length} x ${some.length} in ${measured.half.seconds.toFixed(1)} s (opening ${opening.toFixed(1)} s)`,
    );
    const folder = join(options.cache, `t5-${options.size}`);
    const peer = await measurePeer(options, folder, tasks, whole.matrices);
    await model.dispose();
    return { ...measured, peer };
  } finally {
    await engine.dispose();
  }
}

async function prepareTasks(options: ScoringOptions, backbone: Backbone, model: Model): Promise<Task[]> {
  const found = await listCrossFitTasks(options.tasks);
  const folder = join(options.cache, `deltas-${options.size}`);
  await mkdir(folder, { recursive: true });
  const tasks: Task[] = [];
  for (const [i, task] of TASKS.slice(0, options.count).entries()) {
    const sampling = found.find(({ name }) => name === task)?.samplings[0];
    const file = sampling?.files.dev;
    if (file === undefined) throw new Error(`The task '${task}' is not among the tasks given.`);
    const { tokens } = await readExamples(backbone, task, file, {
      directory: options.tasks,
      lengths: { input: 512, output: 64 },
      first: options.examples,
    });
    const save = async (kind: string, seed: number) => {
      const path = join(folder, `${kind}-${task}.safetensors`);
      if (!existsSync(path)) await writeSafetensors(path, model.initialDelta(seed));
      return path;
    };
    tasks.push({
      task,
      examples: tokens,
      batches: probeBatches(tokens, BATCH, 'default'),
      source: await save('source', 2 * i + 1),
      own: await save('own', 2 * i + 2),
    });
  }
  return tasks;
}

/** Cells cost by their batches: every source reads every batch of every target. */
function batchesOf(tasks: readonly Task[]): number {
  return tasks.reduce((sum, { batches }) => sum + batches.length, 0) * tasks.length;
}

async function fill(
  model: Model,
  targets: readonly Task[],
  sources: readonly Task[],
  options: ScoringOptions,
) {
  const delta = (task: string, file: string) => ({
    task,
    file,
    sha256: file,
    inPlace: true,
    tensors: (): Promise<DeltaTensors> => readTensors(file),
  });
  const request: ScoringRequest = {
    deltaName: 'adapter',
    delta: DELTA,
    compatibility: 'default',
    methods: METHODS,
    granularities: ['model', 'block'],
    targets: targets.map(({ task, examples, own }) => ({
      task,
      dataSha256: task,
      tuningDigest: null,
      examples: () => Promise.resolve(examples),
      delta: delta(task, own),
    })),
    sources: sources.map(({ task, source }) => delta(task, source)),
    rows: targets.map(({ task }) => task),
    columns: sources.map(({ task }) => task),
    backboneFingerprint: 'random',
    lengths: { input: 512, output: 64 },
    probe: { split: 'dev', shots: 16, examples: options.examples, batchSize: BATCH },
    initial: null,
    tuning: null,
  };
  const matrices: ScoreMatrix[] = [];
  const journal = join(options.cache, 'journal.jsonl');
  await rm(journal, { force: true });
  const start = performance.now();
  await scoreStudy(request, {
    store: {
      readMatrixToChange: () => Promise.resolve(null),
      writeMatrix: (matrix) => {
        matrices.push(matrix);
        return Promise.resolve();
      },
    },
    journal,
    model: () => Promise.resolve(model),
    provenance: () =>
      Promise.resolve({ commit: null, branch: null, dirty: false, time: '', device: '', versions: {} }),
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
  });
  return { seconds: (performance.now() - start) / 1000, matrices };
}

async function measurePeer(
  options: ScoringOptions,
  folder: string,
  tasks: readonly Task[],
  matrices: readonly ScoreMatrix[],
): Promise<PeerMeasurement | string> {
  const peer = Peer.start(options.threads, { script: SCRIPT, needs: ['torch', 'numpy'] });
  if (typeof peer === 'string') return peer;
  try {
    const configuration = await peer.ask({ do: 'configuration' });
    const deltas = Object.fromEntries(
      tasks.flatMap(({ task, source, own }) => [
        [`source ${task}`, source],
        [`own ${task}`, own],
      ]),
    );
    await peer.ask({ do: 'load', folder, deltas });
    // Two rows: one of the longest inputs, one of the shortest.
    let [careful, measuredBatches] = [0, 0];
    let disagreement = 0;
    const measuredSources = tasks.slice(0, 2);
    const sources = measuredSources.map(({ task }) => `source ${task}`);
    for (const target of [tasks[0], tasks[1]]) {
      if (target === undefined) continue;
      const command = {
        do: 'careful',
        batches: target.batches.map(plain),
        own: `own ${target.task}`,
        sources,
      };
      const answer = await peer.ask(command);
      careful += rowSeconds(answer['byMethod'] as Record<string, number>, sources.length, tasks.length);
      measuredBatches += target.batches.length;
      const found = disagreementOf(
        answer['values'] as Record<string, number[][]>,
        target.task,
        measuredSources.map(({ task }) => task),
        matrices,
      );
      disagreement = Math.max(disagreement, found);
    }
    const [first] = tasks;
    const batch = first?.batches[0];
    if (first === undefined || batch === undefined) throw new Error('no task to measure');
    const single = await peer.ask({ do: 'reference', folder, delta: first.source, batch: plain(batch) });
    const perBatch = Object.values(single['perBatch'] as Record<string, number>).reduce(
      (sum, x) => sum + x,
      0,
    );
    const [modelLoad, deltaLoad] = [Number(single['modelLoad']), Number(single['deltaLoad'])];
    const runs = tasks.length * METHODS.length;
    const reference = perBatch * batchesOf(tasks) + runs * modelLoad + runs * tasks.length * deltaLoad;
    // Rows cost by their tokens; the two measured rows stand for all by their share of the tokens.
    const share = tokensOf(tasks) / tokensOf(tasks.slice(0, 2));
    options.log(
      `peer: measured ${measuredBatches} batches; careful ${(careful * share).toFixed(0)} s, reference ${reference.toFixed(0)} s, disagreement ${disagreement.toExponential(1)}`,
    );
    return {
      configuration: `torch ${String(configuration['torch'])}, ${String(configuration['threads'])} threads`,
      careful: careful * share,
      reference,
      disagreement,
    };
  } finally {
    peer.stop();
  }
}

/** The teacher is computed once a row, every source once: from a row of some sources to a row of all. */
function rowSeconds(byMethod: Readonly<Record<string, number>>, measured: number, all: number): number {
  return Object.entries(byMethod).reduce((sum, [method, seconds]) => {
    const teachers = method === 'kl-divergence' || method === 'hidden-cosine' ? 1 : 0;
    return sum + (seconds * (all + teachers)) / (measured + teachers);
  }, 0);
}

/** Padded tokens, input and label, that the targets' batches hold. */
function tokensOf(tasks: readonly Task[]): number {
  return tasks.reduce(
    (sum, { batches }) =>
      batches.reduce(
        (inner, { size, sourceLength, targetLength }) => inner + size * (sourceLength + targetLength),
        sum,
      ),
    0,
  );
}

function plain({ size, sourceLength, targetLength, inputIds, inputMask, labels }: Batch) {
  const rows = (values: ArrayLike<number>, width: number) =>
    Array.from({ length: size }, (_, i) => Array.from(values).slice(i * width, (i + 1) * width));
  return {
    ids: rows(inputIds, sourceLength),
    mask: rows(inputMask, sourceLength),
    labels: rows(labels, targetLength),
  };
}

/** Both sides read the same files: what they find must agree, or one of them measures something else. */
function disagreementOf(
  values: Readonly<Record<string, readonly (readonly number[])[]>>,
  target: string,
  sources: readonly string[],
  matrices: readonly ScoreMatrix[],
): number {
  let most = 0;
  for (const matrix of matrices) {
    for (const [j, source] of sources.entries()) {
      const cell = matrix.cells.find((each) => each.target === target && each.source === source);
      const theirs = values[matrix.method]?.[j] ?? [];
      (cell?.values ?? []).forEach((value, part) => {
        const other = theirs[part] ?? Number.NaN;
        const difference = Math.abs((value ?? Number.NaN) - other) / Math.max(Math.abs(other), 1e-3);
        most = difference > most || Number.isNaN(difference) ? difference : most;
      });
    }
  }
  return most;
}
