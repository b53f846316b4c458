import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergeLoraByProducts } from '../../../src/core/lora-products.js';
import { mergeDeltas, wholePlan } from '../../../src/core/merging.js';
import type { DeltaTensors, Tensor } from '../../../src/core/tensor.js';
import { sizeOfShape } from '../../../src/core/tensor.js';
import { sha256File } from '../../../src/formats/atomic-file.js';
import { readTensors, writeSafetensors } from '../../../src/formats/safetensors.js';
import { mergeCheckpoints } from '../../../src/study/merging/index.js';

const ADAPTER = {
  'encoder.block.0.layer.0.adapter.adapter_A': [8, 3],
  'encoder.block.0.layer.0.adapter.adapter_B': [3, 8],
  'decoder.block.0.layer.2.adapter.adapter_A': [8, 3],
};
const LORA = {
  'encoder.block.0.layer.0.SelfAttention.q.lora_A': [8, 2],
  'encoder.block.0.layer.0.SelfAttention.q.lora_B': [2, 6],
};

function delta(shapes: Record<string, number[]>, seed: number): DeltaTensors {
  let state = seed;
  const next = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647 - 0.5;
  };
  return new Map(
    Object.entries(shapes).map(([name, shape]): [string, Tensor] => [
      name,
      { shape, data: Float32Array.from({ length: sizeOfShape(shape) }, next) },
    ]),
  );
}

describe('mergeCheckpoints', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'deltaloom-merge-'))));
  afterEach(() => rm(folder, { recursive: true }));

  async function save(deltas: readonly DeltaTensors[]) {
    return Promise.all(
      deltas.map(async (tensors, i) => {
        const file = join(folder, `source-${i}.safetensors`);
        await writeSafetensors(file, tensors);
        return { task: `task ${i}`, file };
      }),
    );
  }

  it('gives the tensors that merging in memory gives, for any number of sources', async () => {
    for (const count of [1, 2, 5, 11]) {
      const deltas = Array.from({ length: count }, (_, i) => delta(ADAPTER, i + 1));
      const weights = deltas.map((_, i) => (i + 1) / ((count * (count + 1)) / 2));
      const output = join(folder, 'merged.safetensors');
      const merged = await mergeCheckpoints(await save(deltas), wholePlan(weights), output, {
        loraRule: 'factors',
      });
      expect(await readTensors(output)).toEqual(mergeDeltas(deltas, wholePlan(weights)));
      expect(merged.sha256).toBe(await sha256File(output));
      expect(merged.loraRuleDifference).toBeNull();
    }
  });

  it('returns k copies with weight 1/k byte by byte', async () => {
    const source = delta(ADAPTER, 7);
    const files = await save(Array.from({ length: 7 }, () => source));
    const output = join(folder, 'merged.safetensors');
    await mergeCheckpoints(files, wholePlan(files.map(() => 1 / 7)), output, { loraRule: 'factors' });
    expect(await sha256File(output)).toBe(await sha256File(files[0]?.file ?? ''));
  });

  it('goes through tensors larger than what it reads at once', async () => {
    const large = { 'encoder.prefix.prefix': [600, 501], 'decoder.prefix.prefix': [3, 5] };
    const deltas = [delta(large, 1), delta(large, 2), delta(large, 3)];
    const weights = wholePlan([0.5, 0.25, 0.25]);
    const output = join(folder, 'merged.safetensors');
    await mergeCheckpoints(await save(deltas), weights, output, { loraRule: 'factors' });
    expect(await readTensors(output)).toEqual(mergeDeltas(deltas, weights));
  });

  it('reads sources that are laid out in other ways: another order, half precision, metadata', async () => {
    const [first, second, third] = [delta(ADAPTER, 1), delta(ADAPTER, 2), delta(ADAPTER, 3)];
    const files = await save([first, new Map([...second].reverse()), third]);
    await writeSafetensors(files[2]?.file ?? '', third, { dtype: 'F16', metadata: { by: 'another' } });
    const weights = wholePlan([0.5, 0.25, 0.25]);
    const output = join(folder, 'merged.safetensors');
    await mergeCheckpoints(files, weights, output, { loraRule: 'factors' });
    const asRead = await readTensors(files[2]?.file ?? '');
    expect(await readTensors(output)).toEqual(mergeDeltas([first, second, asRead], weights));
  });

  it('weighs parts on their own', async () => {
    const deltas = [delta(ADAPTER, 1), delta(ADAPTER, 2)];
    const plan = {
      parts: ['encoder.block.0', 'decoder.block.0'],
      weights: [
        [1, 0],
        [0.25, 0.75],
      ],
    };
    const output = join(folder, 'merged.safetensors');
    await mergeCheckpoints(await save(deltas), plan, output, { loraRule: 'factors' });
    expect(await readTensors(output)).toEqual(mergeDeltas(deltas, plan));
  });

  it.each(['factors', 'products'] as const)(
    'merges LoRA by %s and tells the difference',
    async (loraRule) => {
      const deltas = [delta(LORA, 1), delta(LORA, 2), delta(LORA, 3)];
      const plan = wholePlan([0.5, 0.25, 0.25]);
      const output = join(folder, 'merged.safetensors');
      const { loraRuleDifference } = await mergeCheckpoints(await save(deltas), plan, output, { loraRule });
      const products = mergeLoraByProducts(deltas, plan);
      expect(loraRuleDifference).toBeCloseTo(products.difference, 12);
      expect(products.difference).toBeGreaterThan(0.1);
      expect(await readTensors(output)).toEqual(
        loraRule === 'products' ? products.tensors : mergeDeltas(deltas, plan),
      );
    },
  );

  it('names the file and tensor with a NaN, and leaves no output', async () => {
    const broken = delta(ADAPTER, 2);
    const data = broken.get('decoder.block.0.layer.2.adapter.adapter_A')?.data;
    if (data !== undefined) data[5] = Number.NaN;
    const files = await save([delta(ADAPTER, 1), broken]);
    const output = join(folder, 'out', 'merged.safetensors');
    await expect(
      mergeCheckpoints(files, wholePlan([0.5, 0.5]), output, { loraRule: 'factors' }),
    ).rejects.toMatchObject({
      code: 'checkpoint-not-finite',
      message: "The source 'task 1' has a NaN at element 5.",
      place: { file: files[1]?.file, at: 'decoder.block.0.layer.2.adapter.adapter_A' },
    });
    expect(await readdir(join(folder, 'out'))).toEqual([]);
    // A source without weight has no say.
    await mergeCheckpoints(files, wholePlan([1, 0]), output, { loraRule: 'factors' });
    expect(await readTensors(output)).toEqual(delta(ADAPTER, 1));
  });

  it('names a NaN in LoRA factors too', async () => {
    const broken = delta(LORA, 2);
    const data = [...broken.values()][0]?.data;
    if (data !== undefined) data[0] = Number.POSITIVE_INFINITY;
    const files = await save([delta(LORA, 1), broken]);
    await expect(
      mergeCheckpoints(files, wholePlan([0.5, 0.5]), join(folder, 'm'), { loraRule: 'products' }),
    ).rejects.toMatchObject({ code: 'checkpoint-not-finite' });
  });

  it('names what disagrees', async () => {
    const files = await save([delta(ADAPTER, 1), delta({ ...ADAPTER, 'encoder.extra': [1] }, 2)]);
    const merge = mergeCheckpoints(files, wholePlan([0.5, 0.5]), join(folder, 'm'), { loraRule: 'factors' });
    await expect(merge).rejects.toMatchObject({
      code: 'merge-disagreement',
      place: { file: files[1]?.file },
    });
    await expect(merge).rejects.toThrow(/'encoder.extra' is unknown to 'task 0'/);
  });

  it('says which source is garbage', async () => {
    const files = await save([delta(ADAPTER, 1), delta(ADAPTER, 2)]);
    await writeFile(files[1]?.file ?? '', 'garbage, and plenty of it');
    await expect(
      mergeCheckpoints(files, wholePlan([0.5, 0.5]), join(folder, 'm'), { loraRule: 'factors' }),
    ).rejects.toMatchObject({ place: { file: files[1]?.file } });
  });

  it('stops when told to', async () => {
    const files = await save([delta(ADAPTER, 1)]);
    await expect(
      mergeCheckpoints(files, wholePlan([1]), join(folder, 'm'), {
        loraRule: 'factors',
        signal: AbortSignal.abort(),
      }),
    ).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['source-0.safetensors']);
  });
});
