import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { DROPOUT_MODULUS, Dropout, drawDropoutKeys } from '../../src/model/dropout.js';
import { Random } from '../../src/model/random.js';

beforeAll(() => tf.setBackend('cpu'));

const [BATCH, SOURCE, TARGET, WIDTH, HEADS] = [4, 40, 12, 96, 6];

function dropout(seed: number, rate: number): Dropout {
  const random = new Random(seed);
  const draw = (...shape: number[]) =>
    tf.tensor(
      drawDropoutKeys(
        random,
        shape.reduce((a, b) => a * b, 1),
      ),
      shape,
    );
  return new Dropout(
    {
      sourceRows: draw(BATCH, SOURCE),
      targetRows: draw(BATCH, TARGET),
      sourceColumns: draw(SOURCE),
      targetColumns: draw(TARGET),
    },
    rate,
  );
}

/** 1 where dropped. */
function rowsMask(drop: Dropout): number[] {
  const kept = drop.onRows(tf.ones([BATCH * SOURCE, WIDTH]), drop.keys.sourceRows).dataSync();
  return Array.from(kept, (value) => (value === 0 ? 1 : 0));
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

describe('dropout', () => {
  it('drops the share asked for and scales the rest to keep the mean', () => {
    for (const rate of [0.1, 0.3]) {
      const drop = dropout(1, rate);
      expect(mean(rowsMask(drop))).toBeCloseTo(rate, 1.5);
      const weights = drop.onAttention(
        tf.ones([BATCH, HEADS, SOURCE, SOURCE + 3]),
        drop.keys.sourceRows,
        drop.keys.sourceColumns,
        3,
      );
      const values = [...weights.dataSync()];
      expect(mean(values.map((value) => (value === 0 ? 1 : 0)))).toBeCloseTo(rate, 1.5);
      const scale = DROPOUT_MODULUS / (DROPOUT_MODULUS - Math.round(rate * DROPOUT_MODULUS));
      expect(Math.max(...values)).toBeCloseTo(scale, 5);
    }
  });

  it('repeats itself from a seed, and differs between seeds and between places', () => {
    const [first, again, other] = [dropout(1, 0.2), dropout(1, 0.2), dropout(2, 0.2)];
    const mask = rowsMask(first);
    expect(rowsMask(again)).toEqual(mask);
    expect(overlap(mask, rowsMask(other))).toBeCloseTo(0.04, 1.5);
    expect(overlap(mask, rowsMask(first))).toBeCloseTo(0.04, 1.5);
  });

  it('drops rows and columns independently of one another', () => {
    const mask = rowsMask(dropout(3, 0.2));
    const at = (row: number, column: number) => mask[row * WIDTH + column] ?? 0;
    const pairs = { columns: [] as number[], rows: [] as number[] };
    for (let a = 0; a < WIDTH; a++) {
      for (let b = a + 1; b < WIDTH; b++) {
        let both = 0;
        for (let row = 0; row < BATCH * SOURCE; row++) both += at(row, a) * at(row, b);
        pairs.columns.push(both / (BATCH * SOURCE));
      }
    }
    for (let a = 0; a < BATCH * SOURCE; a++) {
      for (let b = a + 1; b < BATCH * SOURCE; b++) {
        let both = 0;
        for (let column = 0; column < WIDTH; column++) both += at(a, column) * at(b, column);
        pairs.rows.push(both / WIDTH);
      }
    }
    for (const shares of [pairs.columns, pairs.rows]) {
      expect(mean(shares)).toBeCloseTo(0.04, 2);
      // Two columns, or two rows, that shared a mask would drop together a fifth of the time.
      expect(shares.filter((share) => share > 0.14).length / shares.length).toBeLessThan(0.01);
    }
  });
});

function overlap(a: readonly number[], b: readonly number[]): number {
  return mean(a.map((value, i) => value * (b[i] ?? 0)));
}
