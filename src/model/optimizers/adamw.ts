import * as tf from '@tensorflow/tfjs';
import { stateTensor, type Optimizer } from './contract.js';

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** AdamW (Loshchilov and Hutter 2019) as PyTorch's: betas 0.9 and 0.999, epsilon 1e-8, decay applied before the update. */
export function adamw({ weightDecay }: { weightDecay: number }): Optimizer {
  return {
    stateShapes: (shape) => ({ exp_avg: shape, exp_avg_sq: shape }),
    scalars: (step) => ({ first: 1 - BETA1 ** step, second: 1 - BETA2 ** step }),
    update(parameter, gradient, state, { learningRate, first, second }) {
      const mean = tf.add(tf.mul(stateTensor(state, 'exp_avg'), BETA1), tf.mul(gradient, 1 - BETA1));
      const square = tf.add(
        tf.mul(stateTensor(state, 'exp_avg_sq'), BETA2),
        tf.mul(tf.mul(gradient, gradient), 1 - BETA2),
      );
      const deviation = tf.add(tf.sqrt(tf.div(square, second)), EPSILON);
      const update = tf.div(tf.div(mean, first), deviation);
      const kept =
        weightDecay === 0
          ? parameter
          : tf.sub(parameter, tf.mul(parameter, tf.mul(learningRate, weightDecay)));
      return {
        parameter: tf.sub(kept, tf.mul(update, learningRate)),
        state: { exp_avg: mean, exp_avg_sq: square },
      };
    },
  };
}
