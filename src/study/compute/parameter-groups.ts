import { sizeOfShape, type Tensor } from '../../core/tensor.js';

/** Trained tensors of one shape: they are kept and optimised as one tensor, stacked along a new first axis. */
export interface ParameterGroup {
  /** What its tensors are called in programs. */
  readonly name: string;
  /** Of one member. */
  readonly shape: readonly number[];
  /** Names of the trained tensors, in their order. */
  readonly members: readonly string[];
}

/**
 * A delta has hundreds of small tensors of a few shapes. An optimizer that goes through them one by one is most of the operations
 * of a step and most of its inputs and outputs; group by group it is a handful.
 */
export function parameterGroups(shapes: ReadonlyMap<string, readonly number[]>): ParameterGroup[] {
  const groups = new Map<string, { name: string; shape: readonly number[]; members: string[] }>();
  for (const [name, shape] of shapes) {
    const key = shape.join('x');
    const group = groups.get(key) ?? { name: key, shape, members: [] };
    groups.set(key, group);
    group.members.push(name);
  }
  return [...groups.values()];
}

export function stackedShape({ shape, members }: ParameterGroup): number[] {
  return [members.length, ...shape];
}

/** The members' values one after the other; `find` gives those of a member. */
export function stack({ shape, members }: ParameterGroup, find: (member: string) => Tensor): Float32Array {
  const size = sizeOfShape(shape);
  const data = new Float32Array(size * members.length);
  members.forEach((member, index) => {
    data.set(find(member).data, index * size);
  });
  return data;
}

/** What `stack` did, undone: copies, by member. */
export function unstack(
  { shape, members }: ParameterGroup,
  data: Float32Array,
): (readonly [string, Tensor])[] {
  const size = sizeOfShape(shape);
  return members.map((member, index) => [
    member,
    { shape, data: data.slice(index * size, (index + 1) * size) },
  ]);
}
