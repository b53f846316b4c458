import type { Tensor } from '@tensorflow/tfjs';

/** Numbers of one step that the host computes in double precision and passes as float32 [1]. */
export interface StepScalars {
  readonly learningRate: Tensor;
  /** Adafactor: beta_k = 1 - k^-0.8. AdamW: 1 - beta1^k. */
  readonly first: Tensor;
  /** Adafactor: unused. AdamW: 1 - beta2^k. */
  readonly second: Tensor;
}

export interface Update {
  readonly parameter: Tensor;
  /** By state name, as in `stateShapes`. */
  readonly state: Readonly<Record<string, Tensor>>;
}

/**
 * An optimizer as pure functions. Parameters of one shape are updated together, stacked along a new first axis; each as if it were
 * alone.
 */
export interface Optimizer {
  /** Names and shapes of the state of one parameter of this shape; it starts as zeros. */
  stateShapes(shape: readonly number[]): Readonly<Record<string, readonly number[]>>;
  /** The host's numbers for step k, which counts from 1. */
  scalars(step: number): { first: number; second: number };
  /** `parameter`, `gradient` and the state tensors are stacks [n, ...shape]. */
  update(
    parameter: Tensor,
    gradient: Tensor,
    state: Readonly<Record<string, Tensor>>,
    scalars: StepScalars,
  ): Update;
}

/** The state tensor of this name. */
export function stateTensor(state: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = state[name];
  if (tensor === undefined) throw new RangeError(`The optimizer state lacks ${name}.`);
  return tensor;
}
