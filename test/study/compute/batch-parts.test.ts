import { describe, expect, it } from 'vitest';
import { cutBatch, type Fits } from '../../../src/study/compute/batch-parts.js';
import { padBatch } from '../../../src/study/compute/padding.js';

const LENGTHS = [
  [9, 2],
  [3, 4],
  [9, 1],
  [5, 4],
  [1, 1],
];
const batch = padBatch(
  LENGTHS.map(([input = 0, label = 0], index) => ({
    row: 10 + index,
    input: Int32Array.from({ length: input }, (_, column) => 100 * index + column + 1),
    label: Int32Array.from({ length: label }, (_, column) => 1000 * index + column + 1),
  })),
);
const atMost =
  (tokens: number): Fits =>
  (rows, source) =>
    rows * source <= tokens;

describe('a batch', () => {
  it('that fits stays as it is', () => {
    const [part, ...others] = cutBatch(batch, atMost(1000));
    expect(others).toEqual([]);
    expect(part?.batch).toBe(batch);
    expect(part?.places).toEqual([0, 1, 2, 3, 4]);
  });

  it('is cut evenly: few rows multiply slowly', () => {
    const even = padBatch(
      Array.from({ length: 8 }, (_, row) => ({
        row,
        input: Int32Array.from({ length: 4 }, () => 5),
        label: Int32Array.of(1),
      })),
    );
    const sizes = (rows: number) => cutBatch(even, atMost(4 * rows)).map(({ batch: part }) => part.size);
    expect(sizes(7)).toEqual([4, 4]);
    expect(sizes(4)).toEqual([4, 4]);
    expect(sizes(3)).toEqual([3, 3, 2]);
    expect(sizes(1)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('is cut into parts that fit, every row once, padded no wider than the part needs', () => {
    const parts = cutBatch(batch, atMost(18));
    expect(parts.map(({ places }) => places)).toEqual([
      [0, 2],
      [3, 1, 4],
    ]);
    expect(parts.map((part) => [part.batch.sourceLength, part.batch.targetLength])).toEqual([
      [9, 2],
      [5, 4],
    ]);
    for (const { batch: part, places } of parts) {
      expect(part.size * part.sourceLength).toBeLessThanOrEqual(18);
      places.forEach((place, index) => {
        const [input = 0, label = 0] = LENGTHS[place] ?? [];
        const row = (data: Int32Array | Float32Array, width: number): number[] => [
          ...data.subarray(index * width, (index + 1) * width),
        ];
        expect(part.rows[index]).toBe(10 + place);
        expect(row(part.inputIds, part.sourceLength)).toEqual(
          Array.from({ length: part.sourceLength }, (_, column) =>
            column < input ? 100 * place + column + 1 : 0,
          ),
        );
        expect(row(part.inputMask, part.sourceLength).reduce((a, b) => a + b, 0)).toBe(input);
        expect(row(part.labels, part.targetLength)).toEqual(
          Array.from({ length: part.targetLength }, (_, column) =>
            column < label ? 1000 * place + column + 1 : -100,
          ),
        );
      });
    }
  });

  it('keeps a row that does not fit alone', () => {
    expect(cutBatch(batch, atMost(4)).map(({ places }) => places)).toEqual([[0], [2], [3], [1], [4]]);
  });
});
