import * as tf from '@tensorflow/tfjs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { expectEqual, floats, ints } from './comparison.js';

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

describe('a compiled program equals the eager one', () => {
  it('with symbolic sizes in reshapes, means, ranges and concatenations', async () => {
    await expectEqual(
      compiled,
      eager,
      {
        name: 'sizes',
        inputs: {
          x: { dtype: 'float32', shape: ['batch', 'source', 4] },
          past: { dtype: 'float32', shape: ['batch', 'past', 4] },
        },
        outputs: ['flat', 'mean', 'joined', 'positions', 'spread'],
        compute: ({ x, past }) => {
          const [batch, source] = x.shape as [number, number];
          const flat = tf.reshape(x, [batch * source, 4]);
          return {
            flat: tf.reshape(tf.mul(flat, 2), [batch, source, 2, 2]),
            mean: tf.mean(x),
            joined: tf.sum(tf.concat([past, x], 1), 1),
            positions: tf.sub(
              tf.expandDims(tf.range(0, source, 1, 'int32'), 0),
              tf.expandDims(tf.range(0, (past.shape[1] ?? 0) + 1, 1, 'int32'), 1),
            ),
            spread: tf.add(tf.fill([batch, source], 3), tf.sum(x, -1)),
          };
        },
      },
      [
        { x: floats([2, 3, 4]), past: floats([2, 5, 4]) },
        { x: floats([1, 7, 4]), past: floats([1, 1, 4]) },
      ],
    );
  });

  it('in gradients of an attention-like block with layer norm and lookup', async () => {
    await expectEqual(
      compiled,
      eager,
      {
        name: 'gradients',
        inputs: {
          ids: { dtype: 'int32', shape: ['batch', 'source'] },
          table: { dtype: 'float32', shape: [11, 6] },
          weight: { dtype: 'float32', shape: [6, 6] },
        },
        outputs: ['loss', 'table', 'weight'],
        compute: ({ ids, table, weight }) => {
          const loss = (lookup: tf.Tensor, w: tf.Tensor): tf.Scalar => {
            const [batch, source] = ids.shape as [number, number];
            const x = tf.gather(lookup, ids.as2D(batch, source));
            const normal = tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6)));
            const projected = tf.reshape(tf.matMul(tf.reshape(normal, [-1, 6]), w as tf.Tensor2D), [
              batch,
              source,
              6,
            ]);
            const scores = tf.softmax(tf.matMul(projected, normal, false, true));
            const mixed = tf.matMul(scores, projected);
            return tf.mean(tf.logSoftmax(mixed)).asScalar();
          };
          const { value, grads } = tf.valueAndGrads(loss)([table, weight]);
          return { loss: value, table: grads[0] as tf.Tensor, weight: grads[1] as tf.Tensor };
        },
      },
      [
        { ids: ints([2, 3], 11), table: floats([11, 6]), weight: floats([6, 6], 2) },
        { ids: ints([3, 5], 11), table: floats([11, 6]), weight: floats([6, 6], 2) },
      ],
    );
  });

  it('in selections, comparisons and integer arithmetic', async () => {
    await expectEqual(
      compiled,
      eager,
      {
        name: 'selections',
        inputs: {
          ids: { dtype: 'int32', shape: ['batch', 'source'] },
          x: { dtype: 'float32', shape: ['batch', 'source'] },
        },
        outputs: ['where', 'mask', 'argmax', 'mod', 'hot', 'sliced'],
        compute: ({ ids, x }) => ({
          where: tf.where(tf.notEqual(ids, 3), x, tf.zerosLike(x)),
          mask: tf.logicalAnd(tf.greater(x, 0), tf.lessEqual(ids, 5)),
          argmax: tf.argMax(x, -1),
          mod: tf.mod(tf.mul(tf.cast(ids, 'float32'), 37), 11),
          hot: tf.oneHot(ids.flatten().toInt().as1D(), 13),
          sliced: tf.slice(x, [0, 1], [-1, (x.shape[1] ?? 0) - 1]),
        }),
      },
      [
        { ids: ints([2, 3], 11), x: floats([2, 3]) },
        { ids: ints([1, 6], 11), x: floats([1, 6]) },
      ],
    );
  });

  it('in operations that only some programs use', async () => {
    await expectEqual(
      compiled,
      eager,
      {
        name: 'rarely used',
        inputs: {
          x: { dtype: 'float32', shape: ['batch', 'source', 4] },
          ids: { dtype: 'int32', shape: ['batch', 'source'] },
          w: { dtype: 'float32', shape: [5, 4] },
        },
        outputs: [
          'floorDiv',
          'mod',
          'reversed',
          'top',
          'where',
          'picked',
          'rows',
          'finite',
          'leaky',
          'product',
          'cumulative',
          'variance',
        ],
        compute: ({ x, ids, w }) => ({
          floorDiv: tf.floorDiv(tf.sub(ids, tf.scalar(5, 'int32')), tf.scalar(3, 'int32')),
          mod: tf.mod(tf.mul(x, 9), 4),
          reversed: tf.reverse(x, [1, 2]),
          top: tf.topk(x, 2).indices,
          where: tf.where(tf.greater(tf.sum(x, 2), 0), ids, tf.neg(ids)),
          picked: tf.gather(x, tf.cast(tf.mod(ids, 4), 'int32'), 2, 0),
          rows: tf.gatherND(w, tf.expandDims(tf.reshape(tf.cast(tf.mod(ids, 5), 'int32'), [-1]), 1)),
          finite: tf.isFinite(tf.div(x, tf.relu(x))),
          leaky: tf.leakyRelu(x, 0.1),
          product: tf.matMul(x, w, false, true),
          cumulative: tf.cumsum(x, 1, true),
          variance: tf.moments(x, -1).variance,
        }),
      },
      [
        { x: floats([2, 3, 4]), ids: ints([2, 3], 11), w: floats([5, 4]) },
        { x: floats([1, 6, 4]), ids: ints([1, 6], 11), w: floats([5, 4]) },
      ],
    );
  });

  it('in gradients through broadcasting products, tiles, means and paddings', async () => {
    await expectEqual(
      compiled,
      eager,
      {
        name: 'broadcast gradients',
        inputs: {
          x: { dtype: 'float32', shape: ['batch', 'source', 4] },
          w: { dtype: 'float32', shape: [4, 4] },
          bias: { dtype: 'float32', shape: [1, 1, 4] },
        },
        outputs: ['x', 'w', 'bias'],
        compute: ({ x, w, bias }) => {
          const [batch = 0, source = 0] = x.shape;
          const loss = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor): tf.Scalar => {
            const spread = tf.broadcastTo(c, [batch, source, 4]);
            const product = tf.add(tf.matMul(a, b), tf.matMul(tf.mul(spread, a), b, false, true));
            const parts = tf.split(product, 2, 2);
            const joined = tf.concat([...parts, tf.slice(a, [0, 0, 1], [-1, -1, 2])], 2);
            return tf.add(tf.mean(tf.square(joined)), tf.max(tf.mean(joined, 1))).asScalar();
          };
          const [a, b, c] = tf.grads(loss)([x, w, bias]);
          return { x: a as tf.Tensor, w: b as tf.Tensor, bias: c as tf.Tensor };
        },
      },
      [
        { x: floats([2, 3, 4]), w: floats([4, 4], 3), bias: floats([1, 1, 4], 5) },
        { x: floats([1, 5, 4]), w: floats([4, 4], 3), bias: floats([1, 1, 4], 5) },
      ],
    );
  });

  it('says which weight a file is too short for', async () => {
    const file = path.join(await mkdtemp(path.join(os.tmpdir(), 'deltaloom-compiled-')), 'weights.bin');
    await writeFile(file, Buffer.alloc(12));
    await expect(
      compiled.compile(
        {
          name: 'short',
          inputs: { x: { dtype: 'float32', shape: [2, 2] } },
          outputs: ['y'],
          compute: ({ x }, frozen) => ({ y: tf.matMul(x, frozen('w')) }),
        },
        new Map([['w', { name: 'w', shape: [2, 2], file, byteOffset: 0, byteLength: 16 }]]),
      ),
    ).rejects.toThrow("ends inside the weight 'w'");
  });

  it('says which kernel it does not know', async () => {
    await expect(
      compiled.compile(
        {
          name: 'fft',
          inputs: { x: { dtype: 'float32', shape: [4] } },
          outputs: ['y'],
          compute: ({ x }) => ({ y: tf.atan(x) }),
        },
        new Map(),
      ),
    ).rejects.toThrow('uses the TensorFlow.js kernel Atan');
  });

  it('refuses a program whose way depends on a size', async () => {
    await expect(
      compiled.compile(
        {
          name: 'leaky',
          inputs: { x: { dtype: 'float32', shape: ['batch'] } },
          outputs: ['y'],
          compute: ({ x }) => ({ y: tf.add(tf.sum(x), Math.sqrt(x.size)) }),
        },
        new Map(),
      ),
    ).rejects.toThrow('follow no size');
  });
});
