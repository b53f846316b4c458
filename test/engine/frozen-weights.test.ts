import * as tf from '@tensorflow/tfjs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';
import type { FrozenTensors, Program } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { geluNew } from '../../src/model/differentiable-operations.js';
import { floats } from './comparison.js';

const [INPUT, INNER] = [96, 160];
/** Multiplies with every weight forwards and, for the gradient, backwards. */
const program: Program<'x', 'loss' | 'gradient'> = {
  name: 'feed-forward',
  inputs: { x: { dtype: 'float32', shape: ['rows', INPUT] } },
  outputs: ['loss', 'gradient'],
  compute: ({ x }, frozen) => {
    const loss = (input: tf.Tensor): tf.Scalar => {
      const inner = geluNew(tf.matMul(input, frozen('up'), false, true));
      return tf.mean(tf.square(tf.matMul(inner, frozen('down'), false, true))).asScalar();
    };
    const { value, grad } = tf.valueAndGrad(loss)(x);
    return { loss: value, gradient: grad };
  },
};

let folder: string;
let file: string;
let weights: FrozenTensors;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-packed-'));
  file = path.join(folder, 'weights.bin');
  const values = floats([2 * INPUT * INNER], 3).data as Float32Array;
  await writeFile(file, values);
  const byteLength = values.byteLength / 2;
  const place = { file, byteLength };
  weights = new Map([
    ['up', { ...place, name: 'up', shape: [INNER, INPUT], byteOffset: 0 }],
    ['down', { ...place, name: 'down', shape: [INPUT, INNER], byteOffset: byteLength }],
  ]);
});
afterAll(() => rm(folder, { recursive: true }));

async function isMapped(): Promise<boolean> {
  return (await readFile('/proc/self/maps', 'utf8')).includes(file);
}

/** What the program makes of some rows, and whether the file of the weights stays mapped meanwhile. */
async function run(packWeights: boolean): Promise<{ values: number[]; mapped: boolean }> {
  const engine = await openEngine({ device: 'cpu', threads: 1, packWeights });
  const executable = await engine.compile(program, weights);
  const { loss, gradient } = await executable.run({ x: floats([40, INPUT]) });
  const mapped = process.platform === 'linux' && (await isMapped());
  const values = [...(await loss.data()), ...(await gradient.data())];
  await executable.dispose();
  await engine.dispose();
  return { values, mapped };
}

describe('frozen weights', () => {
  it.runIf(process.platform === 'linux')('are let go with the engine, whoever forgot a program', async () => {
    const engine = await openEngine({ device: 'cpu', threads: 1 });
    const executable = await engine.compile(program, weights);
    await engine.compile(program, weights);
    expect(await isMapped()).toBe(true);
    await executable.dispose();
    await executable.dispose();
    expect(await isMapped()).toBe(true);
    await engine.dispose();
    expect(await isMapped()).toBe(false);
  });

  it.each(['cpu', 'reference'] as const)(
    'whose file is gone are named on %s, and found when it is back',
    async (device) => {
      const engine = await openEngine({ device, threads: 1 });
      const moved = `${file}.moved`;
      const inputs = { x: floats([2, INPUT]) };
      const work = async () => (await engine.compile(program, weights)).run(inputs);
      await rename(file, moved);
      const missing = await work().catch((error: unknown) => error);
      await rename(moved, file);
      expect(missing).toBeInstanceOf(DeltaloomError);
      expect(missing).toMatchObject({ code: 'weights-unreadable', place: { file } });
      expect((await work()).loss.shape).toEqual([]);
      await engine.dispose();
    },
  );
});

describe('weights that are packed', () => {
  it('give the values of weights that stay in their file', async () => {
    const plain = await run(false);
    const packed = await run(true);
    expect(plain.values).toHaveLength(1 + 40 * INPUT);
    packed.values.forEach((value, index) => {
      const wanted = plain.values[index] ?? NaN;
      expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(wanted)));
    });
  });

  it.runIf(process.platform === 'linux')('are copies; others are the mapped file itself', async () => {
    expect((await run(false)).mapped).toBe(true);
    expect((await run(true)).mapped).toBe(false);
  });
});
