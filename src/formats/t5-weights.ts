import { DeltaloomError } from '../core/errors.js';
import type { StoredTensor } from './stored-tensor.js';
import type { T5Config } from './t5-config.js';

/** Copies of `shared.weight` under other names. */
const EMBEDDING_COPIES = ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight'] as const;
/** Written by the first T5 releases and never read. */
const LEFTOVERS = ['decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight'] as const;
const NAMES_IN_A_MESSAGE = 5;

/**
 * Names (Hugging Face's) and shapes of all weights of a T5 but `lm_head.weight`, which only untied models have.
 * Matrices are [out, in].
 */
export function expectedT5Weights(config: T5Config): Map<string, readonly number[]> {
  const { modelSize, feedForwardSize, heads } = config;
  const inner = heads * config.headSize;
  const shapes = new Map<string, readonly number[]>();
  shapes.set('shared.weight', [config.vocabularySize, modelSize]);
  const attention = (prefix: string, hasBias: boolean): void => {
    for (const projection of ['q', 'k', 'v'])
      shapes.set(`${prefix}.${projection}.weight`, [inner, modelSize]);
    shapes.set(`${prefix}.o.weight`, [modelSize, inner]);
    if (hasBias) {
      shapes.set(`${prefix}.relative_attention_bias.weight`, [config.relativeBuckets, heads]);
    }
  };
  for (const stack of ['encoder', 'decoder'] as const) {
    const blocks = stack === 'encoder' ? config.encoderBlocks : config.decoderBlocks;
    for (let block = 0; block < blocks; block++) {
      const prefix = `${stack}.block.${block}`;
      let layer = 0;
      attention(`${prefix}.layer.${layer}.SelfAttention`, block === 0);
      shapes.set(`${prefix}.layer.${layer}.layer_norm.weight`, [modelSize]);
      layer++;
      if (stack === 'decoder') {
        attention(`${prefix}.layer.${layer}.EncDecAttention`, false);
        shapes.set(`${prefix}.layer.${layer}.layer_norm.weight`, [modelSize]);
        layer++;
      }
      for (const name of config.feedForward === 'relu' ? ['wi'] : ['wi_0', 'wi_1']) {
        shapes.set(`${prefix}.layer.${layer}.DenseReluDense.${name}.weight`, [feedForwardSize, modelSize]);
      }
      shapes.set(`${prefix}.layer.${layer}.DenseReluDense.wo.weight`, [modelSize, feedForwardSize]);
      shapes.set(`${prefix}.layer.${layer}.layer_norm.weight`, [modelSize]);
    }
    shapes.set(`${stack}.final_layer_norm.weight`, [modelSize]);
  }
  return shapes;
}

/**
 * The weights of a T5 under their canonical names, in a fixed order; `lm_head.weight` is kept where it is present. Copies of
 * the embedding are dropped.
 * Throws `weights-missing`, `weights-unexpected` or `weights-shape`, naming the tensors (and both shapes). `place` is the file
 * to name.
 */
export function checkT5Weights<Stored extends StoredTensor>(
  found: ReadonlyMap<string, Stored>,
  config: T5Config,
  place: string,
): Map<string, Stored> {
  const expected = expectedT5Weights(config);
  const available = new Map(found);
  const embedding =
    available.get('shared.weight') ?? EMBEDDING_COPIES.map((name) => available.get(name)).find((t) => t);
  for (const name of [...EMBEDDING_COPIES, ...LEFTOVERS]) available.delete(name);
  if (embedding !== undefined) available.set('shared.weight', embedding);

  const missing = [...expected.keys()].filter((name) => !available.has(name));
  const unexpected = [...available.keys()].filter((name) => !expected.has(name) && name !== 'lm_head.weight');
  if (missing.length > 0) {
    throw new DeltaloomError(
      'weights-missing',
      `The weights lack ${nameSome(missing)} that config.json asks for${unexpected.length > 0 ? `, and have ${nameSome(unexpected)} instead` : ''}.`,
      { place: { file: place }, remedy: 'Take config.json and weights of the same model.' },
    );
  }
  if (unexpected.length > 0) {
    throw new DeltaloomError(
      'weights-unexpected',
      `The weights have ${nameSome(unexpected)} that a T5 with this config.json does not have.`,
      { place: { file: place }, remedy: 'Take config.json and weights of the same model.' },
    );
  }
  if (available.has('lm_head.weight')) {
    expected.set('lm_head.weight', [config.vocabularySize, config.modelSize]);
  }
  const weights = new Map<string, Stored>();
  for (const [name, shape] of expected) {
    const stored = available.get(name);
    if (stored === undefined) continue;
    if (stored.shape.join() !== shape.join()) {
      throw new DeltaloomError(
        'weights-shape',
        `The tensor has shape [${stored.shape.join(', ')}], and config.json asks for [${shape.join(', ')}].`,
        { place: { file: place, at: name }, remedy: 'Take config.json and weights of the same model.' },
      );
    }
    weights.set(name, stored);
  }
  return weights;
}

function nameSome(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_IN_A_MESSAGE).map((name) => `'${name}'`);
  const more = names.length - shown.length;
  const list = more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
  return names.length === 1 ? `the tensor ${list}` : `the tensors ${list}`;
}
