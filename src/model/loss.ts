import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { logSumExp, lookUp } from './differentiable-operations.js';
import type { Network } from './network.js';
import { outputLogits, outputWeight } from './stack.js';

/**
 * Cross entropy per label token, [rows], of decoder rows [rows, d_model] and int32 labels [rows]. The label's logit is the
 * product of its row of the output weight, so no one-hot of the vocabulary's width is built in either direction.
 */
export function tokenLosses(network: Network, hidden: Tensor, labels: Tensor): Tensor {
  const { scaled, logits } = outputLogits(network, hidden);
  const own = tf.sum(tf.mul(scaled, lookUp(outputWeight(network), labels, network.trainable)), -1, true);
  const [rows = 0] = labels.shape;
  return tf.reshape(tf.sub(logSumExp(logits), own), [rows]);
}

/** The mean of the token losses over the labels that count; `mask` [rows] is 1 there. A batch without labels gives 0. */
export function meanTokenLoss(losses: Tensor, mask: Tensor): Tensor {
  return tf.div(tf.sum(tf.mul(losses, mask)), tf.maximum(tf.sum(mask), 1));
}
