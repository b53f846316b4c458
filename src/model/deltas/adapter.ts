import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import type { AdapterSettings } from '../../core/delta-settings.js';
import type { Sublayer } from '../architecture.js';
import { geluNew } from '../differentiable-operations.js';
import type { Network } from '../network.js';
import { adapterNames } from './shapes.js';

/** `s + f(s A) B` on a sublayer's output s [rows, d_model], where the sublayer carries an adapter (Houlsby et al. 2019). */
export function adapt(network: Network, sublayer: Sublayer, output: Tensor): Tensor {
  const delta = network.delta;
  if (delta?.settings.type !== 'adapter' || !delta.settings.placement.includes(sublayer.kind)) return output;
  const names = adapterNames(sublayer.name);
  const bottleneck = activate(delta.settings, tf.matMul(output, delta.tensors(names.down)));
  return tf.add(output, tf.matMul(bottleneck, delta.tensors(names.up)));
}

function activate({ nonlinearity }: AdapterSettings, x: Tensor): Tensor {
  switch (nonlinearity) {
    case 'silu':
      return tf.mul(x, tf.sigmoid(x));
    case 'relu':
      return tf.relu(x);
    case 'gelu_new':
      return geluNew(x);
    case 'tanh':
      return tf.tanh(x);
    case 'identity':
      return x;
  }
}
