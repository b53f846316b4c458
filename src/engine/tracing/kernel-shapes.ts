import { backend_util, slice_util, util } from '@tensorflow/tfjs';
import { DeltaloomError } from '../../core/errors.js';
import type { ElementType } from '../contract.js';
import type { TracedTensor } from './graph.js';

/** Shape and type of a kernel's results, from its inputs and attributes. */
export interface Result {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
}
type Inputs = Readonly<Record<string, TracedTensor>>;
type Attributes = Readonly<Record<string, unknown>>;
type Inference = (inputs: Inputs, attributes: Attributes) => Result | Result[];

function input(inputs: Inputs, name: string): TracedTensor {
  const value = inputs[name];
  if (value === undefined) throw new Error(`A traced kernel lacks its input '${name}'.`);
  return value;
}

const unary: Inference = (inputs) => {
  const { dtype, shape } = input(inputs, 'x');
  return { dtype, shape };
};
const unaryOf =
  (name: string): Inference =>
  (inputs) => {
    const { dtype, shape } = input(inputs, name);
    return { dtype, shape };
  };

function broadcast(inputs: Inputs): number[] {
  return backend_util.assertAndGetBroadcastShape(
    [...input(inputs, 'a').shape],
    [...input(inputs, 'b').shape],
  );
}
const binary: Inference = (inputs) => ({ dtype: input(inputs, 'a').dtype, shape: broadcast(inputs) });
const comparison: Inference = (inputs) => ({ dtype: 'bool', shape: broadcast(inputs) });

/** Axes of a reduction: attribute names differ from kernel to kernel. */
export function reductionAxes(attributes: Attributes, shape: readonly number[]): number[] {
  const axes = attributes['axis'] ?? attributes['reductionIndices'] ?? attributes['axes'];
  return util.parseAxisParam(axes as number | number[], [...shape]);
}

function reduced(tensor: TracedTensor, attributes: Attributes): number[] {
  const axes = reductionAxes(attributes, tensor.shape);
  if (attributes['keepDims'] === true)
    return tensor.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return tensor.shape.filter((_, axis) => !axes.includes(axis));
}
const reduction: Inference = (inputs, attributes) => {
  const x = input(inputs, 'x');
  return { dtype: x.dtype, shape: reduced(x, attributes) };
};

/** Variadic kernels (Concat, Pack, AddN) come with inputs named '0', '1', ... */
function variadicInputs(inputs: Inputs): TracedTensor[] {
  return Object.entries(inputs)
    .filter(([name]) => /^\d+$/.test(name))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, tensor]) => tensor);
}

export function normaliseAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

const product: Inference = (inputs, { transposeA, transposeB }) => {
  const a = input(inputs, 'a').shape;
  const b = input(inputs, 'b').shape;
  const rows = a.at(transposeA === true ? -1 : -2) ?? 0;
  const columns = b.at(transposeB === true ? -2 : -1) ?? 0;
  const batch = backend_util.assertAndGetBroadcastShape(a.slice(0, -2), b.slice(0, -2));
  return { dtype: 'float32', shape: [...batch, rows, columns] };
};

/** Result shapes of every kernel the tracer knows. */
export const KERNEL_SHAPES: Readonly<Record<string, Inference>> = {
  ...Object.fromEntries(
    [
      'Abs',
      'Acos',
      'Ceil',
      'Cos',
      'Elu',
      'Erf',
      'Exp',
      'Expm1',
      'Floor',
      'Log',
      'Log1p',
      'LogicalNot',
      'Neg',
      'Reciprocal',
      'Relu',
      'Round',
      'Rsqrt',
      'Sigmoid',
      'Sign',
      'Sin',
      'Softplus',
      'Sqrt',
      'Square',
      'Tanh',
      'Step',
      'ClipByValue',
      'Identity',
      'ZerosLike',
      'OnesLike',
      'Cumsum',
      'LeakyRelu',
      'Relu6',
      'Reverse',
    ].map((name) => [name, unary]),
  ),
  ...Object.fromEntries(
    [
      'Add',
      'Sub',
      'Multiply',
      'RealDiv',
      'Maximum',
      'Minimum',
      'Pow',
      'Mod',
      'SquaredDifference',
      'LogicalAnd',
      'LogicalOr',
      'LogicalXor',
    ].map((name) => [name, binary]),
  ),
  ...Object.fromEntries(
    ['Equal', 'NotEqual', 'Less', 'LessEqual', 'Greater', 'GreaterEqual'].map((name) => [name, comparison]),
  ),
  ...Object.fromEntries(['Sum', 'Mean', 'Max', 'Min', 'Prod', 'All', 'Any'].map((name) => [name, reduction])),
  ...Object.fromEntries(
    ['IsNan', 'IsInf', 'IsFinite'].map((name) => [
      name,
      (inputs: Inputs): Result => ({ dtype: 'bool', shape: input(inputs, 'x').shape }),
    ]),
  ),
  // TensorFlow.js yields whole numbers here, whatever the operands.
  FloorDiv: (inputs) => ({ dtype: 'int32', shape: broadcast(inputs) }),
  Softmax: unaryOf('logits'),
  LogSoftmax: unaryOf('logits'),
  AddN: (inputs) => {
    const [first] = variadicInputs(inputs);
    if (first === undefined) throw new Error('AddN without inputs.');
    return { dtype: first.dtype, shape: first.shape };
  },
  Cast: (inputs, { dtype }) => ({ dtype: dtype as ElementType, shape: input(inputs, 'x').shape }),
  Reshape: (inputs, { shape }) => {
    const x = input(inputs, 'x');
    return {
      dtype: x.dtype,
      shape: util.inferFromImplicitShape(shape as number[], util.sizeFromShape([...x.shape])),
    };
  },
  ExpandDims: (inputs, { dim }) => {
    const x = input(inputs, 'input');
    const shape = [...x.shape];
    shape.splice((dim as number) < 0 ? shape.length + 1 + (dim as number) : (dim as number), 0, 1);
    return { dtype: x.dtype, shape };
  },
  Transpose: (inputs, { perm }) => {
    const x = input(inputs, 'x');
    return { dtype: x.dtype, shape: (perm as number[]).map((axis) => x.shape[axis] ?? 0) };
  },
  BatchMatMul: product,
  _FusedMatMul: product,
  GatherV2: (inputs, { axis, batchDims }) => {
    const x = input(inputs, 'x');
    const batch = (batchDims as number | undefined) ?? 0;
    const at = normaliseAxis(axis as number, x.shape.length);
    if (batch !== 0 && batch !== at)
      throw new DeltaloomError(
        'trace-unknown-kernel',
        'The kernel GatherV2 can not be compiled along a later axis than the first after its batch axes.',
      );
    const { shape } = input(inputs, 'indices');
    return {
      dtype: x.dtype,
      shape: [...x.shape.slice(0, at), ...shape.slice(batch), ...x.shape.slice(at + 1)],
    };
  },
  GatherNd: (inputs) => {
    const params = input(inputs, 'params');
    const { shape } = input(inputs, 'indices');
    return { dtype: params.dtype, shape: [...shape.slice(0, -1), ...params.shape.slice(shape.at(-1) ?? 0)] };
  },
  TensorScatterUpdate: unaryOf('tensor'),
  TopK: (inputs, { k }) => {
    const x = input(inputs, 'x');
    const shape = [...x.shape.slice(0, -1), k as number];
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int32', shape },
    ];
  },
  UnsortedSegmentSum: (inputs, { numSegments }) => {
    const x = input(inputs, 'x');
    const rank = input(inputs, 'segmentIds').shape.length;
    return { dtype: x.dtype, shape: [numSegments as number, ...x.shape.slice(rank)] };
  },
  Concat: (inputs, { axis }) => {
    const parts = variadicInputs(inputs);
    const first = parts[0];
    if (first === undefined) throw new Error('Concat without inputs.');
    const at = normaliseAxis(axis as number, first.shape.length);
    const size = parts.reduce((sum, part) => sum + (part.shape[at] ?? 0), 0);
    return {
      dtype: first.dtype,
      shape: first.shape.map((old, dimension) => (dimension === at ? size : old)),
    };
  },
  Pack: (inputs, { axis }) => {
    const parts = variadicInputs(inputs);
    const first = parts[0];
    if (first === undefined) throw new Error('Pack without inputs.');
    const shape = [...first.shape];
    shape.splice(normaliseAxis(axis as number, shape.length + 1), 0, parts.length);
    return { dtype: first.dtype, shape };
  },
  Unpack: (inputs, { axis }) => {
    const x = input(inputs, 'value');
    const at = normaliseAxis(axis as number, x.shape.length);
    const shape = x.shape.filter((_, dimension) => dimension !== at);
    return Array.from({ length: x.shape[at] ?? 0 }, () => ({ dtype: x.dtype, shape }));
  },
  SplitV: (inputs, { numOrSizeSplits, axis }) => {
    const x = input(inputs, 'x');
    const at = util.parseAxisParam(axis as number, [...x.shape])[0] ?? 0;
    return splitSizes(x.shape, numOrSizeSplits as number | number[], at).map((size) => ({
      dtype: x.dtype,
      shape: x.shape.map((old, dimension) => (dimension === at ? size : old)),
    }));
  },
  Slice: (inputs, { begin, size }) => {
    const x = input(inputs, 'x');
    return { dtype: x.dtype, shape: sliceBounds(x, begin as number[], size as number[]).size };
  },
  PadV2: (inputs, { paddings }) => {
    const x = input(inputs, 'x');
    return {
      dtype: x.dtype,
      shape: x.shape.map((size, axis) => size + sumOf((paddings as [number, number][])[axis] ?? [0, 0])),
    };
  },
  Tile: (inputs, { reps }) => {
    const x = input(inputs, 'x');
    return { dtype: x.dtype, shape: x.shape.map((size, axis) => size * ((reps as number[])[axis] ?? 1)) };
  },
  BroadcastTo: (inputs, { shape }) => ({ dtype: input(inputs, 'x').dtype, shape: shape as number[] }),
  Fill: (_, { shape, dtype }) => ({
    dtype: (dtype as ElementType | undefined) ?? 'float32',
    shape: shape as number[],
  }),
  Range: (_, { start, stop, step, dtype }) => ({
    dtype: dtype as ElementType,
    shape: [Math.max(0, Math.ceil(((stop as number) - (start as number)) / (step as number)))],
  }),
  OneHot: (inputs, { depth, dtype }) => ({
    dtype: (dtype as ElementType | undefined) ?? 'int32',
    shape: [...input(inputs, 'indices').shape, depth as number],
  }),
  Select: (inputs) => ({ dtype: input(inputs, 't').dtype, shape: input(inputs, 't').shape }),
  ArgMax: (inputs, attributes) => ({ dtype: 'int32', shape: reduced(input(inputs, 'x'), attributes) }),
  ArgMin: (inputs, attributes) => ({ dtype: 'int32', shape: reduced(input(inputs, 'x'), attributes) }),
};

export function splitSizes(shape: readonly number[], split: number | number[], axis: number): number[] {
  const total = shape[axis] ?? 0;
  if (typeof split === 'number') return Array.from({ length: split }, () => total / split);
  const known = sumOf(split.filter((size) => size !== -1));
  return split.map((size) => (size === -1 ? total - known : size));
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Begin and size of a slice with `-1` (to the end) resolved. */
export function sliceBounds(
  x: TracedTensor,
  begin: number | number[],
  size: number | number[],
): { begin: number[]; size: number[] } {
  // parseSliceParams reads rank and shape only.
  const placeholder = { rank: x.shape.length, shape: [...x.shape] } as unknown as Parameters<
    typeof slice_util.parseSliceParams
  >[0];
  const [starts, sizes] = slice_util.parseSliceParams(placeholder, begin, size) as [number[], number[]];
  return { begin: starts, size: sizes };
}
