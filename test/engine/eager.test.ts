import * as tf from '@tensorflow/tfjs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FrozenTensors, Program } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';

const project: Program<'x', 'y'> = {
  name: 'project',
  inputs: { x: { dtype: 'float32', shape: ['batch', 2] } },
  outputs: ['y'],
  compute: ({ x }, frozen) => ({ y: tf.matMul(x, frozen('w')) }),
};

async function weights(): Promise<FrozenTensors> {
  const file = path.join(await mkdtemp(path.join(os.tmpdir(), 'deltaloom-eager-')), 'weights.bin');
  await writeFile(
    file,
    Buffer.concat([Buffer.from('abc'), Buffer.from(new Float32Array([1, 2, 3, 4]).buffer)]),
  );
  return new Map([['w', { name: 'w', shape: [2, 2], file, byteOffset: 3, byteLength: 16 }]]);
}

describe('the eager device', () => {
  it('computes with a frozen weight at an odd byte offset and any batch size', async () => {
    const engine = await openEngine({ device: 'reference' });
    const executable = await engine.compile(project, await weights());
    for (const batch of [1, 3]) {
      const { y } = await executable.run({
        x: { dtype: 'float32', shape: [batch, 2], data: new Float32Array(batch * 2).fill(1) },
      });
      expect(y.shape).toEqual([batch, 2]);
      expect([...(await y.data())].slice(0, 2)).toEqual([4, 6]);
      y.dispose();
    }
    await engine.dispose();
  });

  it('names the input whose shape does not fit', async () => {
    const engine = await openEngine({ device: 'reference' });
    const executable = await engine.compile(project, await weights());
    await expect(
      executable.run({ x: { dtype: 'float32', shape: [1, 3], data: new Float32Array(3) } }),
    ).rejects.toThrow("input 'x' has shape [1, 3], expected [batch, 2]");
    await engine.dispose();
  });
});
