import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { attentionModule, blockCount } from './architecture.js';
import {
  additiveMask,
  attend,
  CROSS_ATTENTION_MASK,
  keysValues,
  positionBias,
  type KeysValues,
} from './attention.js';
import { prefixKeysValues, type PrefixInputs } from './deltas/prefix.js';
import type { Network } from './network.js';
import { outputLogits, runStack, withPrefixBias } from './stack.js';

/** What greedy decoding keeps between steps: per decoder block, keys and values [batch, heads, length, d_kv]. */
export interface DecodingCache {
  /** Of the prefix, the start token and the tokens so far. */
  readonly own: readonly KeysValues[];
  /** Of the encoder's output; computed once. */
  readonly cross: readonly KeysValues[];
}

export interface DecodingStep {
  /** int32 [batch]: the most probable next token; the first of equals. */
  readonly next: Tensor;
  readonly cache: DecodingCache;
}

/** The first step: reads the encoder's hidden states [batch * source, d_model] and the start token, int32 [batch]. */
export function beginDecoding(
  network: Network,
  inputs: {
    readonly start: Tensor;
    readonly encoderHidden: Tensor;
    readonly encoderMask: Tensor;
    readonly prefix: PrefixInputs | null;
  },
): DecodingStep {
  const [batch = 0, source = 0] = inputs.encoderMask.shape;
  const prefixes = prefixKeysValues(network, 'decoder', inputs.prefix);
  const cross = Array.from({ length: blockCount(network.architecture, 'decoder') }, (_, block) => {
    const module = attentionModule({ name: `decoder.block.${block}.layer.1`, kind: 'cross-attention' });
    return keysValues(network, module, inputs.encoderHidden, batch, source);
  });
  const bias = withPrefixBias(
    network,
    'decoder',
    positionBias(network, 'decoder', ownBucket()),
    inputs.prefix,
  );
  return step(network, inputs.start, inputs.encoderMask, bias, prefixes, cross);
}

/** A further step: the last token, int32 [batch], and the buckets, int32 [1, past], of the keys in the cache. */
export function continueDecoding(
  network: Network,
  inputs: {
    readonly last: Tensor;
    readonly encoderMask: Tensor;
    readonly pastBuckets: Tensor;
    readonly cache: DecodingCache;
  },
): DecodingStep {
  const buckets = tf.concat([inputs.pastBuckets, ownBucket()], 1);
  const bias = positionBias(network, 'decoder', buckets);
  return step(network, inputs.last, inputs.encoderMask, bias, inputs.cache.own, inputs.cache.cross);
}

/** A token's own relative position is 0, and so is the bucket. */
function ownBucket(): Tensor {
  return tf.tensor([0], [1, 1], 'int32');
}

function step(
  network: Network,
  ids: Tensor,
  encoderMask: Tensor,
  bias: Tensor,
  past: readonly KeysValues[] | null,
  cross: readonly KeysValues[],
): DecodingStep {
  const [batch = 0] = ids.shape;
  const crossBias = additiveMask(encoderMask, CROSS_ATTENTION_MASK);
  const own: KeysValues[] = [];
  const { hidden } = runStack(network, 'decoder', tf.reshape(ids, [batch, 1]), null, (sublayer, block, x) => {
    const module = attentionModule(sublayer);
    const options = { batch, queries: 1, drop: null };
    if (sublayer.kind === 'cross-attention') {
      return attend(network, module, x, at(cross, block), { ...options, bias: crossBias });
    }
    const fresh = keysValues(network, module, x, batch, 1);
    const before = past?.[block];
    const all =
      before === undefined
        ? fresh
        : {
            keys: tf.concat([before.keys, fresh.keys], 2),
            values: tf.concat([before.values, fresh.values], 2),
          };
    own.push(all);
    return attend(network, module, x, all, { ...options, bias });
  });
  const next = tf.cast(tf.argMax(outputLogits(network, hidden).logits, -1), 'int32');
  return { next, cache: { own, cross } };
}

/** The cache and mask of the rows that go on, in the order of the int32 indices. */
export function keepRows(
  rows: Tensor,
  encoderMask: Tensor,
  cache: DecodingCache,
): { encoderMask: Tensor; cache: DecodingCache } {
  const keep = ({ keys, values }: KeysValues): KeysValues => ({
    keys: tf.gather(keys, rows),
    values: tf.gather(values, rows),
  });
  return {
    encoderMask: tf.gather(encoderMask, rows),
    cache: { own: cache.own.map(keep), cross: cache.cross.map(keep) },
  };
}

function at(items: readonly KeysValues[], index: number): KeysValues {
  const item = items[index];
  if (item === undefined) throw new RangeError(`The cache has no block ${index}.`);
  return item;
}
