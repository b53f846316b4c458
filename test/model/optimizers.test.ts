import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { adafactor } from '../../src/model/optimizers/adafactor.js';
import { adamw } from '../../src/model/optimizers/adamw.js';
import { clipByGlobalNorm, globalNorm } from '../../src/model/optimizers/clipping.js';
import type { Optimizer } from '../../src/model/optimizers/contract.js';
import { Random } from '../../src/model/random.js';
import { scheduleFactor } from '../../src/model/optimizers/schedule.js';

beforeAll(() => tf.setBackend('cpu'));

type Step = (
  optimizer: Optimizer,
  parameter: Tensor,
  gradient: Tensor,
  state: Record<string, Tensor>,
  count: number,
  rate: number,
) => ReturnType<Optimizer['update']>;

const stackStep: Step = (optimizer, parameter, gradient, state, count, rate) => {
  const { first, second } = optimizer.scalars(count);
  return optimizer.update(parameter, gradient, state, {
    learningRate: tf.tensor([rate]),
    first: tf.tensor([first]),
    second: tf.tensor([second]),
  });
};

/** A stack of one. */
const step: Step = (optimizer, parameter, gradient, state, count, rate) => {
  const after = stackStep(
    optimizer,
    tf.expandDims(parameter),
    tf.expandDims(gradient),
    mapped(state, (tensor) => tf.expandDims(tensor)),
    count,
    rate,
  );
  return {
    parameter: tf.squeeze(after.parameter, [0]),
    state: mapped(after.state, (tensor) => tf.squeeze(tensor, [0])),
  };
};

function mapped(
  tensors: Readonly<Record<string, Tensor>>,
  change: (tensor: Tensor) => Tensor,
): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, change(tensor)]));
}

function initialState(optimizer: Optimizer, shape: number[]): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(optimizer.stateShapes(shape)).map(([name, size]) => [name, tf.zeros([...size])]),
  );
}

describe('AdamW', () => {
  it('moves by the rate against the sign at first, and decays apart from the gradient', () => {
    const optimizer = adamw({ weightDecay: 0.1 });
    const { parameter } = step(
      optimizer,
      tf.tensor([1, -2]),
      tf.tensor([0.5, -0.001]),
      initialState(optimizer, [2]),
      1,
      0.01,
    );
    const [a, b] = parameter.dataSync();
    expect(a).toBeCloseTo(1 * (1 - 0.001) - 0.01, 6);
    expect(b).toBeCloseTo(-2 * (1 - 0.001) + 0.01, 5);
  });

  it('corrects the bias of later steps as the formulas say', () => {
    const optimizer = adamw({ weightDecay: 0 });
    let state = initialState(optimizer, [1]);
    let parameter: Tensor = tf.tensor([0]);
    let [m, v, expected] = [0, 0, 0];
    for (const [index, g] of [0.3, -0.1, 0.7].entries()) {
      ({ parameter, state } = step(optimizer, parameter, tf.tensor([g]), state, index + 1, 0.05));
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      const [mHat, vHat] = [m / (1 - 0.9 ** (index + 1)), v / (1 - 0.999 ** (index + 1))];
      expected -= (0.05 * mHat) / (Math.sqrt(vHat) + 1e-8);
    }
    expect(parameter.dataSync()[0]).toBeCloseTo(expected, 5);
  });
});

describe('Adafactor', () => {
  it('factors a matrix into row and column means, and keeps vectors whole', () => {
    const optimizer = adafactor({ weightDecay: 0, scaleParameter: false });
    expect(optimizer.stateShapes([3, 4])).toEqual({ exp_avg_sq_row: [3], exp_avg_sq_col: [4] });
    expect(optimizer.stateShapes([5])).toEqual({ exp_avg_sq: [5] });
  });

  it('divides a rank-1 gradient into its signs', () => {
    const optimizer = adafactor({ weightDecay: 0, scaleParameter: false });
    const gradient = tf.outerProduct(tf.tensor1d([1, -2, 3]), tf.tensor1d([0.1, 5]));
    const { parameter } = step(
      optimizer,
      tf.zeros([3, 2]),
      gradient,
      initialState(optimizer, [3, 2]),
      1,
      0.01,
    );
    const signs = [-1, -1, 1, 1, -1, -1].map((sign) => sign * 0.01);
    parameter.dataSync().forEach((value, i) => expect(value).toBeCloseTo(signs[i] ?? 0, 5));
  });

  it('scales the rate by the RMS of the parameter where asked', () => {
    const gradient = tf.tensor([1, -1]);
    const moved = [false, true].map((scaleParameter) => {
      const optimizer = adafactor({ weightDecay: 0, scaleParameter });
      const { parameter } = step(
        optimizer,
        tf.tensor([4, -4]),
        gradient,
        initialState(optimizer, [2]),
        1,
        0.01,
      );
      return 4 - (parameter.dataSync()[0] ?? 0);
    });
    expect(moved[0]).toBeCloseTo(0.01, 5);
    expect(moved[1]).toBeCloseTo(0.04, 5);
  });
});

describe.each([
  ['AdamW', adamw({ weightDecay: 0.1 })],
  ['Adafactor', adafactor({ weightDecay: 0.1, scaleParameter: true })],
])('a stack of parameters under %s', (_, optimizer) => {
  it.each([[[4, 3]], [[5]], [[2, 3, 4]]])('of shape %j goes on as each would alone', (shape) => {
    const random = new Random(3);
    const size = shape.reduce((a, b) => a * b, 1);
    const draw = (scale: number) =>
      tf.tensor(
        Float32Array.from({ length: size }, () => scale * random.normal()),
        shape,
      );
    const parameters = [draw(1), draw(20), draw(0.01)];
    const gradients = [draw(0.1), draw(3), draw(0.001)];
    const states = parameters.map(() => initialState(optimizer, shape));
    const names = Object.keys(states[0] ?? {});
    const stacked = (pick: (index: number) => Tensor) => tf.stack(parameters.map((__, index) => pick(index)));
    const together = stackStep(
      optimizer,
      stacked((index) => parameters[index] ?? tf.scalar(0)),
      stacked((index) => gradients[index] ?? tf.scalar(0)),
      Object.fromEntries(
        names.map((name) => [name, stacked((index) => states[index]?.[name] ?? tf.scalar(0))]),
      ),
      1,
      0.01,
    );
    const moved = tf.unstack(together.parameter);
    parameters.forEach((parameter, index) => {
      const gradient = gradients[index] ?? parameter;
      const alone = step(optimizer, parameter, gradient, states[index] ?? {}, 1, 0.01);
      expect(moved[index]?.dataSync()).toEqual(alone.parameter.dataSync());
      for (const name of names) {
        const state = tf.unstack(together.state[name] ?? tf.zeros([3]))[index];
        expect(state?.dataSync()).toEqual(alone.state[name]?.dataSync());
      }
    });
  });
});

describe('clipping', () => {
  it('takes all gradients as one vector', () => {
    const gradients = [tf.tensor([3]), tf.tensor([[0, 4]])];
    const norm = globalNorm(gradients);
    expect(norm.dataSync()[0]).toBeCloseTo(5, 6);
    const [first, second] = clipByGlobalNorm(gradients, norm, 1);
    expect(first?.dataSync()[0]).toBeCloseTo(0.6, 5);
    expect(second?.dataSync()[1]).toBeCloseTo(0.8, 5);
    expect(clipByGlobalNorm(gradients, norm, 10)[0]?.dataSync()[0]).toBeCloseTo(3, 6);
    expect(clipByGlobalNorm(gradients, norm, 0)[0]?.dataSync()[0]).toBe(3);
  });
});

describe('schedules', () => {
  it('warm up from 0 and fall to 0', () => {
    const linear = { kind: 'linear', warmupSteps: 4, totalSteps: 12 } as const;
    expect([1, 3, 5, 9, 13].map((k) => scheduleFactor(linear, k))).toEqual([0, 0.5, 1, 0.5, 0]);
    const constant = { kind: 'constant', warmupSteps: 0, totalSteps: 3 } as const;
    expect([1, 100].map((k) => scheduleFactor(constant, k))).toEqual([1, 1]);
    const cosine = { kind: 'cosine-second-half', warmupSteps: 0, totalSteps: 10 } as const;
    expect(scheduleFactor(cosine, 6)).toBe(1);
    expect(scheduleFactor(cosine, 11)).toBeCloseTo(0, 12);
  });
});
