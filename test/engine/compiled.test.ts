import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, HostTensor, Program } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';

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

function floats(shape: number[], seed = 1): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: size }, (_, index) => Math.sin(index * 1.7 + seed));
  return { dtype: 'float32', shape, data };
}

function ints(shape: number[], below: number): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return {
    dtype: 'int32',
    shape,
    data: Int32Array.from({ length: size }, (_, index) => (index * 7 + 3) % below),
  };
}

/** Compiles once, runs with every set of inputs, and compares with the eager oracle. */
async function expectEqual<I extends string, O extends string>(
  program: Program<I, O>,
  runs: Record<I, HostTensor>[],
  tolerance = 1e-5,
): Promise<void> {
  const one = await compiled.compile(program, new Map());
  const two = await eager.compile(program, new Map());
  for (const inputs of runs) {
    const got = await one.run(inputs);
    const wanted = await two.run(inputs);
    for (const name of program.outputs) {
      expect(got[name].shape, name).toEqual(wanted[name].shape);
      expect(got[name].dtype, name).toEqual(wanted[name].dtype);
      const [a, b] = [await got[name].data(), await wanted[name].data()];
      b.forEach((value, index) =>
        expect(Math.abs((a[index] ?? NaN) - value), `${name}[${index}]`).toBeLessThanOrEqual(
          tolerance * Math.max(1, Math.abs(value)),
        ),
      );
    }
  }
  await one.dispose();
  await two.dispose();
}

describe('a compiled program equals the eager one', () => {
  it('with symbolic sizes in reshapes, means, ranges and concatenations', async () => {
    await expectEqual(
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
