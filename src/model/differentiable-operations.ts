import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';

/**
 * Operations whose gradients TensorFlow.js would compose from many kernels, or compute for a frozen operand. Written by hand
 * they are faster and keep less alive between the passes; `test/model/differentiable-operations.test.ts` holds them to the
 * composed forms.
 */

type Save = (tensors: Tensor[]) => void;
type Forward = (
  x: Tensor,
  save: Save,
) => { value: Tensor; gradFunc: (dy: Tensor, saved: Tensor[]) => Tensor };

function differentiable(forward: Forward): (x: Tensor) => Tensor {
  // TensorFlow.js types `save` as one more tensor.
  return tf.customGrad(forward as unknown as Parameters<typeof tf.customGrad>[0]);
}

function saved(tensors: readonly Tensor[], index: number): Tensor {
  const tensor = tensors[index];
  if (tensor === undefined) throw new RangeError(`No saved tensor ${index}.`);
  return tensor;
}

/** x / sqrt(mean(x^2) + epsilon) over the last axis: T5's layer norm before its weight. */
export function rmsNormalise(x: Tensor, epsilon: number): Tensor {
  return differentiable((input, save) => {
    const scale = tf.sqrt(tf.add(tf.mean(tf.mul(input, input), -1, true), epsilon));
    const value = tf.div(input, scale);
    save([value, scale]);
    return {
      value,
      gradFunc: (dy, kept) => {
        const y = saved(kept, 0);
        const along = tf.mean(tf.mul(dy, y), -1, true);
        return tf.div(tf.sub(dy, tf.mul(y, along)), saved(kept, 1));
      },
    };
  })(x);
}

const GELU_SLOPE = Math.sqrt(2 / Math.PI);
const GELU_CUBE = 0.044715;

/** 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): `gelu_new`. */
export function geluNew(x: Tensor): Tensor {
  return differentiable((input, save) => {
    const value = input;
    const square = tf.mul(value, value);
    const inner = tf.mul(value, tf.add(tf.mul(square, GELU_SLOPE * GELU_CUBE), GELU_SLOPE));
    const tanh = tf.tanh(inner);
    const half = tf.mul(value, 0.5);
    save([value, tanh]);
    return {
      value: tf.add(half, tf.mul(half, tanh)),
      gradFunc: (dy, kept) => {
        const [point, t] = [saved(kept, 0), saved(kept, 1)];
        const slope = tf.add(tf.mul(tf.mul(point, point), 1.5 * GELU_SLOPE * GELU_CUBE), 0.5 * GELU_SLOPE);
        const rise = tf.mul(tf.mul(point, slope), tf.sub(1, tf.mul(t, t)));
        return tf.mul(dy, tf.add(tf.add(tf.mul(t, 0.5), 0.5), rise));
      },
    };
  })(x);
}

/** Softmax over the last axis. */
export function softmax(x: Tensor): Tensor {
  return differentiable((input, save) => {
    const value = tf.softmax(input, -1);
    save([value]);
    return {
      value,
      gradFunc: (dy, kept) => {
        const y = saved(kept, 0);
        return tf.mul(tf.sub(dy, tf.sum(tf.mul(dy, y), -1, true)), y);
      },
    };
  })(x);
}

/** log(sum(exp(x))) over the last axis of [rows, n] -> [rows, 1]. Its gradient is softmax(x): no one-hot is built. */
export function logSumExp(x: Tensor): Tensor {
  return differentiable((input, save) => {
    const value = input;
    const largest = tf.max(value, -1, true);
    const exponentials = tf.exp(tf.sub(value, largest));
    const total = tf.sum(exponentials, -1, true);
    save([exponentials, total]);
    return {
      value: tf.add(tf.log(total), largest),
      gradFunc: (dy, kept) => tf.mul(saved(kept, 0), tf.div(dy, saved(kept, 1))),
    };
  })(x);
}

/**
 * Rows of a table [n, width] by int32 ids [rows] -> [rows, width]. The gradient with respect to the table is a product with
 * the one-hot ids, so it costs rows x n x width: meant for the small tables that are trained here. A frozen table costs
 * nothing, as its gradient is never asked for.
 */
export function lookUp(table: Tensor, ids: Tensor, trainable: boolean): Tensor {
  if (!trainable) return tf.gather(table, ids);
  const [rows = 0] = table.shape;
  return differentiable((input) => ({
    value: tf.gather(input, ids),
    gradFunc: (dy) => tf.matMul(tf.cast(tf.oneHot(ids, rows), 'float32'), dy, true, false),
  }))(table);
}
