import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import type { DeltaSettings } from '../src/core/delta-settings.js';
import { sizeOfShape } from '../src/core/tensor.js';
import { encodeSafetensorsHeader, readSafetensorsHeader } from '../src/formats/safetensors.js';
import { parseT5Config } from '../src/formats/t5-config.js';
import { expectedT5Weights } from '../src/formats/t5-weights.js';
import type { OpenedBackbone } from '../src/study/compute/backbone.js';

/** Shapes of the published models, T5 v1.1 (gated, untied). */
export const SIZES = {
  tiny: { d_model: 64, d_kv: 16, d_ff: 128, num_heads: 4, num_layers: 2, vocab_size: 512 },
  small: { d_model: 512, d_kv: 64, d_ff: 1024, num_heads: 6, num_layers: 8, vocab_size: 32128 },
  base: { d_model: 768, d_kv: 64, d_ff: 2048, num_heads: 12, num_layers: 12, vocab_size: 32128 },
} as const;
export type Size = keyof typeof SIZES;

/** The settings of the reference for each kind of delta. */
export const DELTAS: Readonly<Record<DeltaSettings['type'], DeltaSettings>> = {
  adapter: {
    type: 'adapter',
    size: 12,
    nonlinearity: 'silu',
    placement: ['self-attention', 'cross-attention', 'feed-forward'],
  },
  lora: { type: 'lora', rank: 10, alpha: 16, targetModules: ['q', 'v'] },
  prefix: { type: 'prefix', length: 120, hiddenSize: 24 },
};

/**
 * A backbone of these shapes with random weights, written once into `folder` as a Hugging Face folder without tokenizer: both
 * sides of the benchmark read the same bytes.
 */
export async function randomBackbone(size: Size, folder: string): Promise<OpenedBackbone> {
  const json = {
    model_type: 't5',
    architectures: ['T5ForConditionalGeneration'],
    ...SIZES[size],
    num_decoder_layers: SIZES[size].num_layers,
    feed_forward_proj: 'gated-gelu',
    tie_word_embeddings: false,
    dropout_rate: 0.1,
    pad_token_id: 0,
    eos_token_id: 1,
    decoder_start_token_id: 0,
  };
  await mkdir(folder, { recursive: true });
  const configFile = path.join(folder, 'config.json');
  await writeFile(configFile, JSON.stringify(json));
  const config = parseT5Config(json, configFile);
  const weightsFile = path.join(folder, 'model.safetensors');
  if (!existsSync(weightsFile)) {
    await writeRandomWeights(weightsFile, new Map([...expectedT5Weights(config), untiedHead(config)]));
  }
  const { tensors } = await readSafetensorsHeader(weightsFile);
  return {
    directory: folder,
    name: `t5-${size}-random`,
    fingerprint: `random-${size}`,
    config,
    tied: false,
    frozen: tensors,
    warnings: [],
    encoderBlocks: config.encoderBlocks,
    decoderBlocks: config.decoderBlocks,
    vocabularySize: config.vocabularySize,
    parameters: [...tensors.values()].reduce((sum, { shape }) => sum + sizeOfShape(shape), 0),
    encode: () => new Int32Array(),
    decode: () => '',
    isThere: () => Promise.resolve(true),
  };
}

function untiedHead(config: { vocabularySize: number; modelSize: number }): [string, readonly number[]] {
  return ['lm_head.weight', [config.vocabularySize, config.modelSize]];
}

async function writeRandomWeights(
  file: string,
  shapes: ReadonlyMap<string, readonly number[]>,
): Promise<void> {
  const aside = `${file}.part`;
  const out = createWriteStream(aside);
  out.write(encodeSafetensorsHeader([...shapes].map(([name, shape]) => ({ name, dtype: 'F32', shape }))));
  let state = 12345;
  for (const [name, shape] of shapes) {
    const isNorm = name.includes('layer_norm');
    // Variances that keep activations near 1 through all blocks.
    const scale = isNorm ? 0 : Math.sqrt(3 / (shape[1] ?? 1)) * (name.includes('.q.') ? 0.35 : 1);
    const values = new Float32Array(sizeOfShape(shape));
    for (let index = 0; index < values.length; index++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      values[index] = (isNorm ? 1 : 0) + scale * (state / 2 ** 31);
    }
    if (!out.write(Buffer.from(values.buffer))) await once(out, 'drain');
  }
  out.end();
  await finished(out);
  await rename(aside, file);
}

/** Multiplications and additions of the matrix products of one forward pass. */
export function forwardFlops(
  { config }: OpenedBackbone,
  batch: number,
  source: number,
  target: number,
): number {
  const { modelSize: d, feedForwardSize: ff, headSize, heads, vocabularySize } = config;
  const inner = headSize * heads;
  const attention = (queries: number, keys: number): number => 2 * 2 * batch * queries * keys * inner;
  const projections = (rows: number, count: number): number => 2 * rows * count * d * inner;
  const feedForward = (rows: number): number => 2 * rows * 3 * d * ff;
  const [rows, labels] = [batch * source, batch * target];
  const encoder = projections(rows, 4) + attention(source, source) + feedForward(rows);
  const decoder =
    projections(labels, 6) +
    projections(rows, 2) +
    attention(target, target) +
    attention(target, source) +
    feedForward(labels);
  return config.encoderBlocks * encoder + config.decoderBlocks * decoder + 2 * labels * d * vocabularySize;
}
