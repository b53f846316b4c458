import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  carryToRows,
  gatedGelu,
  geluNew,
  logSumExp,
  lookUp,
  rmsNormalise,
  softmax,
} from '../../src/model/differentiable-operations.js';
import { Random } from '../../src/model/random.js';

beforeAll(() => tf.setBackend('cpu'));

function normal(seed: number, ...shape: number[]): Tensor {
  const random = new Random(seed);
  return tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * random.normal()),
    shape,
  );
}

/** Value and gradient of two forms of one function, under an arbitrary upstream gradient. */
function expectSame(byHand: (x: Tensor) => Tensor, composed: (x: Tensor) => Tensor, x: Tensor): void {
  const value = byHand(x);
  const dy = normal(99, ...value.shape);
  const [first, second] = [byHand, composed].map((form) => tf.grad(form)(x, dy));
  expectClose(value, composed(x));
  if (first === undefined || second === undefined) throw new Error('No gradient.');
  expectClose(first, second);
}

function expectClose(a: Tensor, b: Tensor): void {
  expect(a.shape).toEqual(b.shape);
  const [left, right] = [a.dataSync(), b.dataSync()];
  left.forEach((value, i) => expect(value).toBeCloseTo(right[i] ?? Number.NaN, 4));
}

describe('hand-written gradients equal the composed ones', () => {
  it('RMS norm', () => {
    expectSame(
      (x) => rmsNormalise(x, 1e-6),
      (x) => tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6))),
      normal(1, 5, 7),
    );
  });

  it('gelu_new', () => {
    expectSame(
      geluNew,
      (x) =>
        tf.mul(
          tf.mul(x, 0.5),
          tf.add(1, tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.pow(x, 3)))))),
        ),
      normal(2, 6, 9),
    );
  });

  it('gated gelu, in both operands', () => {
    const gate = normal(3, 6, 9);
    const x = normal(4, 6, 9);
    expectSame(
      (y) => gatedGelu(y, gate),
      (y) => tf.mul(geluNew(y), gate),
      x,
    );
    expectSame(
      (y) => gatedGelu(x, y),
      (y) => tf.mul(geluNew(x), y),
      gate,
    );
  });

  it('gelu far from zero', () => {
    const x = tf.tensor([-60, -12, -5, 5, 12, 60]);
    const slope = tf.grad(geluNew)(x, tf.onesLike(x));
    expectClose(slope, tf.tensor([0, 0, -0.0000023, 1.0000023, 1, 1]));
  });

  it('carrying to the rows of a batch', () => {
    const ones = tf.ones([5, 1, 1]);
    expectSame(
      (x) => carryToRows(x, ones),
      (x) => tf.mul(x, ones),
      normal(8, 1, 3, 4),
    );
  });

  it('softmax', () => {
    expectSame(softmax, (x) => tf.softmax(x), normal(3, 2, 3, 4, 5));
  });

  it('log-sum-exp, also of large numbers', () => {
    expectSame(logSumExp, (x) => tf.logSumExp(x, -1, true), tf.mul(normal(4, 4, 11), 40));
  });

  it('looking up rows, with an id that occurs twice and one that never does', () => {
    const ids = tf.tensor([3, 0, 3, 1], [4], 'int32');
    expectSame(
      (table) => lookUp(table, ids, true),
      (table) => tf.gather(table, ids),
      normal(5, 5, 3),
    );
  });
});
