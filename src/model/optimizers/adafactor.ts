import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { sizeOfShape } from '../../core/tensor.js';
import { stateTensor, type Optimizer } from './contract.js';

export interface AdafactorOptions {
  readonly weightDecay: number;
  /** Multiplies the rate by max(1e-3, rms(parameter)): Hugging Face's `scale_parameter`. Off for deltas, as in the reference. */
  readonly scaleParameter: boolean;
}

const EPSILON = 1e-30;
const SMALLEST_SCALE = 1e-3;
const CLIP_THRESHOLD = 1;
const DECAY_RATE = -0.8;

/**
 * Adafactor (Shazeer and Stern 2018) with the semantics of Hugging Face's `Adafactor(relative_step=False, beta1=None)`:
 * u = g^2 + 1e-30; row and column means of u decay by beta_k = 1 - k^-0.8; the update g / sqrt(R / mean(R) C) is scaled down to
 * an RMS of at most 1. Tensors of one axis keep their whole second moment.
 */
export function adafactor({ weightDecay, scaleParameter }: AdafactorOptions): Optimizer {
  return {
    stateShapes: (shape) =>
      shape.length < 2
        ? { exp_avg_sq: shape }
        : { exp_avg_sq_row: shape.slice(0, -1), exp_avg_sq_col: [...shape.slice(0, -2), ...shape.slice(-1)] },
    scalars: (step) => ({ first: 1 - step ** DECAY_RATE, second: 0 }),
    update(parameter, gradient, state, { learningRate, first: beta }) {
      const square = tf.add(tf.mul(gradient, gradient), EPSILON);
      const decayed = (name: string, fresh: Tensor) =>
        tf.add(tf.mul(stateTensor(state, name), beta), tf.mul(fresh, tf.sub(1, beta)));
      let update: Tensor;
      let next: Record<string, Tensor>;
      if (parameter.rank - 1 < 2) {
        const average = decayed('exp_avg_sq', square);
        next = { exp_avg_sq: average };
        update = tf.div(gradient, tf.sqrt(average));
      } else {
        const row = decayed('exp_avg_sq_row', tf.mean(square, -1));
        const column = decayed('exp_avg_sq_col', tf.mean(square, -2));
        next = { exp_avg_sq_row: row, exp_avg_sq_col: column };
        const byRow = tf.sqrt(tf.expandDims(tf.div(row, tf.mean(row, -1, true)), -1));
        const byColumn = tf.sqrt(tf.expandDims(column, -2));
        update = tf.div(tf.div(gradient, byRow), byColumn);
      }
      update = tf.div(update, tf.maximum(tf.div(rootMeanSquares(update), CLIP_THRESHOLD), 1));
      const rate = scaleParameter
        ? tf.mul(learningRate, tf.maximum(rootMeanSquares(parameter), SMALLEST_SCALE))
        : learningRate;
      const kept =
        weightDecay === 0 ? parameter : tf.sub(parameter, tf.mul(parameter, tf.mul(rate, weightDecay)));
      return { parameter: tf.sub(kept, tf.mul(update, rate)), state: next };
    },
  };
}

/** Of each tensor of a stack [n, ...shape]: [n, 1, ...]. */
function rootMeanSquares(stack: Tensor): Tensor {
  const [, ...shape] = stack.shape;
  const axes = shape.map((_, index) => index + 1);
  return tf.sqrt(tf.div(tf.sum(tf.mul(stack, stack), axes, true), sizeOfShape(shape)));
}
