import type { ElementType } from '../contract.js';
import { normaliseAxis, reductionAxes, sliceBounds, splitSizes } from './kernel-shapes.js';
import { pairs, sameShape, type KernelPair, type Lowered, type Lowering } from './lowering.js';
import type { TracedTensor } from './graph.js';
import type { Pair } from './symbolic-sizes.js';

/** What a kernel becomes: one lowered tensor per output. */
type Emit = (to: Lowering, call: KernelPair) => Lowered[];

function input(call: KernelPair, name: string): Lowered {
  const value = call.inputs[name];
  if (value === undefined) throw new Error(`${call.kernel} lacks its input '${name}'.`);
  return value;
}

function traced(call: KernelPair, trace: 0 | 1, name: string): TracedTensor {
  const value = call.nodes[trace].inputs[name];
  if (value === undefined) throw new Error(`${call.kernel} lacks its input '${name}'.`);
  return value;
}

function output(call: KernelPair, index = 0): { dtype: ElementType; shape: readonly Pair[] } {
  const result = call.outputs[index];
  if (result === undefined) throw new Error(`${call.kernel} has no output ${index}.`);
  return result;
}

/** A result that holds every element. */
function stored(call: KernelPair, name: string, index = 0): Lowered {
  const { dtype, shape } = output(call, index);
  return { name, dtype, shape, stored: shape };
}

function variadic(call: KernelPair): Lowered[] {
  return Object.entries(call.inputs)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, value]) => value);
}

/** An elementwise function of one tensor works on what is stored. */
const unary =
  (build: (to: Lowering, x: Lowered) => string, fold?: (value: number) => number, name = 'x'): Emit =>
  (to, call) => {
    const x = input(call, name);
    const { dtype, shape } = output(call);
    if (fold !== undefined && x.uniform !== undefined && dtype === 'float32') {
      return [to.uniform(Math.fround(fold(x.uniform)), dtype, shape)];
    }
    return [{ name: build(to, x), dtype, shape, stored: x.stored }];
  };
const plain = (opType: string, fold?: (value: number) => number): Emit =>
  unary((to, x) => to.apply(opType, [x.name]), fold);

function storedBroadcast(a: readonly Pair[], b: readonly Pair[]): Pair[] {
  const rank = Math.max(a.length, b.length);
  const one: Pair = [1, 1];
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - (rank - a.length)] ?? one;
    const right = b[axis - (rank - b.length)] ?? one;
    return left[0] === 1 && left[1] === 1 ? right : left;
  });
}

const isScalar = (value: Lowered, number: number): boolean => value.uniform === number;

const binary =
  (
    build: (to: Lowering, a: string, b: string, dtype: ElementType) => string,
    fold?: (a: number, b: number) => number,
    neutral?: { readonly left?: number; readonly right?: number },
  ): Emit =>
  (to, call) => {
    const a = input(call, 'a');
    const b = input(call, 'b');
    const { dtype, shape } = output(call);
    if (fold !== undefined && a.uniform !== undefined && b.uniform !== undefined) {
      const value = fold(a.uniform, b.uniform);
      return [to.uniform(dtype === 'float32' ? Math.fround(value) : value, dtype, shape)];
    }
    // x + 0, x * 1, x / 1: gradients are full of them.
    if (neutral?.right !== undefined && isScalar(b, neutral.right)) return [{ ...a, shape }];
    if (neutral?.left !== undefined && isScalar(a, neutral.left)) return [{ ...b, shape }];
    return [
      { name: build(to, a.name, b.name, a.dtype), dtype, shape, stored: storedBroadcast(a.stored, b.stored) },
    ];
  };
const plainBinary = (
  opType: string,
  fold?: (a: number, b: number) => number,
  neutral?: { readonly left?: number; readonly right?: number },
): Emit => binary((to, a, b) => to.apply(opType, [a, b]), fold, neutral);

const scalar = (to: Lowering, value: number, dtype: ElementType): string =>
  to.builder.constant(dtype, [], [value]);

const floorMod: Emit = binary((to, a, b, dtype) => {
  const mod = (left: string): string => to.apply('Mod', [left, b], dtype === 'float32' ? { fmod: 1 } : {});
  // ONNX's fmod has the dividend's sign; TensorFlow.js's Mod has the divisor's.
  return dtype === 'float32' ? mod(to.apply('Add', [mod(a), b])) : mod(a);
});

const floorDiv: Emit = binary((to, a, b, dtype) => {
  if (dtype === 'float32') return to.apply('Floor', [to.apply('Div', [a, b])]);
  const quotient = to.apply('Div', [to.cast(a, 'float32'), to.cast(b, 'float32')]);
  return to.cast(to.apply('Floor', [quotient]), 'int32');
});

const reduction =
  (opType: string): Emit =>
  (to, call) => {
    const x = input(call, 'x');
    const attributes = call.nodes[0].attributes;
    const axes = reductionAxes(attributes, traced(call, 0, 'x').shape);
    if (axes.length === 0) return [{ ...x, ...output(call) }];
    const name = reduceOver(to, opType, x, axes, attributes['keepDims'] === true);
    return [stored(call, name)];
  };

/** ONNX keeps logical values as bool, which it can't reduce; TensorFlow.js sums them as int32 already. */
function reduceOver(
  to: Lowering,
  opType: string,
  x: Lowered,
  axes: readonly number[],
  keep: boolean,
): string {
  const operand = x.dtype === 'bool' ? to.cast(to.full(x), 'int32') : to.full(x);
  const list = to.builder.constant('int64', [axes.length], axes);
  const result = to.apply(opType, [operand, list], { keepdims: keep ? 1 : 0 });
  return x.dtype === 'bool' ? to.cast(result, 'bool') : result;
}

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

const matMul: Emit = (to, call) => {
  const { transposeA, transposeB } = call.nodes[0].attributes as {
    transposeA?: boolean;
    transposeB?: boolean;
  };
  const a = to.full(input(call, 'a'));
  const b = to.full(input(call, 'b'));
  const rankA = input(call, 'a').shape.length;
  const rankB = input(call, 'b').shape.length;
  if (transposeA !== true && transposeB !== true) return [stored(call, to.apply('MatMul', [a, b]))];
  if (to.flavour === 'cpu') {
    // Transposed operands are read in place: faster, and no transposed copies of the frozen weights.
    const flags = { transA: transposeA === true ? 1 : 0, transB: transposeB === true ? 1 : 0 };
    return [stored(call, to.apply('FusedMatMul', [a, b], flags, 'com.microsoft'))];
  }
  if (rankA === 2 && rankB === 2) {
    const flags = { transA: transposeA === true ? 1 : 0, transB: transposeB === true ? 1 : 0 };
    return [stored(call, to.apply('Gemm', [a, b], flags))];
  }
  const left = transposeA === true ? to.apply('Transpose', [a], { perm: swapLast(rankA) }) : a;
  const right = transposeB === true ? to.apply('Transpose', [b], { perm: swapLast(rankB) }) : b;
  return [stored(call, to.apply('MatMul', [left, right]))];
};

function swapLast(rank: number): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return [...axes.slice(0, -2), rank - 1, rank - 2];
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

const oneHot: Emit = (to, call) => {
  const { dtype } = output(call);
  const [one, two] = call.nodes.map(
    ({ attributes }) => attributes as { depth: number; onValue: number; offValue: number },
  );
  const indices = to.apply('Cast', [to.full(input(call, 'indices'))], { to: 7 });
  const depth = to.sizeVector(to.size([one?.depth ?? 0, two?.depth ?? 0]));
  const values = to.builder.constant('float32', [2], [one?.offValue ?? 0, one?.onValue ?? 1]);
  // ONNX Runtime has no OneHot of int32 or bool values.
  const hot = to.apply('OneHot', [indices, depth, values], { axis: -1 });
  return [stored(call, dtype === 'float32' ? hot : to.cast(hot, dtype))];
};

const gather: Emit = (to, call) => {
  const x = input(call, 'x');
  const axis = normaliseAxis(call.nodes[0].attributes['axis'] as number, x.shape.length);
  return [stored(call, to.apply('Gather', [to.full(x), to.full(input(call, 'indices'))], { axis }))];
};

/** Rows of `x` added up by segment: what a lookup's gradient is. */
const segmentSum: Emit = (to, call) => {
  const x = input(call, 'x');
  const { shape } = output(call);
  const ids = to.full(input(call, 'segmentIds'));
  const last = to.builder.constant('int64', [1], [input(call, 'segmentIds').shape.length]);
  const indices = to.apply('Cast', [to.apply('Unsqueeze', [ids, last])], { to: 7 });
  const zeros = to.apply('Expand', [scalar(to, 0, x.dtype), to.sizesVector(shape)]);
  return [stored(call, to.apply('ScatterND', [zeros, indices, to.full(x)], { reduction: 'add' }))];
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

const arg =
  (opType: string): Emit =>
  (to, call) => {
    const x = input(call, 'x');
    const [axis] = reductionAxes(call.nodes[0].attributes, traced(call, 0, 'x').shape);
    const found = to.apply(opType, [to.full(x)], { axis: axis ?? -1, keepdims: 0 });
    return [stored(call, to.cast(found, 'int32'))];
  };

const cumsum: Emit = (to, call) => {
  const x = input(call, 'x');
  const { axis, exclusive, reverse } = call.nodes[0].attributes as {
    axis: number;
    exclusive: boolean;
    reverse: boolean;
  };
  const at = to.builder.constant('int64', [], [normaliseAxis(axis, x.shape.length)]);
  const flags = { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 };
  return [stored(call, to.apply('CumSum', [to.full(x), at], flags))];
};

const softmax =
  (opType: string): Emit =>
  (to, call) => [stored(call, to.apply(opType, [to.full(input(call, 'logits'))], { axis: -1 }))];

const addN: Emit = (to, call) => {
  const parts = variadic(call);
  const name = parts.map(({ name: part }) => part).reduce((left, right) => to.apply('Add', [left, right]));
  const all = parts.map((part) => part.stored).reduce(storedBroadcast);
  return [{ name, ...output(call), stored: all }];
};

const cast: Emit = (to, call) => {
  const x = input(call, 'x');
  const { dtype, shape } = output(call);
  if (x.dtype === dtype) return [x];
  if (x.uniform !== undefined) {
    const value =
      dtype === 'bool' ? Number(x.uniform !== 0) : dtype === 'int32' ? Math.trunc(x.uniform) : x.uniform;
    return [to.uniform(value, dtype, shape)];
  }
  return [{ name: to.cast(x.name, dtype), dtype, shape, stored: x.stored }];
};

const clip: Emit = (to, call) => {
  const x = input(call, 'x');
  const { clipValueMin, clipValueMax } = call.nodes[0].attributes as {
    clipValueMin: number;
    clipValueMax: number;
  };
  const name = to.apply('Clip', [
    x.name,
    scalar(to, clipValueMin, x.dtype),
    scalar(to, clipValueMax, x.dtype),
  ]);
  return [{ name, ...output(call), stored: x.stored }];
};

const step: Emit = unary((to, x) => {
  const positive = to.apply('Greater', [x.name, scalar(to, 0, x.dtype)]);
  return to.cast(positive, 'float32');
});

const filled =
  (value: number): Emit =>
  (to, call) => {
    const { dtype, shape } = output(call);
    return [to.uniform(value, dtype, shape)];
  };

/** Every TensorFlow.js kernel the compiled devices know. */
export const KERNEL_LOWERINGS: Readonly<Record<string, Emit>> = {
  Abs: plain('Abs', Math.abs),
  Acos: plain('Acos'),
  Ceil: plain('Ceil', Math.ceil),
  Cos: plain('Cos'),
  Elu: plain('Elu'),
  Erf: plain('Erf'),
  Exp: plain('Exp'),
  Expm1: unary((to, x) => to.apply('Sub', [to.apply('Exp', [x.name]), scalar(to, 1, 'float32')])),
  Floor: plain('Floor', Math.floor),
  Log: plain('Log'),
  Log1p: unary((to, x) => to.apply('Log', [to.apply('Add', [x.name, scalar(to, 1, 'float32')])])),
  LogicalNot: plain('Not'),
  Neg: plain('Neg', (value) => -value),
  Reciprocal: plain('Reciprocal', (value) => 1 / value),
  Relu: plain('Relu'),
  Round: plain('Round'),
  Rsqrt: unary((to, x) => to.apply('Reciprocal', [to.apply('Sqrt', [x.name])])),
  Sigmoid: plain('Sigmoid'),
  Sign: plain('Sign'),
  Sin: plain('Sin'),
  Softplus: plain('Softplus'),
  Sqrt: plain('Sqrt', Math.sqrt),
  Square: unary(
    (to, x) => to.apply('Mul', [x.name, x.name]),
    (value) => value * value,
  ),
  Tanh: plain('Tanh'),
  IsNan: plain('IsNaN'),
  Step: step,
  ClipByValue: clip,
  Identity: (_, call) => [input(call, 'x')],
  ZerosLike: filled(0),
  OnesLike: filled(1),
  Fill: (to, call) => filled(call.nodes[0].attributes['value'] as number)(to, call),
  Add: plainBinary('Add', (a, b) => a + b, { left: 0, right: 0 }),
  Sub: plainBinary('Sub', (a, b) => a - b, { right: 0 }),
  Multiply: plainBinary('Mul', (a, b) => a * b, { left: 1, right: 1 }),
  RealDiv: plainBinary('Div', (a, b) => a / b, { right: 1 }),
  Maximum: plainBinary('Max', Math.max),
  Minimum: plainBinary('Min', Math.min),
  Pow: plainBinary('Pow'),
  Mod: floorMod,
  FloorDiv: floorDiv,
  SquaredDifference: binary((to, a, b) => {
    const difference = to.apply('Sub', [a, b]);
    return to.apply('Mul', [difference, difference]);
  }),
  LogicalAnd: plainBinary('And'),
  LogicalOr: plainBinary('Or'),
  Equal: plainBinary('Equal'),
  NotEqual: binary((to, a, b) => to.apply('Not', [to.apply('Equal', [a, b])])),
  Less: plainBinary('Less'),
  LessEqual: plainBinary('LessOrEqual'),
  Greater: plainBinary('Greater'),
  GreaterEqual: plainBinary('GreaterOrEqual'),
  AddN: addN,
  Sum: reduction('ReduceSum'),
  Mean: reduction('ReduceMean'),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  All: reduction('ReduceMin'),
  Any: reduction('ReduceMax'),
  ArgMax: arg('ArgMax'),
  ArgMin: arg('ArgMin'),
  Softmax: softmax('Softmax'),
  LogSoftmax: softmax('LogSoftmax'),
  Cast: cast,
  Reshape: (to, call) => [reshape(to, input(call, 'x'), output(call))],
  ExpandDims: (to, call) => [reshape(to, input(call, 'input'), output(call))],
  Transpose: transpose,
  BatchMatMul: matMul,
  GatherV2: gather,
  UnsortedSegmentSum: segmentSum,
  Concat: concat,
  Pack: pack,
  Unpack: unpack,
  SplitV: split,
  Slice: slice,
  PadV2: pad,
  Tile: tile,
  BroadcastTo: (_, call) => [{ ...input(call, 'x'), ...output(call) }],
  Range: range,
  OneHot: oneHot,
  Select: select,
  Cumsum: cumsum,
};
