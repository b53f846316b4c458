import * as tf from '@tensorflow/tfjs';

/**
 * Gradients that TensorFlow.js defines in a way that a size leaks through or that is wrong for broadcasting operands,
 * defined anew for every device, so that compiled and eager runs differentiate alike.
 */
export function registerGradients(): void {
  for (const gradient of [sumGradient, meanGradient, tileGradient, matMulGradient]) {
    const registered = tf.getGradient(gradient.kernelName);
    // Asked each time: a native package that is loaded later brings its own TensorFlow.js, which registers its own again.
    if (registered.gradFunc === gradient.gradFunc) continue;
    tf.unregisterGradient(gradient.kernelName);
    tf.registerGradient(gradient);
  }
}

/** The shape of `x` with 1 along the reduced axes. */
function keptShape(x: tf.Tensor, axis: unknown): number[] {
  const axes = tf.util.parseAxisParam(
    (axis ?? x.shape.map((_, index) => index)) as number | number[],
    x.shape,
  );
  return x.shape.map((size, index) => (axes.includes(index) ? 1 : size));
}

// The library's own multiply by `ones(shape)`, allocated in full.
const sumGradient: tf.GradConfig = {
  kernelName: 'Sum',
  inputsToSave: ['x'],
  gradFunc: (dy, saved, attributes) => {
    const x = saved[0] as tf.Tensor;
    return {
      x: () =>
        tf.mul(tf.reshape(dy as tf.Tensor, keptShape(x, attributes['axis'])), tf.onesLike(x.toFloat())),
    };
  },
};

const meanGradient: tf.GradConfig = {
  kernelName: 'Mean',
  inputsToSave: ['x'],
  gradFunc: (dy, saved, attributes) => {
    const x = saved[0] as tf.Tensor;
    return {
      x: () => {
        const shape = keptShape(x, attributes['axis']);
        const count = x.shape.reduce((size, own, axis) => (shape[axis] === own ? size : size * own), 1);
        return tf.mul(tf.div(tf.reshape(dy as tf.Tensor, shape), tf.scalar(count)), tf.onesLike(x.toFloat()));
      },
    };
  },
};

// The library's own adds up one slice per repetition.
const tileGradient: tf.GradConfig = {
  kernelName: 'Tile',
  inputsToSave: ['x'],
  gradFunc: (dy, saved, attributes) => {
    const x = saved[0] as tf.Tensor;
    const repetitions = attributes['reps'] as number[];
    return {
      x: () => {
        const shape: number[] = [];
        const repeated: number[] = [];
        x.shape.forEach((size, axis) => {
          const times = repetitions[axis] ?? 1;
          if (times !== 1) {
            repeated.push(shape.length);
            shape.push(times);
          }
          shape.push(size);
        });
        if (repeated.length === 0) return (dy as tf.Tensor).clone();
        return tf.reshape(tf.sum(tf.reshape(dy as tf.Tensor, shape), repeated), x.shape);
      },
    };
  },
};

/** Sums a gradient over the batch axes along which the operand was repeated. */
function reduceTo(gradient: tf.Tensor, like: tf.Tensor): tf.Tensor {
  const extra = gradient.rank - like.rank;
  const axes = gradient.shape.flatMap((size, axis) => {
    const own = axis < extra ? 1 : (like.shape[axis - extra] ?? 1);
    return axis < extra || (own === 1 && size !== 1) ? [axis] : [];
  });
  return axes.length === 0 ? gradient : tf.reshape(tf.sum(gradient, axes), like.shape);
}

/**
 * The gradient of a matrix that a whole batch is multiplied by. A plain matrix (rank 2, shared by every row of the
 * batch) is treated as one product of flattened operands, instead of one product per row and a sum.
 */
function sharedMatrixGradient(other: tf.Tensor, dy: tf.Tensor, transposed: boolean): tf.Tensor {
  const rows = (x: tf.Tensor): tf.Tensor2D => {
    const width = x.shape[x.rank - 1] ?? 1;
    return tf.reshape(x, [x.size / width, width]);
  };
  return transposed
    ? tf.matMul(rows(dy), rows(other), true, false)
    : tf.matMul(rows(other), rows(dy), true, false);
}

// The library's own forgets to sum over batch axes that were broadcast.
const matMulGradient: tf.GradConfig = {
  kernelName: 'BatchMatMul',
  inputsToSave: ['a', 'b'],
  gradFunc: (gradient, saved, attributes) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const dy = gradient as tf.Tensor;
    const transposeA = attributes['transposeA'] === true;
    const transposeB = attributes['transposeB'] === true;
    const ofA = (): tf.Tensor =>
      transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB);
    const ofB = (): tf.Tensor =>
      transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false);
    return {
      a: () => reduceTo(ofA(), a),
      b: () =>
        b.rank === 2 && a.rank > 2 && !transposeA
          ? sharedMatrixGradient(a, dy, transposeB)
          : reduceTo(ofB(), b),
    };
  },
};
