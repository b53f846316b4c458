import type { ElementType } from '../contract.js';
import type { Lowered, Lowering } from './lowering.js';
import {
  input,
  output,
  scalar,
  storedBroadcast,
  variadic,
  type Emit,
  type Lowerings,
} from './lowering-helpers.js';

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

/** ONNX's fmod has the dividend's sign; TensorFlow.js's Mod has the divisor's. */
const floorMod: Emit = (to, call) => {
  const divisor = input(call, 'b').uniform;
  return binary((graph, a, b, dtype) => {
    if (dtype !== 'float32') return graph.apply('Mod', [a, b]);
    const mod = (left: string): string => graph.apply('Mod', [left, b], { fmod: 1 });
    const rest = mod(a);
    const moved = graph.apply('Add', [rest, b]);
    if (divisor === undefined || divisor <= 0) return mod(moved);
    const negative = graph.apply('Less', [rest, scalar(graph, 0, dtype)]);
    return graph.apply('Where', [negative, moved, rest]);
  })(to, call);
};

const floorDiv: Emit = binary((to, a, b, dtype) => {
  if (dtype === 'float32') return to.cast(to.apply('Floor', [to.apply('Div', [a, b])]), 'int32');
  // Exact for every int32, which a quotient in float32 is not.
  const rest = to.apply('Mod', [a, b]);
  return to.apply('Div', [to.apply('Sub', [a, rest]), b]);
});

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

const step: Emit = (to, call) => {
  const alpha = (call.nodes[0].attributes['alpha'] as number | undefined) ?? 0;
  return unary((graph, x) => {
    const positive = graph.apply('Greater', [x.name, scalar(graph, 0, x.dtype)]);
    if (alpha === 0) return graph.cast(positive, 'float32');
    return graph.apply('Where', [positive, scalar(graph, 1, 'float32'), scalar(graph, alpha, 'float32')]);
  })(to, call);
};

const filled =
  (value: number): Emit =>
  (to, call) => {
    const { dtype, shape } = output(call);
    return [to.uniform(value, dtype, shape)];
  };

/** ONNX reduces no bool and compares it with no order: both go through int32. */
const comparison = (opType: string): Emit =>
  binary((to, a, b, dtype) => {
    const operand = (name: string): string => (dtype === 'bool' ? to.cast(name, 'int32') : name);
    return to.apply(opType, [operand(a), operand(b)]);
  });

/** Kernels that treat every element alike. */
export const ELEMENTWISE: Lowerings = {
  Abs: plain('Abs', Math.abs),
  Acos: plain('Acos'),
  Ceil: plain('Ceil', Math.ceil),
  Cos: plain('Cos'),
  Elu: plain('Elu'),
  Erf: plain('Erf'),
  Exp: plain('Exp'),
  Expm1: unary((to, x) => to.apply('Sub', [to.apply('Exp', [x.name]), scalar(to, 1, 'float32')])),
  Floor: plain('Floor', Math.floor),
  IsFinite: unary((to, x) =>
    to.apply('Not', [to.apply('Or', [to.apply('IsNaN', [x.name]), to.apply('IsInf', [x.name])])]),
  ),
  IsInf: plain('IsInf'),
  IsNan: plain('IsNaN'),
  LeakyRelu: (to, call) => {
    const alpha = call.nodes[0].attributes['alpha'] as number;
    return unary((graph, x) => graph.apply('LeakyRelu', [x.name], { alpha: { float: alpha } }))(to, call);
  },
  Log: plain('Log'),
  Log1p: unary((to, x) => to.apply('Log', [to.apply('Add', [x.name, scalar(to, 1, 'float32')])])),
  LogicalNot: plain('Not'),
  Neg: plain('Neg', (value) => -value),
  Reciprocal: plain('Reciprocal', (value) => 1 / value),
  Relu: plain('Relu'),
  Relu6: unary((to, x) => to.apply('Clip', [x.name, scalar(to, 0, x.dtype), scalar(to, 6, x.dtype)])),
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
  Step: step,
  Tanh: plain('Tanh'),
  ClipByValue: clip,
  Cast: cast,
  Identity: (_, call) => [input(call, 'x')],
  ZerosLike: filled(0),
  OnesLike: filled(1),
  Fill: (to, call) => filled(Number(call.nodes[0].attributes['value']))(to, call),
  Add: plainBinary('Add', (a, b) => a + b, { left: 0, right: 0 }),
  AddN: addN,
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
  LogicalXor: plainBinary('Xor'),
  Equal: comparison('Equal'),
  NotEqual: (to, call) =>
    comparison('Equal')(to, call).map((value) => ({ ...value, name: to.apply('Not', [value.name]) })),
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
};
