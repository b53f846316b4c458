import type { ElementType } from '../contract.js';

/** Where a traced tensor comes from. */
export type Origin =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'frozen'; readonly name: string }
  | { readonly kind: 'constant'; readonly values: ArrayLike<number> }
  | { readonly kind: 'kernel'; readonly node: KernelNode; readonly output: number };

/** A tensor seen while tracing. Its shape holds the primes that stand for varying sizes. */
export interface TracedTensor {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly origin: Origin;
}

/** One TensorFlow.js kernel call, in the order of calls. */
export interface KernelNode {
  readonly kernel: string;
  /** By the kernel's own input names; variadic kernels use '0', '1', ... */
  readonly inputs: Readonly<Record<string, TracedTensor>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly outputs: readonly TracedTensor[];
}

/** What one trace recorded. */
export interface Trace {
  /** The size given to every symbolic dimension of the signature. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly outputs: Readonly<Record<string, TracedTensor>>;
}
