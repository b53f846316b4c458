import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import type { Network } from '../network.js';
import { loraNames } from './shapes.js';

/**
 * An attention projection `x W^T` of x [rows, in], W [out, in], plus `(x A B) alpha / r` where it carries LoRA (Hu et al.
 * 2021). The scale is applied to the narrow product.
 */
export function project(
  network: Network,
  module: string,
  projection: 'q' | 'k' | 'v' | 'o',
  x: Tensor,
): Tensor {
  const plain = tf.matMul(x, network.weights(`${module}.${projection}.weight`), false, true);
  const delta = network.delta;
  if (delta?.settings.type !== 'lora' || !delta.settings.targetModules.includes(projection)) return plain;
  const names = loraNames(module, projection);
  const narrow = tf.mul(tf.matMul(x, delta.tensors(names.down)), delta.settings.alpha / delta.settings.rank);
  return tf.add(plain, tf.matMul(narrow, delta.tensors(names.up)));
}
