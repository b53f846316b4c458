import type { ElementType } from '../contract.js';
import type { TracedTensor } from './graph.js';
import type { KernelPair, Lowered, Lowering } from './lowering.js';
import type { Pair } from './symbolic-sizes.js';

/** What a kernel becomes: one lowered tensor per output. */
export type Emit = (to: Lowering, call: KernelPair) => Lowered[];

export function input(call: KernelPair, name: string): Lowered {
  const value = call.inputs[name];
  if (value === undefined) throw new Error(`${call.kernel} lacks its input '${name}'.`);
  return value;
}

export function traced(call: KernelPair, trace: 0 | 1, name: string): TracedTensor {
  const value = call.nodes[trace].inputs[name];
  if (value === undefined) throw new Error(`${call.kernel} lacks its input '${name}'.`);
  return value;
}

export function output(call: KernelPair, index = 0): { dtype: ElementType; shape: readonly Pair[] } {
  const result = call.outputs[index];
  if (result === undefined) throw new Error(`${call.kernel} has no output ${index}.`);
  return result;
}

/** A result that holds every element. */
export function stored(call: KernelPair, name: string, index = 0): Lowered {
  const { dtype, shape } = output(call, index);
  return { name, dtype, shape, stored: shape };
}

export function variadic(call: KernelPair): Lowered[] {
  return Object.entries(call.inputs)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, value]) => value);
}

export function storedBroadcast(a: readonly Pair[], b: readonly Pair[]): Pair[] {
  const rank = Math.max(a.length, b.length);
  const one: Pair = [1, 1];
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - (rank - a.length)] ?? one;
    const right = b[axis - (rank - b.length)] ?? one;
    return left[0] === 1 && left[1] === 1 ? right : left;
  });
}

export const scalar = (to: Lowering, value: number, dtype: ElementType): string =>
  to.builder.constant(dtype, [], [value]);

/** A table of kernels by TensorFlow.js name. */
export type Lowerings = Readonly<Record<string, Emit>>;
