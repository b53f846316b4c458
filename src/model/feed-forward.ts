import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { gatedGelu } from './differentiable-operations.js';
import type { Network } from './network.js';

/** The feed-forward sublayer on [rows, d_model]; `rowKeys` [batch, length] are for dropout. */
export function feedForward(network: Network, sublayer: string, x: Tensor, rowKeys: Tensor | null): Tensor {
  const dense = (name: string, input: Tensor) =>
    tf.matMul(input, network.weights(`${sublayer}.DenseReluDense.${name}.weight`), false, true);
  const inner =
    network.architecture.feedForward === 'relu'
      ? tf.relu(dense('wi', x))
      : gatedGelu(dense('wi_0', x), dense('wi_1', x));
  const dropped =
    network.dropout === null || rowKeys === null ? inner : network.dropout.onRows(inner, rowKeys);
  return dense('wo', dropped);
}
