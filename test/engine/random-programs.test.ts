import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { Engine, Program } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { geluNew, logSumExp, rmsNormalise, softmax } from '../../src/model/differentiable-operations.js';
import { expectEqual, floats } from './comparison.js';

const WIDTH = 4;

/**
 * The model's pieces, each from [batch, source, WIDTH] to the same shape; `w` is [WIDTH, WIDTH]. Choices depend on `given`, the
 * input, as comparisons have no gradient.
 */
const PIECES: Readonly<Record<string, (x: tf.Tensor, w: tf.Tensor, given: tf.Tensor) => tf.Tensor>> = {
  norm: (x) => rmsNormalise(x, 1e-6),
  gelu: (x) => geluNew(x),
  silu: (x) => tf.mul(x, tf.sigmoid(x)),
  project: (x, w) => {
    const [batch = 0, source = 0] = x.shape;
    return tf.reshape(tf.matMul(tf.reshape(x, [batch * source, WIDTH]), w, false, true), x.shape);
  },
  adapter: (x, w) => tf.add(x, tf.matMul(tf.relu(tf.matMul(x, w)), w, false, true)),
  attention: (x, w) => {
    const [batch = 0, source = 0] = x.shape;
    const heads = (y: tf.Tensor): tf.Tensor =>
      tf.transpose(tf.reshape(y, [batch, source, 2, WIDTH / 2]), [0, 2, 1, 3]);
    const [q, k] = [heads(tf.matMul(x, w)), heads(x)];
    const bias = tf.reshape(tf.mul(tf.range(0, source, 1, 'float32'), -0.5), [1, 1, 1, source]);
    const mixed = tf.matMul(softmax(tf.add(tf.matMul(q, k, false, true), bias)), k);
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), x.shape);
  },
  loss: (x) => tf.sub(x, logSumExp(x)),
  shift: (x) => {
    const [batch = 0, source = 0] = x.shape;
    const first = tf.zerosLike(tf.slice(x, [0, 0, 0], [-1, 1, -1]));
    return tf.concat([first, tf.slice(x, [0, 0, 0], [batch, source - 1, -1])], 1);
  },
  prefix: (x, w) => {
    const [batch = 0] = x.shape;
    const rows = tf.mul(tf.reshape(w, [1, WIDTH, WIDTH]), tf.ones([batch, 1, 1]));
    const joined = tf.concat([rows, x], 1);
    return tf.mul(x, tf.mean(joined, 1, true));
  },
  mask: (x, _, given) => tf.where(tf.greater(given, 0.3), x, tf.mul(x, 0.1)),
  lookup: (x, w, given) => {
    const ids = tf.argMax(given, -1);
    return tf.add(x, tf.matMul(tf.cast(tf.oneHot(tf.cast(ids, 'int32'), WIDTH), 'float32'), w));
  },
};

function programOf(pieces: readonly string[]): Program<'x' | 'w', 'value' | 'gradient'> {
  return {
    name: pieces.join('-'),
    inputs: {
      x: { dtype: 'float32', shape: ['batch', 'source', WIDTH] },
      w: { dtype: 'float32', shape: [WIDTH, WIDTH] },
    },
    outputs: ['value', 'gradient'],
    compute: ({ x, w }) => {
      const run = (weight: tf.Tensor): tf.Tensor =>
        pieces.reduce((value, piece) => PIECES[piece]?.(value, weight, x) ?? value, x);
      const loss = (weight: tf.Tensor): tf.Scalar =>
        tf.add(tf.mean(tf.square(run(weight))), tf.mul(tf.sum(weight), 0.01)).asScalar();
      return { value: run(w), gradient: tf.grad(loss)(w) };
    },
  };
}

describe('random programs of the model’s pieces', () => {
  let compiled: Engine;
  let eager: Engine;
  beforeAll(async () => {
    compiled = await openEngine({ device: 'cpu', threads: 1 });
    eager = await openEngine({ device: 'reference' });
  });
  afterAll(async () => {
    await compiled.dispose();
    await eager.dispose();
  });

  it('compute the same compiled and eagerly, at several sizes with one compilation', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...Object.keys(PIECES)), { minLength: 1, maxLength: 5 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 2, max: 9 })), {
          minLength: 1,
          maxLength: 3,
        }),
        async (pieces, sizes) => {
          const runs = sizes.map(([batch, source], index) => ({
            x: floats([batch, source, WIDTH], index + 1),
            w: floats([WIDTH, WIDTH], 5),
          }));
          await expectEqual(compiled, eager, programOf(pieces), runs, 2e-5);
        },
      ),
      { numRuns: process.env['DELTALOOM_LONG_TESTS'] === undefined ? 25 : 500 },
    );
  });
});
