import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Program } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { geluNew, rmsNormalise, softmax } from '../../src/model/differentiable-operations.js';
import { floats } from './comparison.js';

/** Large enough that every operation is split over the threads. */
const program: Program<'x' | 'w', 'loss' | 'gradient'> = {
  name: 'deterministic',
  inputs: { x: { dtype: 'float32', shape: ['rows', 192] }, w: { dtype: 'float32', shape: [192, 192] } },
  outputs: ['loss', 'gradient'],
  compute: ({ x, w }) => {
    const loss = (weight: tf.Tensor): tf.Scalar => {
      const hidden = geluNew(tf.matMul(rmsNormalise(x, 1e-6), weight, false, true));
      const attended = tf.matMul(softmax(tf.matMul(hidden, hidden, false, true)), hidden);
      return tf.mean(tf.square(tf.matMul(attended, weight))).asScalar();
    };
    const { value, grad } = tf.valueAndGrad(loss)(w);
    return { loss: value, gradient: grad };
  },
};

async function bytesOf(threads: number): Promise<string[]> {
  const engine = await openEngine({ device: 'cpu', threads });
  const executable = await engine.compile(program, new Map());
  const runs: string[] = [];
  for (let run = 0; run < 3; run++) {
    const outputs = await executable.run({ x: floats([256, 192]), w: floats([192, 192], 2) });
    const parts = [await outputs.loss.data(), await outputs.gradient.data()];
    runs.push(
      parts.map((data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')).join(),
    );
  }
  await engine.dispose();
  return runs;
}

describe('the cpu device', () => {
  it('gives the same bytes from run to run and with any number of threads', async () => {
    const [one, two] = [await bytesOf(1), await bytesOf(2)];
    expect(new Set([...one, ...two]).size).toBe(1);
  });
});
