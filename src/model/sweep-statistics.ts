import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { logSumExp } from './differentiable-operations.js';

/** Per label token, [rows] each; not masked. */
export interface TokenStatistics {
  readonly loss: Tensor;
  /** || p - onehot(y) ||_2 (Paul et al. 2021). */
  readonly el2n: Tensor;
  /** cos(p, onehot(y)) = p_y / || p ||. */
  readonly logitsLabelCosine: Tensor;
}

/** log softmax over the vocabulary, [rows, vocabulary]. */
export function logProbabilities(logits: Tensor): Tensor {
  return tf.sub(logits, logSumExp(logits));
}

/** What a sweep reads of the distributions at the label tokens; everything of the vocabulary's width stays on the device. */
export function tokenStatistics(logProbability: Tensor, labels: Tensor): TokenStatistics {
  const [rows = 0, vocabulary = 0] = logProbability.shape;
  // The label's own entry is gathered, and the others are summed without it: no one-hot, and no cancellation near p_y = 1.
  const own = tf.gatherND(logProbability, tf.stack([tf.range(0, rows, 1, 'int32'), labels], 1));
  const ownProbability = tf.exp(own);
  const isOther = tf.notEqual(tf.range(0, vocabulary, 1, 'int32'), tf.reshape(labels, [rows, 1]));
  const others = tf.mul(tf.exp(logProbability), tf.cast(isOther, 'float32'));
  const squares = tf.sum(tf.mul(others, others), -1);
  const gap = tf.sub(1, ownProbability);
  return {
    loss: tf.neg(own),
    el2n: tf.sqrt(tf.add(squares, tf.mul(gap, gap))),
    logitsLabelCosine: tf.div(
      ownProbability,
      tf.sqrt(tf.add(squares, tf.mul(ownProbability, ownProbability))),
    ),
  };
}

/**
 * KL(P || Q) per token, [rows], of log probabilities [rows, vocabulary]. Entries that are exactly 0 in P or in Q are left
 * out and both are normalised again, as the reference does.
 */
export function klDivergence(logP: Tensor, logQ: Tensor): Tensor {
  const [rows = 0] = logP.shape;
  const [p, q] = [tf.exp(logP), tf.exp(logQ)];
  const both = tf.cast(tf.logicalAnd(tf.greater(p, 0), tf.greater(q, 0)), 'float32');
  const keptP = tf.mul(p, both);
  const totalP = tf.sum(keptP, -1);
  const totalQ = tf.sum(tf.mul(q, both), -1);
  const raw = tf.sum(tf.mul(keptP, tf.sub(logP, logQ)), -1);
  return tf.reshape(tf.add(tf.div(raw, totalP), tf.log(tf.div(totalQ, totalP))), [rows]);
}

/** The smallest product of norms that a cosine divides by, as in PyTorch's cosine_similarity. */
const SMALLEST_NORM = 1e-8;

/**
 * The cosine, [batch], of two hidden states [batch * length, d_model] flattened over the positions of each row where `mask`
 * [batch, length] is 1.
 */
export function hiddenCosine(a: Tensor, b: Tensor, mask: Tensor): Tensor {
  const [batch = 0, length = 0] = mask.shape;
  const width = a.shape[1] ?? 0;
  const ones = tf.reshape(mask, [batch * length, 1]);
  const shaped = (x: Tensor) => tf.reshape(tf.mul(x, ones), [batch, length * width]);
  const [left, right] = [shaped(a), shaped(b)];
  const dot = tf.sum(tf.mul(left, right), -1);
  const norms = tf.mul(tf.sqrt(tf.sum(tf.mul(left, left), -1)), tf.sqrt(tf.sum(tf.mul(right, right), -1)));
  return tf.div(dot, tf.maximum(norms, SMALLEST_NORM));
}
