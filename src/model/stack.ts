import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import {
  attentionModule,
  blockCount,
  EMBEDDING,
  OUTPUT,
  sublayersOf,
  type Stack,
  type Sublayer,
} from './architecture.js';
import {
  additiveMask,
  attend,
  CROSS_ATTENTION_MASK,
  keysValues,
  positionBias,
  SELF_ATTENTION_MASK,
  type AttentionOptions,
  type KeysValues,
} from './attention.js';
import { adapt } from './deltas/adapter.js';
import { prefixKeysValues, type PrefixInputs } from './deltas/prefix.js';
import { lookUp, rmsNormalise } from './differentiable-operations.js';
import { feedForward } from './feed-forward.js';
import { prefixLength, type Network } from './network.js';

export interface StackOutput {
  /** After the final layer norm: [batch * length, d_model]. */
  readonly hidden: Tensor;
  /** The output of each block, before the final layer norm: [batch * length, d_model]. */
  readonly blocks: readonly Tensor[];
}

export interface EncoderInputs {
  /** int32 [batch, source] */
  readonly ids: Tensor;
  /** float32 [batch, source], 1 where a token is. */
  readonly mask: Tensor;
  /** int32 [source, source]: see `bucketMatrix`. */
  readonly buckets: Tensor;
  readonly prefix: PrefixInputs | null;
}

/** The encoder. Hidden states stay flattened to two axes, so that every product with a weight is a plain matrix product. */
export function encode(network: Network, inputs: EncoderInputs): StackOutput {
  const [batch = 0, length = 0] = inputs.ids.shape;
  const prefixes = prefixKeysValues(network, 'encoder', inputs.prefix);
  const bias = withPrefixBias(
    network,
    'encoder',
    tf.add(positionBias(network, 'encoder', inputs.buckets), additiveMask(inputs.mask, SELF_ATTENTION_MASK)),
    inputs.prefix,
  );
  const rowKeys = network.dropout?.keys.sourceRows ?? null;
  return runStack(network, 'encoder', inputs.ids, rowKeys, (sublayer, block, x) => {
    const module = attentionModule(sublayer);
    const own = withPrefix(keysValues(network, module, x, batch, length), prefixes?.[block]);
    return attend(network, module, x, own, {
      batch,
      queries: length,
      bias,
      drop: attentionDropout(
        network,
        rowKeys,
        network.dropout?.keys.sourceColumns,
        prefixLength(network.delta),
      ),
    });
  });
}

export interface DecoderInputs {
  /** int32 [batch, target]: labels shifted right. */
  readonly ids: Tensor;
  /** int32 [target, target], causal: see `bucketMatrix`. */
  readonly buckets: Tensor;
  readonly prefix: PrefixInputs | null;
  /** The encoder's hidden states [batch * source, d_model] and mask [batch, source]. */
  readonly encoderHidden: Tensor;
  readonly encoderMask: Tensor;
}

/**
 * The decoder on whole label sequences. Padded labels lie after every label that counts, so the causal mask alone keeps them
 * out of what is read.
 */
export function decode(network: Network, inputs: DecoderInputs): StackOutput {
  const [batch = 0, length = 0] = inputs.ids.shape;
  const source = inputs.encoderMask.shape[1] ?? 0;
  const prefixes = prefixKeysValues(network, 'decoder', inputs.prefix);
  const bias = withPrefixBias(
    network,
    'decoder',
    positionBias(network, 'decoder', inputs.buckets),
    inputs.prefix,
  );
  const crossBias = additiveMask(inputs.encoderMask, CROSS_ATTENTION_MASK);
  const keys = network.dropout?.keys;
  const rowKeys = keys?.targetRows ?? null;
  return runStack(network, 'decoder', inputs.ids, rowKeys, (sublayer, block, x) => {
    const module = attentionModule(sublayer);
    if (sublayer.kind === 'cross-attention') {
      const crossed = keysValues(network, module, inputs.encoderHidden, batch, source);
      const drop = attentionDropout(network, rowKeys, keys?.sourceColumns, 0);
      return attend(network, module, x, crossed, { batch, queries: length, bias: crossBias, drop });
    }
    const own = withPrefix(keysValues(network, module, x, batch, length), prefixes?.[block]);
    const drop = attentionDropout(network, rowKeys, keys?.targetColumns, prefixLength(network.delta));
    return attend(network, module, x, own, { batch, queries: length, bias, drop });
  });
}

/**
 * One stack: embedding, then per sublayer `h + dropout(adapter(sublayer(norm(h))))`, then the final norm. `attention`
 * computes an attention sublayer on normed rows [batch * length, d_model].
 */
export function runStack(
  network: Network,
  stack: Stack,
  ids: Tensor,
  rowKeys: Tensor | null,
  attention: (sublayer: Sublayer, block: number, x: Tensor) => Tensor,
): StackOutput {
  const [batch = 0, length = 0] = ids.shape;
  const drop = (x: Tensor) =>
    network.dropout === null || rowKeys === null ? x : network.dropout.onRows(x, rowKeys);
  const flatIds = tf.reshape(ids, [batch * length]);
  let hidden = drop(lookUp(network.weights(EMBEDDING), flatIds, network.trainable));
  const blocks: Tensor[] = [];
  for (let block = 0; block < blockCount(network.architecture, stack); block++) {
    for (const sublayer of sublayersOf(stack, block)) {
      const normed = layerNorm(network, `${sublayer.name}.layer_norm.weight`, hidden);
      const output =
        sublayer.kind === 'feed-forward'
          ? feedForward(network, sublayer.name, normed, rowKeys)
          : attention(sublayer, block, normed);
      hidden = tf.add(hidden, drop(adapt(network, sublayer, output)));
    }
    blocks.push(hidden);
  }
  return { hidden: drop(layerNorm(network, `${stack}.final_layer_norm.weight`, hidden)), blocks };
}

/** Logits [rows, vocabulary] of decoder rows [rows, d_model], and the rows scaled as they enter the output product. */
export function outputLogits(network: Network, hidden: Tensor): { scaled: Tensor; logits: Tensor } {
  const { scalesLogits, modelSize } = network.architecture;
  const scaled = scalesLogits ? tf.mul(hidden, modelSize ** -0.5) : hidden;
  return { scaled, logits: tf.matMul(scaled, outputWeight(network), false, true) };
}

/** The output weight [vocabulary, d_model]. */
export function outputWeight(network: Network): Tensor {
  return network.weights(network.tied ? EMBEDDING : OUTPUT);
}

function layerNorm(network: Network, weight: string, x: Tensor): Tensor {
  return tf.mul(rmsNormalise(x, network.architecture.layerNormEpsilon), network.weights(weight));
}

function withPrefix(own: KeysValues, prefix: KeysValues | undefined): KeysValues {
  if (prefix === undefined) return own;
  return {
    keys: tf.concat([prefix.keys, own.keys], 2),
    values: tf.concat([prefix.values, own.values], 2),
  };
}

/**
 * Prepends the bias of the prefix positions. They sit at positions 0 to p-1 with the tokens after them, get the ordinary
 * bucket bias and are never masked.
 */
export function withPrefixBias(
  network: Network,
  stack: Stack,
  bias: Tensor,
  prefix: PrefixInputs | null,
): Tensor {
  if (prefix === null) return bias;
  const [batch = 0] = prefix.rows.shape;
  const ones = tf.reshape(prefix.rows, [batch, 1, 1, prefixLength(network.delta)]);
  // Both parts are carried to every row of the batch: concatenation does not broadcast.
  const ahead = tf.mul(positionBias(network, stack, prefix.buckets), ones);
  const one = tf.mean(ones, 3, true);
  return tf.concat([ahead, tf.mul(bias, one)], 3);
}

function attentionDropout(
  network: Network,
  rows: Tensor | null,
  columns: Tensor | undefined,
  prefix: number,
): AttentionOptions['drop'] {
  const dropout = network.dropout;
  if (dropout === null || rows === null || columns === undefined) return null;
  return (weights) => dropout.onAttention(weights, rows, columns, prefix);
}
