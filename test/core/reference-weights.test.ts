import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { averagingWeights, weightDirection, weightPrecision } from '../../src/core/averaging-weights.js';
import type { ScoreMethod } from '../../src/core/methods.js';

interface GoldenScores extends Record<string, number[][] | Record<string, number[][]> | string[]> {
  targets_rows: string[];
}
interface GoldenWeights {
  others: Record<string, { score: string; temperature: number; weights?: Record<string, number[]> }>;
  cos: Record<string, Record<string, number[]>>;
  cos_raw_mean_per_tensor_cosine_target_rows_source_columns: number[][];
  Euclidean: Record<string, Record<string, number[]>>;
  Euclidean_gap_sum_of_per_tensor_norms: number[][];
}

const METHODS: Record<string, ScoreMethod> = {
  Loss: 'loss',
  KL: 'kl-divergence',
  EL2N: 'el2n',
  Cos: 'logits-label-cosine',
  block: 'hidden-cosine',
  GraNd_block: 'grand',
  GraNd_layer: 'grand',
};

const GOLDEN = new URL('../../../shared/golden/', import.meta.url);
const present = existsSync(GOLDEN);
function read(file: string): unknown {
  return JSON.parse(readFileSync(new URL(file, GOLDEN), 'utf8'));
}

describe.skipIf(!present)("the reference's averaging weights (skipped without ../shared/golden)", () => {
  const scores: GoldenScores = present
    ? (read('scores/adapter/scores.json') as GoldenScores)
    : { targets_rows: [] };
  const golden = present ? (read('unit_model/weights.json') as GoldenWeights) : null;
  const tasks = scores.targets_rows;

  function check(
    matrix: number[][],
    method: ScoreMethod,
    temperature: number,
    expected: Record<string, number[]>,
  ) {
    tasks.forEach((target, i) => {
      const row = tasks.map((task, j) => ({ task, value: matrix[i]?.[j] ?? null }));
      const { weights, sources } = averagingWeights(target, row, {
        direction: weightDirection(method, 'reference'),
        precision: weightPrecision(method, 'reference'),
        temperature,
      });
      expect(sources).toEqual(tasks.filter((task) => task !== target));
      weights.forEach((weight, j) =>
        expect(Math.abs(weight - (expected[target]?.[j] ?? 9))).toBeLessThan(1e-5),
      );
    });
  }

  it.each(Object.entries(golden?.others ?? {}).filter(([, { weights }]) => weights !== undefined))(
    '%s',
    (_, { score, temperature, weights }) => {
      const [name = '', part] = score.split('/');
      const entry = scores[name];
      const matrix = part === undefined ? entry : (entry as Record<string, number[][]>)[part];
      check(matrix as number[][], METHODS[name] ?? 'loss', temperature, weights ?? {});
    },
  );

  it.each(Object.entries(golden?.cos ?? {}))('weight cosine at %s', (temperature, weights) => {
    check(
      golden?.cos_raw_mean_per_tensor_cosine_target_rows_source_columns ?? [],
      'weight-cosine',
      Number(temperature),
      weights,
    );
  });

  it.each(Object.entries(golden?.Euclidean ?? {}))('Euclidean at %s', (temperature, weights) => {
    check(golden?.Euclidean_gap_sum_of_per_tensor_norms ?? [], 'euclidean', Number(temperature), weights);
  });
});
