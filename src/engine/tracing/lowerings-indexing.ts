import { normaliseAxis } from './kernel-shapes.js';
import {
  input,
  output,
  scalar,
  stored,
  storedBroadcast,
  type Emit,
  type Lowerings,
} from './lowering-helpers.js';
import { DATA_TYPE } from '../onnx/schema.js';
import type { Lowered, Lowering } from './lowering.js';
import type { Pair } from './symbolic-sizes.js';

const INT64 = DATA_TYPE.int64;

const oneHot: Emit = (to, call) => {
  const { dtype } = output(call);
  const [one, two] = call.nodes.map(
    ({ attributes }) => attributes as { depth: number; onValue: number; offValue: number },
  );
  const indices = to.apply('Cast', [to.full(input(call, 'indices'))], { to: INT64 });
  const depth = to.sizeVector(to.size([one?.depth ?? 0, two?.depth ?? 0]));
  const values = to.builder.constant('float32', [2], [one?.offValue ?? 0, one?.onValue ?? 1]);
  // ONNX Runtime has no OneHot of int32 or bool values.
  const hot = to.apply('OneHot', [indices, depth, values], { axis: -1 });
  return [stored(call, dtype === 'float32' ? hot : to.cast(hot, dtype))];
};

const gather: Emit = (to, call) => {
  const x = input(call, 'x');
  const indices = input(call, 'indices');
  const axis = normaliseAxis(call.nodes[0].attributes['axis'] as number, x.shape.length);
  const batch = (call.nodes[0].attributes['batchDims'] as number | undefined) ?? 0;
  if (batch === 0) return [stored(call, to.apply('Gather', [to.full(x), to.full(indices)], { axis }))];
  const places = positions(to, indices);
  return [stored(call, to.apply('GatherND', [to.full(x), places], { batch_dims: batch }))];
};

/** Indices as int64 with a last axis of 1, as the ND operators take them. */
function positions(to: Lowering, indices: Lowered): string {
  const last = to.builder.constant('int64', [1], [indices.shape.length]);
  return to.apply('Cast', [to.apply('Unsqueeze', [to.full(indices), last])], { to: INT64 });
}

const gatherNd: Emit = (to, call) => {
  const indices = to.apply('Cast', [to.full(input(call, 'indices'))], { to: INT64 });
  return [stored(call, to.apply('GatherND', [to.full(input(call, 'params')), indices]))];
};

const scatterUpdate: Emit = (to, call) => {
  const indices = to.apply('Cast', [to.full(input(call, 'indices'))], { to: INT64 });
  const operands = [to.full(input(call, 'tensor')), indices, to.full(input(call, 'updates'))];
  return [stored(call, to.apply('ScatterND', operands))];
};

/** Rows of `x` added up by segment: what a lookup's gradient is. */
const segmentSum: Emit = (to, call) => {
  const x = input(call, 'x');
  const { shape } = output(call);
  const zeros = to.apply('Expand', [scalar(to, 0, x.dtype), to.sizesVector(shape)]);
  const places = positions(to, input(call, 'segmentIds'));
  return [stored(call, to.apply('ScatterND', [zeros, places, to.full(x)], { reduction: 'add' }))];
};

const select: Emit = (to, call) => {
  const condition = input(call, 'condition');
  const yes = input(call, 't');
  const no = input(call, 'e');
  const { dtype, shape } = output(call);
  // A condition of lower rank chooses whole rows: aligned on the left, unlike ONNX's Where.
  const aligned = condition.shape.length < shape.length && condition.stored.length > 0;
  const test = aligned
    ? to.apply('Unsqueeze', [
        to.full(condition),
        to.builder.constant(
          'int64',
          [shape.length - condition.shape.length],
          axesFrom(condition.shape.length, shape.length),
        ),
      ])
    : condition.name;
  const testShape = aligned
    ? [...condition.shape, ...axesFrom(condition.shape.length, shape.length).map((): Pair => [1, 1])]
    : condition.stored;
  const all = storedBroadcast(storedBroadcast(testShape, yes.stored), no.stored);
  return [{ name: to.apply('Where', [test, yes.name, no.name]), dtype, shape, stored: all }];
};

function axesFrom(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

/** Kernels that read or write where a tensor says. */
export const INDEXING: Lowerings = {
  GatherV2: gather,
  GatherNd: gatherNd,
  UnsortedSegmentSum: segmentSum,
  TensorScatterUpdate: scatterUpdate,
  OneHot: oneHot,
  Select: select,
};
