import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { relativeBiasName, type Stack } from './architecture.js';
import { lookUp, softmax } from './differentiable-operations.js';
import { project } from './deltas/lora.js';
import type { Network } from './network.js';

/** Additive masks of the reference: enough to silence a key, small enough to stay finite. */
export const SELF_ATTENTION_MASK = -10000;
export const CROSS_ATTENTION_MASK = -1e9;

/** [batch * length, heads * d_kv] -> [batch, heads, length, d_kv]. */
function splitHeads(network: Network, x: Tensor, batch: number, length: number): Tensor {
  const { heads, headSize } = network.architecture;
  return tf.transpose(tf.reshape(x, [batch, length, heads, headSize]), [0, 2, 1, 3]);
}

export interface KeysValues {
  /** [batch, heads, keys, d_kv] */
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** Keys and values of the rows x [batch * length, d_model]. */
export function keysValues(
  network: Network,
  module: string,
  x: Tensor,
  batch: number,
  length: number,
): KeysValues {
  return {
    keys: splitHeads(network, project(network, module, 'k', x), batch, length),
    values: splitHeads(network, project(network, module, 'v', x), batch, length),
  };
}

export interface AttentionOptions {
  readonly batch: number;
  readonly queries: number;
  /** Added to the scores; broadcasts to [batch, heads, queries, keys]. */
  readonly bias: Tensor;
  /** Drops attention weights; given when the network has dropout. */
  readonly drop: ((weights: Tensor) => Tensor) | null;
}

/**
 * softmax(q k^T + bias) v for the rows x [batch * queries, d_model], then the output projection: T5 does not scale by
 * 1/sqrt(d_kv).
 */
export function attend(
  network: Network,
  module: string,
  x: Tensor,
  { keys, values }: KeysValues,
  { batch, queries, bias, drop }: AttentionOptions,
): Tensor {
  const { heads, headSize } = network.architecture;
  const q = splitHeads(network, project(network, module, 'q', x), batch, queries);
  const weights = softmax(tf.add(tf.matMul(q, keys, false, true), bias));
  const context = tf.matMul(drop === null ? weights : drop(weights), values);
  const merged = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [batch * queries, heads * headSize]);
  return project(network, module, 'o', merged);
}

/**
 * The relative position bias [1, heads, queries, keys] of a stack for int32 buckets [queries, keys]. Bucket number
 * `relativeBuckets` hides a key.
 */
export function positionBias(network: Network, stack: Stack, buckets: Tensor): Tensor {
  const { heads } = network.architecture;
  const [queries = 0, keys = 0] = buckets.shape;
  const table = tf.concat(
    [network.weights(relativeBiasName(stack)), tf.fill([1, heads], SELF_ATTENTION_MASK)],
    0,
  );
  const bias = lookUp(table, tf.reshape(buckets, [queries * keys]), network.trainable);
  return tf.reshape(tf.transpose(bias, [1, 0]), [1, heads, queries, keys]);
}

/** [batch, keys], 1 where a key may be seen -> additive [batch, 1, 1, keys]. */
export function additiveMask(mask: Tensor, hidden: number): Tensor {
  const [batch = 0, keys = 0] = mask.shape;
  return tf.reshape(tf.mul(tf.sub(1, mask), hidden), [batch, 1, 1, keys]);
}
