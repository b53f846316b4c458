import { normaliseAxis, reductionAxes } from './kernel-shapes.js';
import type { Lowered, Lowering } from './lowering.js';
import { input, output, stored, traced, type Emit, type Lowerings } from './lowering-helpers.js';

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

const topK: Emit = (to, call) => {
  const k = call.nodes[0].attributes['k'] as number;
  const operands = [to.full(input(call, 'x')), to.builder.constant('int64', [1], [k])];
  const [values, indices] = to.builder.node('TopK', operands, { axis: -1 }, { outputs: 2 });
  return [stored(call, values ?? '', 0), stored(call, to.cast(indices ?? '', 'int32'), 1)];
};

/** Kernels that make fewer numbers of many, or look at many for each. */
export const REDUCTIONS: Lowerings = {
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
  Cumsum: cumsum,
  TopK: topK,
};
