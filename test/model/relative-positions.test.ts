import { describe, expect, it } from 'vitest';
import { bucketMatrix, relativeBucket } from '../../src/model/relative-positions.js';

const T5 = { relativeBuckets: 32, relativeMaxDistance: 128 };

describe('relative position buckets', () => {
  // Values of transformers' T5Attention._relative_position_bucket.
  it.each([
    [0, 0],
    [-1, 1],
    [1, 17],
    [-7, 7],
    [-8, 8],
    [-11, 8],
    [-12, 9],
    [16, 26],
    [-64, 14],
    [127, 31],
    [-128, 15],
    [5000, 31],
  ])('bidirectional %i -> %i', (distance, bucket) => {
    expect(relativeBucket(distance, T5, true)).toBe(bucket);
  });

  it.each([
    [0, 0],
    [-15, 15],
    [-16, 16],
    [-19, 17],
    [-64, 26],
    [-127, 31],
    [-4000, 31],
    [3, 0],
  ])('causal %i -> %i', (distance, bucket) => {
    expect(relativeBucket(distance, T5, false)).toBe(bucket);
  });

  it('grow with the distance and never leave the table', () => {
    for (const bidirectional of [true, false]) {
      let previous = 0;
      for (let gap = 0; gap < 600; gap++) {
        const bucket = relativeBucket(-gap, T5, bidirectional);
        expect(bucket).toBeGreaterThanOrEqual(previous);
        expect(bucket).toBeLessThan(bidirectional ? 16 : 32);
        previous = bucket;
      }
    }
  });

  it('hide later keys behind the last row of the table, and place a prefix before the tokens', () => {
    expect([...bucketMatrix(T5, 'causal', { queries: 2, keys: 3 })]).toEqual([0, 32, 32, 1, 0, 32]);
    expect([...bucketMatrix(T5, 'causal', { queries: 2, keys: 2, firstQuery: 2 })]).toEqual([2, 1, 3, 2]);
  });
});
