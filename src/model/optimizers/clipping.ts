import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';

/** The norm, shape [], of all gradients taken as one vector. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  const squares = gradients.map((gradient) => tf.reshape(tf.sum(tf.mul(gradient, gradient)), [1]));
  return tf.sqrt(tf.sum(tf.concat(squares, 0)));
}

/** Scales by min(1, limit / (norm + 1e-6)), as PyTorch's clip_grad_norm_; a limit of 0 leaves the gradients alone. */
export function clipByGlobalNorm(gradients: readonly Tensor[], norm: Tensor, limit: number): Tensor[] {
  if (limit === 0) return [...gradients];
  const factor = tf.minimum(tf.div(limit, tf.add(norm, 1e-6)), 1);
  return gradients.map((gradient) => tf.mul(gradient, factor));
}
