import * as tf from '@tensorflow/tfjs';
import { performance } from 'node:perf_hooks';
import type { Engine, HostTensor } from './contract.js';

/** Rows and columns of the product that devices are compared by: a fraction of a training step's work. */
const SIZE = 512;

/**
 * Seconds that a device takes for a chain of matrix products, the second time: enough to tell a GPU from a GPU that is
 * emulated on the cpu.
 */
export async function productSeconds(engine: Engine): Promise<number> {
  const executable = await engine.compile(
    {
      name: 'device-speed',
      inputs: { x: { dtype: 'float32', shape: [SIZE, SIZE] } },
      outputs: ['sum'],
      compute: ({ x }) => ({ sum: tf.sum(tf.matMul(tf.matMul(x, x), x)) }),
    },
    new Map(),
  );
  const x: HostTensor = {
    dtype: 'float32',
    shape: [SIZE, SIZE],
    data: new Float32Array(SIZE * SIZE).fill(0.01),
  };
  let seconds = Infinity;
  for (let run = 0; run < 2; run++) {
    const start = performance.now();
    const { sum } = await executable.run({ x });
    await sum.data();
    sum.dispose();
    seconds = (performance.now() - start) / 1000;
  }
  await executable.dispose();
  return seconds;
}
