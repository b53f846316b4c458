import type { Granularity } from './methods.js';

/**
 * The parts of a network that a delta tensor can belong to. Names follow the reference's tensors:
 * `encoder.block.3.layer.0.adapter.adapter_A` belongs to the layer `encoder.block.3.layer.0`, the block `encoder.block.3`
 * and the stack `encoder`. A prefix tensor (`encoder.prefix.prefix`) serves a whole stack, so the stack is its finest part.
 */

/** The one part of whole-model granularity. */
export const MODEL_PART = 'model';

const PLACE = /^((encoder|decoder)\.block\.\d+)\.layer\.\d+(?=\.|$)/;
const STACK = /^(encoder|decoder)(?=\.|$)/;

/** `encoder` or `decoder`; null for a name outside both. */
export function stackOf(name: string): string | null {
  return STACK.exec(name)?.[1] ?? null;
}

/**
 * The part of `granularity` that a tensor belongs to. A tensor of a whole stack answers with the stack, and a tensor
 * outside both stacks with {@link MODEL_PART}.
 */
export function partOfTensor(name: string, granularity: Granularity): string {
  if (granularity === 'model') return MODEL_PART;
  const place = PLACE.exec(name);
  if (place !== null) return (granularity === 'block' ? place[1] : place[0]) ?? MODEL_PART;
  return stackOf(name) ?? MODEL_PART;
}

/** The parts that a delta's tensors have at `granularity`, encoder first, then by number. */
export function partsOfTensors(names: Iterable<string>, granularity: Granularity): string[] {
  const parts = new Set<string>();
  for (const name of names) parts.add(partOfTensor(name, granularity));
  return [...parts].sort(compareParts);
}

/** Orders parts as data flows through the network: encoder before decoder, then block and layer by number. */
export function compareParts(a: string, b: string): number {
  const side = (part: string) => (part.startsWith('encoder') ? 0 : part.startsWith('decoder') ? 1 : 2);
  const numbers = (part: string) => (part.match(/\d+/g) ?? []).map(Number);
  const first = side(a) - side(b);
  if (first !== 0) return first;
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Which rows of a table by part concern one tensor. Usually one row: its layer, its block, its stack or the whole model.
 * A tensor that serves a whole stack (a prefix) while the table knows blocks is concerned by all blocks of that stack;
 * whoever asks takes the mean. Empty: the table says nothing about this tensor.
 */
export function partsConcerning(name: string, parts: readonly string[]): number[] {
  for (const candidate of [
    partOfTensor(name, 'layer'),
    partOfTensor(name, 'block'),
    stackOf(name),
    MODEL_PART,
  ]) {
    const index = candidate === null ? -1 : parts.indexOf(candidate);
    if (index >= 0) return [index];
  }
  const own = partOfTensor(name, 'layer');
  return parts.flatMap((part, index) => (part.startsWith(`${own}.`) ? [index] : []));
}
