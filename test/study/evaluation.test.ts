import { describe, expect, it } from 'vitest';
import type { Batch, Model } from '../../src/study/compute/contract.js';
import { meanLoss } from '../../src/study/evaluation.js';
import type { Examples } from '../../src/study/examples.js';
import { arithmeticModel } from './scoring/arithmetic-model.js';

/** Examples of one input token and so many label tokens, all of id `row`. */
function examplesWith(labels: readonly number[]): Examples {
  return {
    texts: labels.map((_, row) => ({ input: `${row}`, answers: ['x'] })),
    tokens: labels.map((length, row) => ({
      row,
      input: Int32Array.of(1),
      answers: [Int32Array.from({ length }, () => row)],
    })),
  };
}

describe('the mean loss', () => {
  it('is taken over batches whose tables of logits are bounded, whatever the answers', async () => {
    const { model: double } = arithmeticModel();
    const batches: Batch[] = [];
    const model: Model = {
      ...double,
      backbone: { ...double.backbone, vocabularySize: 32_128 },
      sweep: (delta, batch, teacher) => {
        batches.push(batch);
        return double.sweep(delta, batch, teacher);
      },
    };
    const labels = Array.from({ length: 200 }, (_, row) => (row % 50 === 0 ? 60 : 2));
    const loss = await meanLoss(model, null, examplesWith(labels), {
      compatibility: 'default',
      signal: new AbortController().signal,
    });
    const total = labels.reduce((sum, length) => sum + length, 0);
    const expected = labels.reduce((sum, length, row) => sum + length * row, 0) / total;
    expect(loss).toBeCloseTo(expected, 4);
    expect(batches.reduce((sum, { size }) => sum + size, 0)).toBe(labels.length);
    for (const { size, targetLength } of batches) {
      expect(4 * size * targetLength * 32_128).toBeLessThanOrEqual(64 * 2 ** 20);
    }
    // Not one by one either.
    expect(batches.length).toBeLessThan(8);
  });
});
