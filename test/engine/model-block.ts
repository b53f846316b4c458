import * as tf from '@tensorflow/tfjs';
import type { HostTensor, Program } from '../../src/engine/contract.js';
import { geluNew, logSumExp, rmsNormalise, softmax } from '../../src/model/differentiable-operations.js';
import { floats, ints } from './comparison.js';

type Input = 'ids' | 'table' | 'w';

/** The pieces of a block of the model, and the gradient through them. */
export const MODEL_BLOCK: Program<Input, 'loss' | 'gradient' | 'best'> = {
  name: 'model block',
  inputs: {
    ids: { dtype: 'int32', shape: ['batch', 'source'] },
    table: { dtype: 'float32', shape: [11, 8] },
    w: { dtype: 'float32', shape: [8, 8] },
  },
  outputs: ['loss', 'gradient', 'best'],
  compute: ({ ids, table, w }) => {
    const [batch = 0, source = 0] = ids.shape;
    const hidden = tf.gather(table, tf.reshape(tf.cast(ids, 'int32'), [batch * source]));
    const logits = (weight: tf.Tensor): tf.Tensor => {
      const x = geluNew(tf.matMul(rmsNormalise(hidden, 1e-6), weight, false, true));
      const rows = tf.reshape(x, [batch, source, 8]);
      const mixed = tf.matMul(softmax(tf.matMul(rows, rows, false, true)), rows);
      return tf.matMul(tf.reshape(mixed, [batch * source, 8]), table, false, true);
    };
    const loss = (weight: tf.Tensor): tf.Scalar => tf.mean(logSumExp(logits(weight))).asScalar();
    const { value, grad } = tf.valueAndGrad(loss)(w);
    return { loss: value, gradient: grad, best: tf.argMax(logits(w), -1) };
  },
};

/** Inputs of two lengths. */
export const BLOCK_RUNS: readonly Record<Input, HostTensor>[] = [
  { ids: ints([2, 3], 11), table: floats([11, 8]), w: floats([8, 8], 2) },
  { ids: ints([1, 5], 11), table: floats([11, 8]), w: floats([8, 8], 2) },
];
