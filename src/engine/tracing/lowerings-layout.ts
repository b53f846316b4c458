import type { ElementType } from '../contract.js';
import { normaliseAxis, reductionAxes, sliceBounds, splitSizes } from './kernel-shapes.js';
import { pairs, sameShape, type Lowered, type Lowering } from './lowering.js';
import {
  input,
  output,
  scalar,
  stored,
  traced,
  variadic,
  type Emit,
  type Lowerings,
} from './lowering-helpers.js';
import type { Pair } from './symbolic-sizes.js';

/** Reshape keeps a tensor lazy only when one element is stored. */
function reshape(to: Lowering, x: Lowered, result: { dtype: ElementType; shape: readonly Pair[] }): Lowered {
  if (x.stored.length === 0) return { ...x, ...result };
  if (sameShape(x.shape, result.shape)) return x;
  if (x.stored.every(([one, two]) => one === 1 && two === 1)) {
    return { ...x, ...result, name: to.apply('Squeeze', [x.name]), stored: [] };
  }
  const name = to.apply('Reshape', [to.full(x), to.reshapeVector(result.shape)]);
  return { name, dtype: x.dtype, shape: result.shape, stored: result.shape };
}

const transpose: Emit = (to, call) => {
  const x = input(call, 'x');
  const { shape } = output(call);
  const perm = call.nodes[0].attributes['perm'] as number[];
  if (perm.every((axis, position) => axis === position)) return [x];
  if (x.stored.length === 0) return [{ ...x, shape }];
  return [stored(call, to.apply('Transpose', [to.full(x)], { perm }))];
};

const concat: Emit = (to, call) => {
  const parts = variadic(call);
  const axis = normaliseAxis(call.nodes[0].attributes['axis'] as number, output(call).shape.length);
  return [
    stored(
      call,
      to.apply(
        'Concat',
        parts.map((part) => to.full(part)),
        { axis },
      ),
    ),
  ];
};

const pack: Emit = (to, call) => {
  const { shape } = output(call);
  const axis = normaliseAxis(call.nodes[0].attributes['axis'] as number, shape.length);
  const axes = to.builder.constant('int64', [1], [axis]);
  const parts = variadic(call).map((part) => to.apply('Unsqueeze', [to.full(part), axes]));
  return [stored(call, to.apply('Concat', parts, { axis }))];
};

const unpack: Emit = (to, call) => {
  const value = input(call, 'value');
  const axis = normaliseAxis(call.nodes[0].attributes['axis'] as number, value.shape.length);
  const full = to.full(value);
  return call.outputs.map((_, index) => {
    const at = to.builder.constant('int64', [], [index]);
    return stored(call, to.apply('Gather', [full, at], { axis }), index);
  });
};

const split: Emit = (to, call) => {
  const x = input(call, 'x');
  const sizes = ([0, 1] as const).map((trace) => {
    const { numOrSizeSplits, axis } = call.nodes[trace].attributes as {
      numOrSizeSplits: number | number[];
      axis: number;
    };
    const { shape } = traced(call, trace, 'x');
    return splitSizes(shape, numOrSizeSplits, normaliseAxis(axis, shape.length));
  });
  const axis = normaliseAxis(call.nodes[0].attributes['axis'] as number, x.shape.length);
  const vector = to.sizesVector(pairs(sizes[0] ?? [], sizes[1] ?? []));
  const names = to.builder.node('Split', [to.full(x), vector], { axis }, { outputs: call.outputs.length });
  return names.map((name, index) => stored(call, name, index));
};

const slice: Emit = (to, call) => {
  const x = input(call, 'x');
  const { shape } = output(call);
  if (x.stored.length === 0) return [{ ...x, shape }];
  const bounds = ([0, 1] as const).map((trace) => {
    const { begin, size } = call.nodes[trace].attributes as { begin: number[]; size: number[] };
    return sliceBounds(traced(call, trace, 'x'), begin, size);
  });
  const begins = pairs(bounds[0]?.begin ?? [], bounds[1]?.begin ?? []);
  const cut = x.shape
    .map((_, axis) => axis)
    .filter(
      (axis) => !(begins[axis]?.[0] === 0 && begins[axis][1] === 0 && samePair(x.shape[axis], shape[axis])),
    );
  if (cut.length === 0) return [x];
  const starts = cut.map((axis): Pair => begins[axis] ?? [0, 0]);
  const ends = cut.map((axis, position): Pair => {
    const [one, two] = shape[axis] ?? [0, 0];
    return [(starts[position]?.[0] ?? 0) + one, (starts[position]?.[1] ?? 0) + two];
  });
  const axes = to.builder.constant('int64', [cut.length], cut);
  return [stored(call, to.apply('Slice', [to.full(x), to.sizesVector(starts), to.sizesVector(ends), axes]))];
};

function samePair(one: Pair | undefined, two: Pair | undefined): boolean {
  return one !== undefined && two !== undefined && one[0] === two[0] && one[1] === two[1];
}

const pad: Emit = (to, call) => {
  const x = input(call, 'x');
  const [one, two] = call.nodes.map(({ attributes }) => attributes['paddings'] as [number, number][]);
  const before = pairs(
    (one ?? []).map(([first]) => first),
    (two ?? []).map(([first]) => first),
  );
  const after = pairs(
    (one ?? []).map(([, last]) => last),
    (two ?? []).map(([, last]) => last),
  );
  const value = scalar(to, (call.nodes[0].attributes['constantValue'] as number | undefined) ?? 0, x.dtype);
  return [stored(call, to.apply('Pad', [to.full(x), to.sizesVector([...before, ...after]), value]))];
};

const tile: Emit = (to, call) => {
  const x = input(call, 'x');
  const { shape } = output(call);
  const [one, two] = call.nodes.map(({ attributes }) => attributes['reps'] as number[]);
  const reps = pairs(one ?? [], two ?? []);
  const lazy = reps.every(
    ([a, b], axis) => (a === 1 && b === 1) || (x.shape[axis]?.[0] === 1 && x.shape[axis][1] === 1),
  );
  if (lazy) return [{ ...x, shape }];
  return [stored(call, to.apply('Tile', [to.full(x), to.sizesVector(reps)]))];
};

const range: Emit = (to, call) => {
  const { dtype } = output(call);
  const [one, two] = call.nodes.map(
    ({ attributes }) => attributes as { start: number; stop: number; step: number },
  );
  const bound = (name: 'start' | 'stop' | 'step'): string => {
    const pair: Pair = [one?.[name] ?? 0, two?.[name] ?? 0];
    return pair[0] === pair[1] ? scalar(to, pair[0], dtype) : to.computedScalar(pair, dtype);
  };
  return [stored(call, to.apply('Range', [bound('start'), bound('stop'), bound('step')]))];
};

/** Reverses along axes: a slice that walks backwards. */
const reverse: Emit = (to, call) => {
  const x = input(call, 'x');
  const axes = reductionAxes({ axis: call.nodes[0].attributes['dims'] }, traced(call, 0, 'x').shape);
  if (axes.length === 0) return [x];
  const vector = (value: number): string =>
    to.builder.constant(
      'int64',
      [axes.length],
      axes.map(() => value),
    );
  const list = to.builder.constant('int64', [axes.length], axes);
  return [stored(call, to.apply('Slice', [to.full(x), vector(-1), vector(-(2 ** 31)), list, vector(-1)]))];
};

/** Kernels that move numbers without changing them, and ranges. */
export const LAYOUT: Lowerings = {
  Reshape: (to, call) => [reshape(to, input(call, 'x'), output(call))],
  ExpandDims: (to, call) => [reshape(to, input(call, 'input'), output(call))],
  Transpose: transpose,
  Concat: concat,
  Pack: pack,
  Unpack: unpack,
  SplitV: split,
  Slice: slice,
  PadV2: pad,
  Reverse: reverse,
  Tile: tile,
  BroadcastTo: (_, call) => [{ ...input(call, 'x'), ...output(call) }],
  Range: range,
};
