import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openEngine } from '../../src/engine/index.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { parseT5Config } from '../../src/formats/t5-config.js';
import { expectedT5Weights } from '../../src/formats/t5-weights.js';
import { padBatch } from '../../src/study/compute/padding.js';
import { borrowModel } from '../../src/study/open-models.js';
import { encodeSpiece } from '../formats/spiece-fixture.js';

const CONFIG = {
  model_type: 't5',
  vocab_size: 112,
  d_model: 4,
  d_kv: 2,
  d_ff: 6,
  num_heads: 2,
  num_layers: 1,
};

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'deltaloom-models-'));
  vi.stubEnv('HOME', home);
  vi.stubEnv('USERPROFILE', home);
  const weights = [...expectedT5Weights(parseT5Config(CONFIG, 'config.json'))].map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [name, { shape, data: new Float32Array(size).fill(0.5) }] as const;
  });
  await writeFile(path.join(home, 'config.json'), JSON.stringify(CONFIG));
  await writeFile(path.join(home, 'spiece.model'), encodeSpiece({ pieces: ['a'] }));
  await writeSafetensors(path.join(home, 'model.safetensors'), new Map(weights), { dtype: 'F16' });
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

describe('a borrowed model', () => {
  it('is opened anew where its converted weights were cleared away', async () => {
    const engine = await openEngine({ device: 'cpu', threads: 1 });
    const wanted = { directory: home, fingerprint: 'x', delta: null };
    const batch = padBatch([{ row: 0, input: Int32Array.of(3, 1), label: Int32Array.of(3) }]);
    const lossOf = async () => {
      const { loss } = await (await borrowModel(engine, wanted)).sweep(null, batch, null);
      return loss[0];
    };
    const before = await lossOf();
    const model = await borrowModel(engine, wanted);
    expect(await borrowModel(engine, wanted)).toBe(model);

    const cache = path.join(home, '.cache', 'deltaloom');
    expect(await readdir(cache)).toHaveLength(1);
    await rm(cache, { recursive: true });
    expect(await borrowModel(engine, wanted)).not.toBe(model);
    expect(await lossOf()).toBe(before);
    await engine.dispose();
  });
});
