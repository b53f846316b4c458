import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Granularity, ScoreMethod } from '../../src/core/methods.js';
import { readTensors } from '../../src/formats/safetensors.js';
import type { Model, TokenisedExample } from '../../src/study/compute/contract.js';
import type { DeltaConfiguration } from '../../src/study/configuration.js';
import type { ScoreMatrix } from '../../src/study/records.js';
import type { MatrixStore, ScoredDelta, ScoringRequest } from '../../src/study/scoring/index.js';
import { scoreStudy } from '../../src/study/scoring/index.js';
import type { Comparison } from './study-checks.js';
import { checkpoint, goldenScores, matrixDifference, readJson } from './study-checks.js';

/** The matrices of scores.json, filled by the study's own scoring in reference compatibility, its batches included. */

/** The deltas of a golden folder, as its README gives them. */
export const GOLDEN_DELTAS: Readonly<Record<string, DeltaConfiguration>> = {
  adapter: {
    type: 'adapter',
    size: 4,
    nonlinearity: 'silu',
    placement: ['self-attention', 'cross-attention', 'feed-forward'],
  },
  lora: { type: 'lora', rank: 4, alpha: 16, targetModules: ['q', 'v'] },
  prefix: { type: 'prefix', length: 6, hiddenSize: 8 },
};

/** The reference's score by method, and the batch size it was run with. */
const SCORES: readonly {
  readonly name: string;
  readonly method: ScoreMethod;
  readonly granularity: Granularity;
  readonly batchSize: number;
  /** Relative tolerances are of the largest value of the matrix. */
  readonly tolerance: { readonly absolute: number } | { readonly relative: number };
}[] = [
  { name: 'Loss', method: 'loss', granularity: 'model', batchSize: 4, tolerance: { absolute: 2e-5 } },
  { name: 'EL2N', method: 'el2n', granularity: 'model', batchSize: 4, tolerance: { absolute: 2e-5 } },
  {
    name: 'Cos',
    method: 'logits-label-cosine',
    granularity: 'model',
    batchSize: 4,
    tolerance: { absolute: 2e-5 },
  },
  { name: 'KL', method: 'kl-divergence', granularity: 'model', batchSize: 4, tolerance: { relative: 2e-4 } },
  {
    name: 'block',
    method: 'hidden-cosine',
    granularity: 'block',
    batchSize: 4,
    tolerance: { absolute: 2e-5 },
  },
  { name: 'GraNd_dev', method: 'grand', granularity: 'model', batchSize: 2, tolerance: { relative: 2e-4 } },
  { name: 'GraNd_block', method: 'grand', granularity: 'block', batchSize: 2, tolerance: { relative: 2e-4 } },
  { name: 'GraNd_layer', method: 'grand', granularity: 'layer', batchSize: 2, tolerance: { relative: 2e-4 } },
];

/** Every score that the folder has of one delta. */
export async function checkScores(folder: string, deltaName: string, model: Model): Promise<Comparison[]> {
  const golden = goldenScores(folder, deltaName);
  const present = SCORES.filter(({ name }) => golden.names.includes(name));
  const comparisons: Comparison[] = [];
  for (const batchSize of new Set(present.map((score) => score.batchSize))) {
    const together = present.filter((score) => score.batchSize === batchSize);
    const matrices = await score(folder, deltaName, model, batchSize, together);
    for (const { name, method, granularity, tolerance } of together) {
      const matrix = matrices.find((each) => each.method === method && each.granularity === granularity);
      const known = matrix?.parts ?? [];
      const parts = granularity === 'model' ? 1 : Object.keys(golden.scores[name] as object).length;
      // A matrix or a part that was not computed must not go unnoticed.
      const missing = Math.abs(parts - known.length);
      comparisons.push({ name: `scores/${deltaName}/${name} parts`, difference: missing, tolerance: 0 });
      for (const [i, part] of known.entries()) {
        const place = part === 'model' ? name : `${name}/${part.replaceAll('.', '_')}`;
        const expected = golden.matrix(place);
        const largest = Math.max(...expected.flat().map(Math.abs));
        comparisons.push({
          name: `scores/${deltaName}/${place}`,
          difference: matrix === undefined ? Number.NaN : matrixDifference(valuesOf(matrix, i), expected),
          tolerance:
            'absolute' in tolerance
              ? tolerance.absolute * Math.max(1, largest)
              : tolerance.relative * largest,
        });
      }
    }
  }
  return comparisons;
}

/** All matrices of these methods, from one call. */
async function score(
  folder: string,
  deltaName: string,
  model: Model,
  batchSize: number,
  wanted: readonly { method: ScoreMethod; granularity: Granularity }[],
): Promise<ScoreMatrix[]> {
  const { tasks } = goldenScores(folder, deltaName);
  const delta = GOLDEN_DELTAS[deltaName];
  if (delta === undefined) throw new Error(`no golden delta '${deltaName}'`);
  const matrices: ScoreMatrix[] = [];
  const store: MatrixStore = {
    readMatrixToChange: () => Promise.resolve(null),
    writeMatrix: (matrix) => {
      matrices.push(matrix);
      return Promise.resolve();
    },
  };
  const request: ScoringRequest = {
    deltaName,
    delta,
    compatibility: 'reference',
    methods: [...new Set(wanted.map(({ method }) => method))],
    granularities: [...new Set(wanted.map(({ granularity }) => granularity))],
    targets: tasks.map((task) => ({
      task,
      dataSha256: task,
      tuningDigest: null,
      examples: () => Promise.resolve(goldenExamples(folder, task)),
      delta: scoredDelta(folder, deltaName, 'tuned64', task),
    })),
    sources: tasks.map((task) => scoredDelta(folder, deltaName, 'source', task)),
    rows: tasks,
    columns: tasks,
    backboneFingerprint: model.backbone.fingerprint,
    lengths: { input: 512, output: 16 },
    probe: { split: 'dev', shots: 16, examples: null, batchSize },
    initial: null,
    tuning: null,
  };
  const aside = await mkdtemp(join(tmpdir(), 'deltaloom-golden-'));
  try {
    await scoreStudy(request, {
      store,
      journal: join(aside, 'journal'),
      model: () => Promise.resolve(model),
      provenance: () =>
        Promise.resolve({ commit: null, branch: null, dirty: false, time: '', device: '', versions: {} }),
      signal: new AbortController().signal,
      progress: () => undefined,
      log: () => undefined,
    });
  } finally {
    await rm(aside, { recursive: true });
  }
  return matrices;
}

interface GoldenSplit {
  readonly input_ids: readonly (readonly number[])[];
  readonly output_ids_flattened_over_all_answers: readonly (readonly number[])[];
  readonly metadata: readonly (readonly [number, number])[];
}

/** The dev set as the reference tokenised it. */
function goldenExamples(folder: string, task: string): TokenisedExample[] {
  const { tasks } = readJson(folder, 'data', 'tokenized.json') as {
    tasks: Record<string, { dev: GoldenSplit }>;
  };
  const dev = tasks[task]?.dev;
  if (dev === undefined) throw new Error(`no dev set of '${task}'`);
  return dev.input_ids.map((input, row) => ({
    row,
    input: Int32Array.from(input),
    answers: dev.output_ids_flattened_over_all_answers
      .slice(...(dev.metadata[row] ?? [0, 0]))
      .map((label) => Int32Array.from(label)),
  }));
}

function scoredDelta(folder: string, deltaName: string, kind: string, task: string): ScoredDelta {
  const file = checkpoint(folder, deltaName, kind, task);
  return { task, sha256: `${kind} ${task}`, file, inPlace: true, tensors: () => readTensors(file) };
}

function valuesOf(matrix: ScoreMatrix, part: number): number[][] {
  return matrix.targets.map((target) =>
    matrix.sources.map(
      (source) =>
        matrix.cells.find((cell) => cell.target === target && cell.source === source)?.values[part] ??
        Number.NaN,
    ),
  );
}
