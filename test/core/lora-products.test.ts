import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loraModules, mergeLoraByProducts, ProductSum } from '../../src/core/lora-products.js';
import { wholePlan } from '../../src/core/merging.js';
import type { DeltaTensors } from '../../src/core/tensor.js';
import { symmetricEigen, truncatedFactors } from '../../src/core/truncated-svd.js';

const [A, B] = [
  'encoder.block.0.layer.0.SelfAttention.q.lora_A',
  'encoder.block.0.layer.0.SelfAttention.q.lora_B',
];
const [INPUTS, RANK, OUTPUTS] = [7, 2, 5];

const entries = (count: number) =>
  fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: count, maxLength: count });
const lora = fc.tuple(entries(INPUTS * RANK), entries(RANK * OUTPUTS)).map(
  ([a, b]): DeltaTensors =>
    new Map([
      [A, { shape: [INPUTS, RANK], data: Float32Array.from(a) }],
      [B, { shape: [RANK, OUTPUTS], data: Float32Array.from(b) }],
    ]),
);

function product(tensors: DeltaTensors, rank = RANK): Float64Array {
  const [a, b] = [tensors.get(A)?.data ?? [], tensors.get(B)?.data ?? []];
  return Float64Array.from({ length: INPUTS * OUTPUTS }, (_, index) => {
    const [i, j] = [Math.floor(index / OUTPUTS), index % OUTPUTS];
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += (a[i * rank + k] ?? 0) * (b[k * OUTPUTS + j] ?? 0);
    return sum;
  });
}

function norm(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

describe('mergeLoraByProducts', () => {
  it('returns one source with weight 1, and k copies with weight 1/k, bit by bit', () => {
    fc.assert(
      fc.property(lora, lora, fc.integer({ min: 1, max: 9 }), (source, other, k) => {
        const alone = mergeLoraByProducts([source, other], wholePlan([1, 0]));
        expect([...alone.tensors]).toEqual([...source]);
        const copies = Array.from({ length: k }, () => source);
        const merged = mergeLoraByProducts(copies, wholePlan(copies.map(() => 1 / k)));
        expect([...merged.tensors]).toEqual([...source]);
        expect(merged.difference).toBeLessThan(1e-6);
      }),
    );
  });

  it('is the closest product of that rank: at least as close as the averaged factors', () => {
    fc.assert(
      fc.property(lora, lora, (x, y) => {
        const [p, q] = [product(x), product(y)];
        const exact = p.map((value, i) => (value + (q[i] ?? 0)) / 2);
        const { tensors } = mergeLoraByProducts([x, y], wholePlan([0.5, 0.5]));
        const averaged = new Map(
          [A, B].map((name) => [
            name,
            {
              shape: x.get(name)?.shape ?? [],
              data: (x.get(name)?.data ?? new Float32Array()).map(
                (value, i) => (value + (y.get(name)?.data[i] ?? 0)) / 2,
              ),
            },
          ]),
        );
        const error = norm(product(tensors).map((value, i) => value - (exact[i] ?? 0)));
        const other = norm(product(averaged).map((value, i) => value - (exact[i] ?? 0)));
        expect(error).toBeLessThanOrEqual(other * (1 + 1e-5) + 1e-5 * norm(exact) + 1e-30);
      }),
    );
  });

  it('finds the two rules different where factors cancel', () => {
    const one = new Map([
      [A, { shape: [1, 1], data: Float32Array.of(1) }],
      [B, { shape: [1, 1], data: Float32Array.of(1) }],
    ]);
    const negated = new Map(
      [...one].map(([name, { shape }]) => [name, { shape, data: Float32Array.of(-1) }]),
    );
    const { tensors, difference } = mergeLoraByProducts([one, negated], wholePlan([0.5, 0.5]));
    // (-1)(-1) = 1 * 1: both products are 1, yet the averaged factors are 0.
    expect(difference).toBe(1);
    expect((tensors.get(A)?.data[0] ?? 0) * (tensors.get(B)?.data[0] ?? 0)).toBeCloseTo(1, 6);
  });
});

describe('truncatedFactors', () => {
  it('restores a matrix of low rank', () => {
    const [rows, columns, rank] = [40, 30, 3];
    const u = Float64Array.from({ length: rows * rank }, (_, i) => Math.sin(i * 1.7));
    const v = Float64Array.from({ length: rank * columns }, (_, i) => Math.cos(i * 2.3));
    const matrix = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        for (let k = 0; k < rank; k++)
          matrix[i * columns + j] =
            (matrix[i * columns + j] ?? 0) + (u[i * rank + k] ?? 0) * (v[k * columns + j] ?? 0);
    const { a, b } = truncatedFactors(matrix, rows, columns, rank);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += (a[i * rank + k] ?? 0) * (b[k * columns + j] ?? 0);
        expect(sum).toBeCloseTo(matrix[i * columns + j] ?? 0, 5);
      }
  });

  it('keeps the largest singular values of a diagonal matrix', () => {
    const matrix = Float64Array.from({ length: 9 }, (_, i) => [5, 0, 0, 0, 3, 0, 0, 0, 1][i] ?? 0);
    const { a, b } = truncatedFactors(matrix, 3, 3, 2);
    const restored = [0, 1, 2].map(
      (i) => (a[i * 2] ?? 0) * (b[i] ?? 0) + (a[i * 2 + 1] ?? 0) * (b[3 + i] ?? 0),
    );
    [5, 3, 0].forEach((value, i) => expect(restored[i]).toBeCloseTo(value, 5));
  });

  it('gives zeros for a zero matrix', () => {
    const { a, b } = truncatedFactors(new Float64Array(12), 4, 3, 2);
    expect([...a, ...b].every((value) => value === 0)).toBe(true);
  });
});

it('solves symmetric eigenproblems', () => {
  const { values, vectors } = symmetricEigen([
    [2, 1],
    [1, 2],
  ]);
  expect(values[0]).toBeCloseTo(3, 12);
  expect(values[1]).toBeCloseTo(1, 12);
  expect(Math.abs(vectors[0]?.[0] ?? 0)).toBeCloseTo(Math.SQRT1_2, 12);
});

it('pairs the factors of a module', () => {
  expect(loraModules([A, B, 'encoder.x', 'lonely.lora_A'])).toEqual([{ a: A, b: B }]);
  const sum = new ProductSum(1, 1, 1);
  sum.add(Float32Array.of(2), Float32Array.of(3), 1);
  expect(sum.difference()).toEqual({ squaredDifference: 0, squaredNorm: 36 });
});
