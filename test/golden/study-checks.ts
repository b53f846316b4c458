import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AveragingWeights } from '../../src/core/averaging-weights.js';
import {
  averagingWeights,
  equalWeights,
  weightDirection,
  weightPrecision,
} from '../../src/core/averaging-weights.js';
import { wholePlan } from '../../src/core/merging.js';
import type { ScoreMethod } from '../../src/core/methods.js';
import { metricOfTask, parseMetricName } from '../../src/core/metric-names.js';
import { evaluateMetric } from '../../src/core/metrics.js';
import { parseReferenceResults, parseZeroShotResults } from '../../src/core/reference-results.js';
import { euclideanDistance, weightCosine } from '../../src/core/weight-scores.js';
import { readTensors } from '../../src/formats/safetensors.js';
import { mergeCheckpoints } from '../../src/study/merging/index.js';

/**
 * What a golden folder says about everything that needs no network: metrics, imported matrices, scores from weights,
 * averaging weights and merged tensors, all in reference compatibility.
 */

/** One comparison: the largest difference found, and what may be. */
export interface Comparison {
  readonly name: string;
  readonly difference: number;
  readonly tolerance: number;
}

type Matrix = readonly (readonly number[])[];
type Weights = Readonly<Record<string, readonly number[]>>;
interface GoldenWeights {
  readonly others: Readonly<
    Record<string, { readonly score: string; readonly temperature: number; readonly weights?: Weights }>
  >;
  readonly cos: Readonly<Record<string, Weights>>;
  readonly cos_raw_mean_per_tensor_cosine_target_rows_source_columns: Matrix;
  readonly Euclidean: Readonly<Record<string, Weights>>;
  readonly Euclidean_gap_sum_of_per_tensor_norms: Matrix;
  readonly Performance: Readonly<Record<string, Weights>>;
}
interface GoldenMetrics {
  readonly cases: readonly {
    readonly metric: string;
    readonly predictions: readonly string[];
    readonly golds: readonly (readonly string[])[];
    readonly result: Readonly<Record<string, number | string>>;
  }[];
  readonly METRICS: Readonly<Record<string, string>>;
}

/** The reference's name of a score, `Loss` or `GraNd_block/encoder_block_0`, by method here. */
const METHOD_BY_SCORE: Readonly<Record<string, ScoreMethod>> = {
  Loss: 'loss',
  KL: 'kl-divergence',
  EL2N: 'el2n',
  Cos: 'logits-label-cosine',
  block: 'hidden-cosine',
  GraNd_dev: 'grand',
  GraNd_block: 'grand',
  GraNd_layer: 'grand',
};

const WEIGHT_TOLERANCE = 1e-5;
const MERGE_TOLERANCE = 1e-6;
const SCORE_TOLERANCE = 2e-5;

/** All comparisons of this file. */
export async function checkStudy(folder: string): Promise<Comparison[]> {
  return [
    ...checkMetrics(folder),
    ...checkImportedMatrices(folder),
    ...(await checkWeightScores(folder)),
    ...checkAveragingWeights(folder),
    ...(await checkMerges(folder)),
  ];
}

export function checkMetrics(folder: string): Comparison[] {
  const { cases, METRICS } = readJson(folder, 'metrics.json') as GoldenMetrics;
  const comparisons = cases.flatMap(({ metric, predictions, golds, result }, i) => {
    const name = parseMetricName(metric);
    const expected = result[metric];
    if (typeof expected !== 'number') return [];
    const value = name === undefined ? Number.NaN : evaluateMetric(name, predictions, golds);
    return [{ name: `metrics/${metric} ${i}`, difference: Math.abs(value - expected), tolerance: 1e-12 }];
  });
  const wrong = Object.entries(METRICS).filter(
    ([task, metric]) => metricOfTask(task) !== parseMetricName(metric),
  );
  return [...comparisons, { name: 'metrics/by task name', difference: wrong.length, tolerance: 0 }];
}

/** Every result.tsv, read as `deltaloom import` reads it, against the matrices of scores.json. */
export function checkImportedMatrices(folder: string): Comparison[] {
  const scores = goldenScores(folder);
  const raw = join(folder, 'scores', 'adapter', 'raw');
  return readdirSync(raw, { recursive: true, encoding: 'utf8' })
    .map((file) => file.split('\\').join('/'))
    .filter((file) => file.endsWith('result.tsv'))
    .sort()
    .map((file) => {
      const matrix = parseReferenceResults(readFileSync(join(raw, file), 'utf8'), {
        file,
        targets: scores.tasks,
      });
      const name = file.replace(/\/?_?result\.tsv$/, '');
      const values = matrix.values.map((row) => row.map(([value]) => value ?? Number.NaN));
      const inOrder = matrix.targets.join() === scores.tasks.join();
      return {
        name: `import/${name}`,
        difference: inOrder ? matrixDifference(values, scores.matrix(name)) : Number.NaN,
        tolerance: 0,
      };
    });
}

/** Weight cosine and Euclidean distance from the checkpoints themselves. */
export async function checkWeightScores(folder: string): Promise<Comparison[]> {
  const { tasks } = goldenScores(folder);
  const golden = goldenWeights(folder);
  const cosines: number[][] = [];
  const distances: number[][] = [];
  for (const target of tasks) {
    const own = await readTensors(checkpoint(folder, 'adapter', 'tuned64', target));
    const [cosineRow, distanceRow]: [number[], number[]] = [[], []];
    for (const task of tasks) {
      const source = await readTensors(checkpoint(folder, 'adapter', 'source', task));
      const tuned = await readTensors(checkpoint(folder, 'adapter', 'tune_200', `${target}__${task}`));
      cosineRow.push(weightCosine(own, source, 'model').values[0] ?? Number.NaN);
      distanceRow.push(euclideanDistance(source, tuned));
    }
    cosines.push(cosineRow);
    distances.push(distanceRow);
  }
  return [
    {
      name: 'scores/weight-cosine',
      difference: matrixDifference(cosines, golden.cos_raw_mean_per_tensor_cosine_target_rows_source_columns),
      tolerance: SCORE_TOLERANCE,
    },
    {
      name: 'scores/euclidean',
      difference: matrixDifference(distances, golden.Euclidean_gap_sum_of_per_tensor_norms),
      tolerance: SCORE_TOLERANCE,
    },
  ];
}

export function checkAveragingWeights(folder: string): Comparison[] {
  return goldenChoices(folder).flatMap(({ name, weigh, expected }) => {
    if (expected === null) return [];
    const differences = Object.entries(expected).map(([target, weights]) => {
      const computed = weigh(target).weights;
      return Math.max(...weights.map((weight, j) => Math.abs(weight - (computed[j] ?? Number.NaN))));
    });
    return [{ name: `weights/${name}`, difference: largest(differences), tolerance: WEIGHT_TOLERANCE }];
  });
}

/** Every merged checkpoint there is, merged anew from files with weights of our own. */
export async function checkMerges(folder: string): Promise<Comparison[]> {
  const aside = await mkdtemp(join(tmpdir(), 'deltaloom-golden-'));
  try {
    const comparisons: Comparison[] = [];
    for (const { name, weigh, source } of goldenChoices(folder)) {
      const merged = join(folder, 'unit_model', name);
      if (!existsSync(merged)) continue;
      for (const file of readdirSync(merged).sort()) {
        const target = /^without_(.*)\.safetensors$/.exec(file)?.[1];
        if (target === undefined) continue;
        const { sources, weights } = weigh(target);
        const output = join(aside, 'merged.safetensors');
        await mergeCheckpoints(
          sources.map((task) => ({ task, file: source(target, task) })),
          wholePlan(weights),
          output,
          { loraRule: 'factors', precision: 'float32' },
        );
        comparisons.push({
          name: `merge/${name}/${target}`,
          difference: await fileDifference(output, join(merged, file)),
          tolerance: MERGE_TOLERANCE,
        });
      }
    }
    return comparisons;
  } finally {
    await rm(aside, { recursive: true });
  }
}

/** One way in which the reference chose weights: our weights of a target, its weights, and what it merged. */
interface GoldenChoice {
  /** Its folder in unit_model. */
  readonly name: string;
  readonly weigh: (target: string) => AveragingWeights;
  readonly expected: Weights | null;
  readonly source: (target: string, task: string) => string;
}

function goldenChoices(folder: string): GoldenChoice[] {
  const scores = goldenScores(folder);
  const golden = goldenWeights(folder);
  const untuned = (delta: string) => (_target: string, task: string) =>
    checkpoint(folder, delta, 'source', task);
  const byMatrix = (matrix: Matrix, method: ScoreMethod, temperature: number) => (target: string) =>
    averagingWeights(
      target,
      scores.tasks.map((task, j) => ({ task, value: matrix[scores.tasks.indexOf(target)]?.[j] ?? null })),
      {
        direction: weightDirection(method, 'reference'),
        precision: weightPrecision(method, 'reference'),
        temperature,
      },
    );
  const averages = ['adapter', 'lora', 'prefix'].map((delta) => ({
    name: `average_${delta}`,
    weigh: (target: string) => equalWeights(target, scores.tasks),
    expected: null,
    source: untuned(delta),
  }));
  const others = Object.entries(golden.others).flatMap(([name, { score, temperature, weights }]) => {
    // The reference itself fails on its GraNd_dev file: there is nothing to compare with.
    if (weights === undefined) return [];
    const method = METHOD_BY_SCORE[score.split('/')[0] ?? ''] ?? 'loss';
    const weigh = byMatrix(scores.matrix(score), method, temperature);
    return [{ name, weigh, expected: weights, source: untuned('adapter') }];
  });
  const byTemperature = (
    label: string,
    expected: Readonly<Record<string, Weights>>,
    matrix: Matrix,
    method: ScoreMethod,
    source: GoldenChoice['source'],
  ) =>
    Object.entries(expected).map(([temperature, weights]) => ({
      name: `${label}_tem${temperature}`,
      weigh: byMatrix(matrix, method, Number(temperature)),
      expected: weights,
      source,
    }));
  return [
    ...averages,
    ...others,
    ...byTemperature(
      'cos',
      golden.cos,
      golden.cos_raw_mean_per_tensor_cosine_target_rows_source_columns,
      'weight-cosine',
      untuned('adapter'),
    ),
    ...byTemperature(
      'Euclidean',
      golden.Euclidean,
      golden.Euclidean_gap_sum_of_per_tensor_norms,
      'euclidean',
      untuned('adapter'),
    ),
    ...byTemperature(
      'Performance',
      golden.Performance,
      performanceGains(folder, scores.tasks),
      'performance',
      (target, task) => checkpoint(folder, 'adapter', 'tune_200', `${target}__${task}`),
    ),
  ];
}

/** Dev metric after tuning on the target minus zero-shot, from the files that the reference wrote. */
function performanceGains(folder: string, tasks: readonly string[]): number[][] {
  const tuned = join(folder, 'checkpoints', 'adapter', 'tune_200');
  const before = parseZeroShotResults(readFileSync(join(tuned, 'zero_result_dev.tsv'), 'utf8'), tasks.length);
  return tasks.map((target, i) => {
    const { values } = parseReferenceResults(readFileSync(join(tuned, `${target}_result.tsv`), 'utf8'));
    return (values[0] ?? []).map(([dev], j) => (dev ?? Number.NaN) - (before[i]?.[j] ?? Number.NaN));
  });
}

/** The matrices of scores.json by the reference's names. */
export function goldenScores(folder: string, delta = 'adapter') {
  const scores = readJson(folder, 'scores', delta, 'scores.json') as Record<string, unknown>;
  const matrix = (name: string): Matrix => {
    const [score = '', part] = name.split('/');
    const found = part === undefined ? scores[score] : (scores[score] as Record<string, unknown>)[part];
    return found as Matrix;
  };
  return { tasks: scores['targets_rows'] as string[], names: Object.keys(scores), matrix, scores };
}

function goldenWeights(folder: string): GoldenWeights {
  return readJson(folder, 'unit_model', 'weights.json') as GoldenWeights;
}

export function checkpoint(folder: string, delta: string, kind: string, name: string): string {
  return join(folder, 'checkpoints', delta, kind, `${name}.safetensors`);
}

export function readJson(...path: string[]): unknown {
  return JSON.parse(readFileSync(join(...path), 'utf8'));
}

export function matrixDifference(computed: Matrix, expected: Matrix): number {
  if (computed.length !== expected.length) return Number.NaN;
  return largest(
    expected.flatMap((row, i) => row.map((value, j) => Math.abs(value - (computed[i]?.[j] ?? Number.NaN)))),
  );
}

async function fileDifference(file: string, expected: string): Promise<number> {
  const [own, theirs] = [await readTensors(file), await readTensors(expected)];
  if ([...own.keys()].sort().join() !== [...theirs.keys()].sort().join()) return Number.NaN;
  return largest(
    [...theirs].map(([name, { data }]) =>
      data.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (own.get(name)?.data[i] ?? Number.NaN))),
        0,
      ),
    ),
  );
}

/** Math.max, in which a NaN stays a NaN: a value that is missing must not pass. */
function largest(values: readonly number[]): number {
  return values.reduce((most, value) => (value > most || Number.isNaN(value) ? value : most), 0);
}
