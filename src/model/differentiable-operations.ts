import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';

/**
 * Operations whose gradients TensorFlow.js would compose from many kernels, or compute for a frozen operand. Written by hand
 * they are faster and keep less alive between the passes; `test/model/differentiable-operations.test.ts` holds them to the
 * composed forms.
 */

type Save = (tensors: Tensor[]) => void;
type Gradient<Result> = (dy: Tensor, saved: Tensor[]) => Result;
type Forward = (x: Tensor, save: Save) => { value: Tensor; gradFunc: Gradient<Tensor> };
type ForwardOfTwo = (a: Tensor, b: Tensor, save: Save) => { value: Tensor; gradFunc: Gradient<Tensor[]> };

// TensorFlow.js types `save` as one more tensor.
type CustomGradient = Parameters<typeof tf.customGrad>[0];

function differentiable(forward: Forward): (x: Tensor) => Tensor {
  return tf.customGrad(forward as unknown as CustomGradient);
}

function differentiableInTwo(forward: ForwardOfTwo): (a: Tensor, b: Tensor) => Tensor {
  return tf.customGrad(forward as unknown as CustomGradient);
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

/**
 * 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): `gelu_new`. The forward pass is written in the very steps that ONNX Runtime
 * knows as FastGelu and runs as one node where no gradient needs the values between.
 */
export function geluNew(x: Tensor): Tensor {
  return differentiable((input, save) => {
    save([input]);
    return {
      value: geluForward(input),
      gradFunc: (dy, kept) => tf.mul(dy, geluAnew(saved(kept, 0)).slope),
    };
  })(x);
}

/** geluNew(x) * gate: the inner states of a gated feed-forward layer. Keeps nothing but its two operands between the passes. */
export function gatedGelu(x: Tensor, gate: Tensor): Tensor {
  return differentiableInTwo((input, factor, save) => {
    save([input, factor]);
    return {
      value: tf.mul(geluForward(input), factor),
      gradFunc: (dy, kept) => {
        const { value, slope } = geluAnew(saved(kept, 0));
        return [tf.mul(tf.mul(dy, saved(kept, 1)), slope), tf.mul(dy, value)];
      },
    };
  })(x, gate);
}

function geluForward(x: Tensor): Tensor {
  const bend = tf.add(tf.mul(tf.mul(x, GELU_CUBE), x), 1);
  const rise = tf.add(tf.tanh(tf.mul(tf.mul(x, GELU_SLOPE), bend)), 1);
  return tf.mul(tf.mul(x, 0.5), rise);
}

/**
 * gelu(x) and its derivative from x alone. With p = 2u the value is v = x s, s = sigmoid(p), and its derivative s + (1 - s) v p'.
 * Deliberately other operations than the forward pass has: ONNX Runtime joins equal ones and would keep their results alive from
 * pass to pass, which for a feed-forward layer are its largest.
 */
function geluAnew(x: Tensor): { value: Tensor; slope: Tensor } {
  const bent = tf.mul(tf.mul(x, 2 * GELU_SLOPE * GELU_CUBE), x);
  const s = tf.sigmoid(tf.mul(tf.add(bent, 2 * GELU_SLOPE), x));
  const value = tf.mul(x, s);
  const steepness = tf.add(tf.mul(bent, 3), 2 * GELU_SLOPE);
  return { value, slope: tf.add(tf.mul(tf.mul(value, steepness), tf.sub(1, s)), s) };
}

/**
 * The same values [1, ...] for every row of a batch: [batch, ...]. `ones` [batch, 1, ...] carries the number of rows; the gradient
 * is the plain sum over them.
 */
export function carryToRows(x: Tensor, ones: Tensor): Tensor {
  return differentiable((input) => ({
    value: tf.mul(input, ones),
    gradFunc: (dy) => tf.sum(dy, 0, true),
  }))(x);
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
