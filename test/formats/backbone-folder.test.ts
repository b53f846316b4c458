import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/core/tensor.js';
import {
  fingerprintBackbone,
  materialiseFloat32,
  openBackboneFolder,
} from '../../src/formats/backbone-folder.js';
import {
  readTensors,
  writeSafetensors,
  type WriteSafetensorsOptions,
} from '../../src/formats/safetensors.js';
import { parseT5Config } from '../../src/formats/t5-config.js';
import { expectedT5Weights } from '../../src/formats/t5-weights.js';
import { isAbsent, refusal, shared, temporaryFolder } from './shared-data.js';
import { encodeSpiece } from './spiece-fixture.js';

const path = temporaryFolder();

const TINY = {
  model_type: 't5',
  architectures: ['T5ForConditionalGeneration'],
  vocab_size: 112,
  d_model: 4,
  d_kv: 2,
  d_ff: 6,
  num_heads: 2,
  num_layers: 2,
};

/** Deterministic values that float16 and bfloat16 hold exactly. */
function tinyWeights(config: object = TINY): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of expectedT5Weights(parseT5Config(config, 'config.json'))) {
    const size = shape.reduce((a, b) => a * b, 1);
    weights.set(name, { shape, data: Float32Array.from({ length: size }, (_, i) => ((i % 13) - 6) / 8) });
  }
  return weights;
}

async function writeBackbone(
  name: string,
  parts: { config?: object; weights?: Map<string, Tensor> | null; options?: WriteSafetensorsOptions } = {},
): Promise<string> {
  const directory = path(name);
  await mkdir(directory, { recursive: true });
  await writeFile(path(name, 'config.json'), JSON.stringify(parts.config ?? TINY));
  if (parts.weights !== null) {
    await writeSafetensors(path(name, 'model.safetensors'), parts.weights ?? tinyWeights(), parts.options);
  }
  await writeFile(path(name, 'spiece.model'), encodeSpiece({ pieces: ['\u2581', 'a', 'b'] }));
  return directory;
}

describe('openBackboneFolder', () => {
  it('lists the weights of a v1.0 backbone, tied and scaled', async () => {
    const folder = await openBackboneFolder(await writeBackbone('v1.0'));
    expect(folder).toMatchObject({ name: 'v1.0', isTied: true, isFloat32: true, warnings: [] });
    expect(folder.config.scalesLogits).toBe(true);
    expect(folder.weights.has('lm_head.weight')).toBe(false);
    expect(folder.weights.get('decoder.block.1.layer.2.DenseReluDense.wi.weight')?.shape).toEqual([6, 4]);
    expect(folder.parameters).toBe(
      [...tinyWeights().values()].reduce((sum, { data }) => sum + data.length, 0),
    );
    expect(folder.tokenizer.decode(folder.tokenizer.encode('ab'))).toBe('ab');
    expect(folder.files.map((file) => file.slice(folder.directory.length + 1))).toEqual([
      'config.json',
      'model.safetensors',
      'spiece.model',
    ]);
  });

  it('takes the embedding from its copies and ignores what T5 never reads', async () => {
    const weights = tinyWeights();
    const shared = weights.get('shared.weight') as Tensor;
    weights.delete('shared.weight');
    weights.set('encoder.embed_tokens.weight', shared);
    weights.set('decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight', {
      shape: [1],
      data: new Float32Array(1),
    });
    const folder = await openBackboneFolder(await writeBackbone('copies', { weights }));
    expect(folder.weights.get('shared.weight')?.shape).toEqual([112, 4]);
  });

  it('decides tying from the tensors and scaling from config.json', async () => {
    const copy = tinyWeights();
    copy.set('lm_head.weight', copy.get('shared.weight') as Tensor);
    const equal = await openBackboneFolder(await writeBackbone('equal head', { weights: copy }));
    expect(equal).toMatchObject({ isTied: true, warnings: [] });
    expect(equal.weights.has('lm_head.weight')).toBe(false);

    const other = tinyWeights();
    other.set('lm_head.weight', { shape: [112, 4], data: new Float32Array(448).fill(1) });
    const untied = await openBackboneFolder(await writeBackbone('other head', { weights: other }));
    expect(untied.isTied).toBe(false);
    expect(untied.warnings[0]).toContain('lm_head.weight differs');

    const config = { ...TINY, tie_word_embeddings: false };
    const v11 = await openBackboneFolder(await writeBackbone('untied', { config, weights: other }));
    expect(v11).toMatchObject({ isTied: false, warnings: [] });
    expect(v11.config.scalesLogits).toBe(false);
    const headless = await openBackboneFolder(await writeBackbone('headless', { config }));
    expect(headless.isTied).toBe(true);
    expect(headless.warnings).toHaveLength(1);
  });

  it('reads sharded weights', async () => {
    const weights = tinyWeights();
    const names = [...weights.keys()];
    const directory = await writeBackbone('shards', { weights: null });
    const map: Record<string, string> = {};
    for (const [i, shardNames] of [names.slice(0, 7), names.slice(7)].entries()) {
      const file = `model-0000${i + 1}-of-00002.safetensors`;
      await writeSafetensors(
        path('shards', file),
        new Map(shardNames.map((name) => [name, weights.get(name) as Tensor])),
      );
      for (const name of shardNames) map[name] = file;
    }
    const index = path('shards', 'model.safetensors.index.json');
    await writeFile(index, JSON.stringify({ metadata: {}, weight_map: map }));
    const folder = await openBackboneFolder(directory);
    expect(new Set([...folder.weights.values()].map(({ file }) => file)).size).toBe(2);

    await rm(path('shards', 'model-00002-of-00002.safetensors'));
    const missing = await refusal(openBackboneFolder(directory));
    expect(missing.code).toBe('weights-shard-missing');
    expect(missing.message).toContain('model-00002-of-00002.safetensors');

    await writeFile(index, JSON.stringify({ weight_map: { 'shared.weight': '../v1.0/model.safetensors' } }));
    expect((await refusal(openBackboneFolder(directory))).code).toBe('weights-index-invalid');
    await writeFile(index, JSON.stringify({ weight_map: { unknown: 'model-00001-of-00002.safetensors' } }));
    expect((await refusal(openBackboneFolder(directory))).line).toContain('(at unknown)');
  });

  it('names missing and unexpected tensors, and both shapes of one that does not fit', async () => {
    const missing = tinyWeights();
    missing.delete('encoder.block.1.layer.0.SelfAttention.q.weight');
    const first = await refusal(openBackboneFolder(await writeBackbone('missing', { weights: missing })));
    expect(first.code).toBe('weights-missing');
    expect(first.message).toContain("'encoder.block.1.layer.0.SelfAttention.q.weight'");

    const extra = tinyWeights();
    extra.set('encoder.block.0.layer.0.adapter.adapter_A', { shape: [1], data: new Float32Array(1) });
    const second = await refusal(openBackboneFolder(await writeBackbone('extra', { weights: extra })));
    expect(second.code).toBe('weights-unexpected');
    expect(second.message).toContain('adapter_A');

    const shape = await refusal(
      openBackboneFolder(
        await writeBackbone('shape', { config: { ...TINY, d_ff: 7 }, weights: tinyWeights() }),
      ),
    );
    expect(shape.code).toBe('weights-shape');
    expect(shape.line).toContain('[6, 4]');
    expect(shape.line).toContain('[7, 4]');
    expect(shape.line).toContain('wi.weight');
  });

  it('names a vocabulary that the model does not know', async () => {
    const config = { ...TINY, vocab_size: 50 };
    const error = await refusal(
      openBackboneFolder(await writeBackbone('vocabulary', { config, weights: tinyWeights(config) })),
    );
    expect(error.code).toBe('vocabulary-mismatch');
    expect(error.message).toContain('106');
    expect(error.message).toContain('50');
  });

  it('refuses a tokenizer whose first sentinel is no special token', async () => {
    const directory = await writeBackbone('sentinels');
    await writeFile(path('sentinels', 'tokenizer_config.json'), JSON.stringify({ extra_ids: 0 }));
    const error = await refusal(openBackboneFolder(directory));
    expect(error.code).toBe('tokenizer-unsupported');
    expect(error.message).toContain('<extra_id_0>');
  });

  it('says that a file was left with Git LFS', async () => {
    const directory = await writeBackbone('lfs');
    await writeFile(
      path('lfs', 'model.safetensors'),
      'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n',
    );
    const error = await refusal(openBackboneFolder(directory));
    expect(error.code).toBe('file-not-fetched');
    expect(error.remedy).toContain('git lfs pull');
  });

  it('refuses folders that are no model', async () => {
    expect((await refusal(openBackboneFolder(path('nowhere')))).code).toBe('backbone-missing');
    await mkdir(path('empty'));
    const empty = await refusal(openBackboneFolder(path('empty')));
    expect([empty.code, empty.message]).toEqual(['backbone-not-a-model', 'The folder is empty.']);
    await writeFile(path('empty', 'notes.txt'), '');
    expect((await refusal(openBackboneFolder(path('empty')))).message).toContain('config.json');
    expect((await refusal(openBackboneFolder(path('empty', 'notes.txt')))).message).toContain('a file');

    const bare = await writeBackbone('no weights', { weights: null });
    expect((await refusal(openBackboneFolder(bare))).code).toBe('weights-absent');
    await writeFile(path('no weights', 'tf_model.h5'), '');
    expect((await refusal(openBackboneFolder(bare))).message).toContain('tf_model.h5');

    const tokenizerless = await writeBackbone('no tokenizer');
    await rm(path('no tokenizer', 'spiece.model'));
    expect((await refusal(openBackboneFolder(tokenizerless))).code).toBe('tokenizer-missing');
    const elsewhere = await openBackboneFolder(tokenizerless, { tokenizerDirectory: path('v1.0') });
    expect(elsewhere.tokenizer.eosId).toBe(1);
  });

  it.skipIf(isAbsent('golden'))('opens the golden models', async () => {
    const tokenizerDirectory = shared('golden/tokenizer');
    const a = await openBackboneFolder(shared('golden/modelA'), { tokenizerDirectory });
    expect(a).toMatchObject({ isTied: false, isFloat32: true });
    const b = await openBackboneFolder(shared('golden/modelB'), { tokenizerDirectory });
    expect(b).toMatchObject({ isTied: true, isFloat32: true });
  });
});

describe('fingerprintBackbone', () => {
  it('depends on the content and not on the place', async () => {
    const first = await openBackboneFolder(await writeBackbone('original'));
    await cp(path('original'), path('moved'), { recursive: true });
    const moved = await openBackboneFolder(path('moved'));
    expect(await fingerprintBackbone(moved)).toBe(await fingerprintBackbone(first));
    await writeFile(path('moved', 'config.json'), JSON.stringify({ ...TINY, dropout_rate: 0 }));
    expect(await fingerprintBackbone(moved)).not.toBe(await fingerprintBackbone(first));
  });
});

describe('materialiseFloat32', () => {
  it.each(['F16', 'BF16'] as const)(
    'converts %s once, and again where the cache is damaged',
    async (dtype) => {
      const folder = await openBackboneFolder(await writeBackbone(`half ${dtype}`, { options: { dtype } }));
      expect(folder.isFloat32).toBe(false);
      const cache = path(`cache ${dtype}`);
      const [first, second] = await Promise.all([
        materialiseFloat32(folder, cache),
        materialiseFloat32(folder, cache),
      ]);
      expect(first.isFloat32).toBe(true);
      expect(second.weights).toEqual(first.weights);
      const files = await readdir(cache);
      expect(files).toHaveLength(1);
      const file = `${cache}/${files[0] ?? ''}`;
      expect(await readTensors(file)).toEqual(tinyWeights());

      const bytes = await readFile(file);
      await writeFile(file, bytes.subarray(0, bytes.length - 1));
      expect((await materialiseFloat32(folder, cache)).weights).toEqual(first.weights);
      expect((await readFile(file)).equals(bytes)).toBe(true);
    },
  );

  it('leaves a float32 folder as it is', async () => {
    const folder = await openBackboneFolder(await writeBackbone('single'));
    expect(await materialiseFloat32(folder, path('unused'))).toBe(folder);
  });

  it('follows links to weights elsewhere', async () => {
    await writeBackbone('linked', { weights: null });
    await symlink(path('v1.0', 'model.safetensors'), path('linked', 'model.safetensors'));
    await writeBackbone('v1.0');
    expect((await openBackboneFolder(path('linked'))).isFloat32).toBe(true);
  });
});
