import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { blockCount, type Stack } from '../architecture.js';
import { carryToRows } from '../differentiable-operations.js';
import type { Network } from '../network.js';
import { prefixNames } from './shapes.js';

/** Keys and values [batch, heads, prefix, d_kv] that a block's self-attention sees before those of the tokens. */
export interface PrefixKeysValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** What the host gives for a prefix; sizes follow the batch, values are fixed. */
export interface PrefixInputs {
  /** Ones [batch, prefix]: carries the prefix to every row. */
  readonly rows: Tensor;
  /** Buckets [queries, prefix] of the relative positions. */
  readonly buckets: Tensor;
}

/**
 * Prefix tuning (Li and Liang 2021) as the reference computes it: `tanh(E W0^T) W2^T`, of shape
 * [prefix, 2 * blocks * inner], reinterpreted row-major as [blocks, 2, heads, prefix, d_kv] without a permutation.
 * One entry per block of the stack; null without a prefix.
 */
export function prefixKeysValues(
  network: Network,
  stack: Stack,
  inputs: PrefixInputs | null,
): readonly PrefixKeysValues[] | null {
  const delta = network.delta;
  if (delta?.settings.type !== 'prefix') return null;
  if (inputs === null) throw new RangeError('A prefix needs its rows and buckets.');
  const { heads, headSize } = network.architecture;
  const blocks = blockCount(network.architecture, stack);
  const length = delta.settings.length;
  const names = prefixNames(stack);
  const hidden = tf.tanh(tf.matMul(delta.tensors(names.embedding), delta.tensors(names.down), false, true));
  const flat = tf.matMul(hidden, delta.tensors(names.up), false, true);
  // Split, whose gradient is one concatenation: a slice per block would pad the whole tensor once for each.
  const parts = tf.split(tf.reshape(flat, [2 * blocks, heads * length * headSize]), 2 * blocks, 0);
  const [batch = 0] = inputs.rows.shape;
  const rows = tf.reshape(inputs.rows, [batch, 1, length, 1]);
  const carried = parts.map((part) => carryToRows(tf.reshape(part, [1, heads, length, headSize]), rows));
  return Array.from({ length: blocks }, (_, block) => {
    const [keys, values] = [carried[2 * block], carried[2 * block + 1]];
    if (keys === undefined || values === undefined) throw new RangeError(`No prefix for block ${block}.`);
    return { keys, values };
  });
}
