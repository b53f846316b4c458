import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { Random } from './random.js';

/**
 * All hashing happens modulo this prime, in float32: products stay below 2^24 and are exact, and no inexact division of a
 * GPU can carry a quotient across a whole number.
 */
export const DROPOUT_MODULUS = 1021;

/** What the host draws for one step; one vector per axis that varies from batch to batch. Values from 0 up to the modulus. */
export interface DropoutKeys {
  /** [batch, source]. */
  readonly sourceRows: Tensor;
  /** [batch, target]. */
  readonly targetRows: Tensor;
  /** [source]. */
  readonly sourceColumns: Tensor;
  /** [target]. */
  readonly targetColumns: Tensor;
}

/** x mod 1021 of whole numbers below 2^24. */
function modulo(x: Tensor): Tensor {
  const quotient = tf.floor(tf.mul(tf.add(x, 0.5), 1 / DROPOUT_MODULUS));
  return tf.sub(x, tf.mul(quotient, DROPOUT_MODULUS));
}

/**
 * Dropout whose masks come from a counter-based hash of row key, column key and place in the network: the same keys give the
 * same mask on every device. The share kept is a multiple of 1/1021, and the scale is exactly its inverse.
 */
export class Dropout {
  private place = 0;
  private readonly kept: number;

  constructor(
    readonly keys: DropoutKeys,
    rate: number,
  ) {
    this.kept = DROPOUT_MODULUS - Math.round(rate * DROPOUT_MODULUS);
  }

  /** On rows [batch * length, width]; `rows` are the keys [batch, length]. */
  onRows(x: Tensor, rows: Tensor): Tensor {
    const width = x.shape[1] ?? 0;
    const random = this.nextPlace();
    const columns = keyVector(random, width, [1, width]);
    const more = keyVector(random, width, [1, width]);
    return this.apply(x, tf.reshape(rows, [-1, 1]), columns, more, random);
  }

  /**
   * On attention weights [batch, heads, queries, keys]. `prefix` counts the leading keys that have no column key of their own.
   */
  onAttention(x: Tensor, rows: Tensor, columns: Tensor, prefix: number): Tensor {
    const heads = x.shape[1] ?? 0;
    const random = this.nextPlace();
    const [batch = 0, queries = 0] = rows.shape;
    const [tokens = 0] = columns.shape;
    let keys = tf.reshape(columns, [1, 1, 1, tokens]);
    if (prefix > 0) keys = tf.concat([keyVector(random, prefix, [1, 1, 1, prefix]), keys], 3);
    const perHead = keyVector(random, heads, [1, heads, 1, 1]);
    const moreHeads = keyVector(random, heads, [1, heads, 1, 1]);
    const first = modulo(tf.add(tf.mul(keys, perHead), moreHeads));
    const second = modulo(tf.add(tf.mul(keys, moreHeads), perHead));
    return this.apply(x, tf.reshape(rows, [batch, 1, queries, 1]), first, second, random);
  }

  private nextPlace(): Random {
    return new Random(0x5eed, this.place++);
  }

  private apply(x: Tensor, rows: Tensor, columns: Tensor, more: Tensor, random: Random): Tensor {
    // Two rounds: a product mixes row and column, its square breaks the linearity within a row.
    const mixed = modulo(tf.add(tf.mul(rows, columns), 1 + random.below(DROPOUT_MODULUS - 1)));
    const rowsHere = modulo(tf.mul(rows, 2 + random.below(DROPOUT_MODULUS - 2)));
    const hash = modulo(tf.add(tf.mul(mixed, mixed), tf.add(rowsHere, more)));
    const mask = tf.mul(tf.cast(tf.less(hash, this.kept), 'float32'), DROPOUT_MODULUS / this.kept);
    return tf.mul(x, mask);
  }
}

/** Constant keys of a fixed axis, from 1 up to the modulus. */
function keyVector(random: Random, length: number, shape: number[]): Tensor {
  const keys = Float32Array.from({ length }, () => 1 + random.below(DROPOUT_MODULUS - 1));
  return tf.tensor(keys, shape);
}

/** The keys of one step, on the host; `length` values from 1 up to the modulus. */
export function drawDropoutKeys(random: Random, length: number): Float32Array {
  return Float32Array.from({ length }, () => 1 + random.below(DROPOUT_MODULUS - 1));
}
