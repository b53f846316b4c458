import { DeltaloomError } from '../../core/errors.js';
import type { Dimension, ElementType, FrozenTensors, Program } from '../contract.js';
import { OnnxGraphBuilder, type AttributeValue } from '../onnx/graph-builder.js';
import type { KernelNode, Trace, TracedTensor } from './graph.js';
import { KERNEL_LOWERINGS } from './kernel-lowerings.js';
import { expressionOf, keyOf, type Pair, type SizeExpression, type SizePair } from './symbolic-sizes.js';

/**
 * A tensor in the ONNX graph. `stored` is what the graph holds; it broadcasts to `shape`, what the program meant. Keeping
 * the two apart lets constants and broadcasts stay small until an operation really needs every element.
 */
export interface Lowered {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly Pair[];
  readonly stored: readonly Pair[];
  /** The value of every element, where it is the same number in all of them and known while compiling. */
  readonly uniform?: number;
}

/** A kernel call as both traces saw it. */
export interface KernelPair {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, Lowered>>;
  /** Shapes of the outputs. */
  readonly outputs: readonly { readonly dtype: ElementType; readonly shape: readonly Pair[] }[];
  /** Both traces' nodes, for attributes that hold sizes. */
  readonly nodes: readonly [KernelNode, KernelNode];
}

export type Flavour = 'cpu' | 'webgpu' | 'cuda';

/** Bytes of a non-uniform constant above which it is worth a warning: it is part of the graph, in memory, for good. */
const LARGE_CONSTANT = 4 * 2 ** 20;

/** Turns two traces of one program into one ONNX model that is right for every size. */
export class Lowering {
  readonly builder = new OnnxGraphBuilder();
  private readonly dimensions: SizePair[] = [];
  private readonly dimensionSource = new Map<string, { input: string; axis: number }>();
  private readonly values = new Map<TracedTensor, Lowered>();
  /** Found before, by pair: a few sizes come back in thousands of results. */
  private readonly expressions = new Map<string, SizeExpression | undefined>();

  constructor(
    private readonly program: Program,
    private readonly frozen: FrozenTensors,
    private readonly traces: readonly [Trace, Trace],
    readonly flavour: Flavour,
    private readonly log: (message: string) => void,
  ) {
    for (const [name, { shape }] of Object.entries(program.inputs)) {
      shape.forEach((dimension, axis) => {
        if (typeof dimension === 'number' || this.dimensionSource.has(dimension)) return;
        this.dimensionSource.set(dimension, { input: name, axis });
        const sizes: Pair = [traces[0].sizes.get(dimension) ?? 0, traces[1].sizes.get(dimension) ?? 0];
        this.dimensions.push({ name: dimension, sizes });
      });
    }
  }

  /** The bytes of the ONNX model. */
  run(): Uint8Array {
    for (const [name, { dtype, shape }] of Object.entries(this.program.inputs))
      this.builder.input(name, dtype, shape);
    for (const name of this.program.outputs) {
      const first = this.traces[0].outputs[name];
      const second = this.traces[1].outputs[name];
      if (first === undefined || second === undefined) throw new Error(`No output '${name}'.`);
      const value = this.lowerWithAncestors(first, second);
      this.builder.output(name, this.full(value), value.dtype, value.shape.length);
    }
    return this.builder.finish(this.program.name);
  }

  /** Lowers a tensor after everything it depends on, without recursion: graphs are thousands of nodes deep. */
  private lowerWithAncestors(first: TracedTensor, second: TracedTensor): Lowered {
    const stack: [TracedTensor, TracedTensor][] = [[first, second]];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const [one, two] = top;
      if (this.values.has(one)) {
        stack.pop();
        continue;
      }
      const missing = this.dependencies(one, two).filter(([input]) => !this.values.has(input));
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      this.lower(one, two);
      stack.pop();
    }
    return this.lowered(first);
  }

  private dependencies(one: TracedTensor, two: TracedTensor): [TracedTensor, TracedTensor][] {
    if (one.origin.kind !== 'kernel' || two.origin.kind !== 'kernel') return [];
    const others = two.origin.node.inputs;
    return Object.entries(one.origin.node.inputs).map(([name, input]) => {
      const other = others[name];
      if (other === undefined) throw this.leak(`the kernel ${one.origin.kind} has other inputs`);
      return [input, other];
    });
  }

  private lowered(tensor: TracedTensor): Lowered {
    const value = this.values.get(tensor);
    if (value === undefined) throw new Error('A traced tensor was used before it was lowered.');
    return value;
  }

  private lower(one: TracedTensor, two: TracedTensor): void {
    const origin = one.origin;
    const other = two.origin;
    if (origin.kind !== other.kind || one.shape.length !== two.shape.length) {
      throw this.leak('the two traces took different ways');
    }
    const shape = pairs(one.shape, two.shape);
    if (origin.kind === 'input') {
      this.values.set(one, { name: origin.name, dtype: one.dtype, shape, stored: shape });
    } else if (origin.kind === 'frozen') {
      const tensor = this.frozen.get(origin.name);
      if (tensor === undefined) throw new Error(`No weight '${origin.name}'.`);
      this.values.set(one, { name: this.builder.external(tensor), dtype: one.dtype, shape, stored: shape });
    } else if (origin.kind === 'constant' && other.kind === 'constant') {
      this.values.set(one, this.lowerConstant(one.dtype, shape, origin.values, other.values));
    } else if (origin.kind === 'kernel' && other.kind === 'kernel') {
      this.lowerKernel(origin.node, other.node);
    }
  }

  private lowerKernel(one: KernelNode, two: KernelNode): void {
    if (one.kernel !== two.kernel || one.outputs.length !== two.outputs.length) {
      throw this.leak(`the two traces took different ways at ${one.kernel} and ${two.kernel}`);
    }
    const inputs = Object.fromEntries(
      Object.entries(one.inputs).map(([name, tensor]) => [name, this.lowered(tensor)]),
    );
    const outputs = one.outputs.map((tensor, index) => ({
      dtype: tensor.dtype,
      shape: pairs(tensor.shape, two.outputs[index]?.shape ?? []),
    }));
    const emit = KERNEL_LOWERINGS[one.kernel];
    if (emit === undefined) {
      throw new DeltaloomError(
        'trace-unknown-kernel',
        `Program ${this.program.name} uses the TensorFlow.js kernel ${one.kernel}, which can not be compiled yet.`,
      );
    }
    const results = emit(this, { kernel: one.kernel, inputs, outputs, nodes: [one, two] });
    one.outputs.forEach((tensor, index) => {
      const result = results[index];
      if (result === undefined) throw new Error(`${one.kernel} has no output ${index}.`);
      const dimensions = this.dimensionsOf(result.stored);
      if (dimensions !== undefined) this.builder.describe(result.name, result.dtype, dimensions);
      this.values.set(tensor, result);
    });
  }

  /**
   * Sizes that vary as names: equal names are equal sizes. Undefined where one follows no known form: an error only where that
   * size is needed.
   */
  private dimensionsOf(shape: readonly Pair[]): Dimension[] | undefined {
    const expressions = shape.flatMap((pair) => this.expression(pair) ?? []);
    return expressions.length < shape.length
      ? undefined
      : expressions.map((expression) =>
          expression.kind === 'constant' ? expression.value : keyOf(expression),
        );
  }

  private lowerConstant(
    dtype: ElementType,
    shape: readonly Pair[],
    one: ArrayLike<number>,
    two: ArrayLike<number>,
  ): Lowered {
    const a = uniformValue(one);
    const b = uniformValue(two);
    if (a !== undefined && b !== undefined) {
      if (Object.is(a, b)) return this.uniform(a, dtype, shape);
      return { name: this.computedScalar([a, b], dtype), dtype, shape, stored: [] };
    }
    if (one.length !== two.length || Array.from(one).some((value, index) => !Object.is(value, two[index]))) {
      throw this.leak('a constant tensor depends on a size');
    }
    if (one.length * 4 > LARGE_CONSTANT) {
      this.log(
        `Program ${this.program.name} holds a constant of ${(one.length * 4) / 2 ** 20} MiB; pass it as an input instead.`,
      );
    }
    const name = this.builder.constant(
      dtype,
      shape.map(([size]) => size),
      one,
    );
    return { name, dtype, shape, stored: shape };
  }

  /** A tensor whose elements all equal `value`; nothing of its size is stored. */
  uniform(value: number, dtype: ElementType, shape: readonly Pair[]): Lowered {
    const name = this.builder.constant(dtype, [], [value]);
    return { name, dtype, shape, stored: [], uniform: value };
  }

  /** A scalar constant that follows a size, such as the divisor of a mean. */
  computedScalar(pair: Pair, dtype: ElementType): string {
    const expression = this.expression(pair);
    if (expression !== undefined) return this.scalarOf(expression, dtype);
    const inverse = this.inverseExpression(pair);
    if (inverse !== undefined && dtype === 'float32') {
      return this.builder.apply('Reciprocal', [this.scalarOf(inverse, dtype)]);
    }
    throw this.leak(`the numbers ${pair[0]} and ${pair[1]} follow no size`);
  }

  /** For numbers of the form 1/n. */
  private inverseExpression([one, two]: Pair): SizeExpression | undefined {
    const inverse: Pair = [Math.round(1 / one), Math.round(1 / two)];
    const close = Math.abs(one * inverse[0] - 1) < 1e-6 && Math.abs(two * inverse[1] - 1) < 1e-6;
    return close ? this.expression(inverse) : undefined;
  }

  private scalarOf(expression: SizeExpression, dtype: ElementType): string {
    const scalar = this.builder.apply('Squeeze', [this.sizeVector(expression)]);
    return this.cast(scalar, dtype);
  }

  cast(name: string, dtype: ElementType): string {
    return this.builder.apply('Cast', [name], { to: { float32: 1, int32: 6, bool: 9 }[dtype] });
  }

  private expression(pair: Pair): SizeExpression | undefined {
    const key = pair.join(' ');
    if (!this.expressions.has(key)) this.expressions.set(key, expressionOf(pair, this.dimensions));
    return this.expressions.get(key);
  }

  /** The expression of a size; throws when a number leaked that follows none. */
  size(pair: Pair): SizeExpression {
    const expression = this.expression(pair);
    if (expression === undefined)
      throw this.leak(`the sizes ${pair[0]} and ${pair[1]} follow no size of the inputs`);
    return expression;
  }

  /** An int64 vector of one element. */
  sizeVector(expression: SizeExpression): string {
    switch (expression.kind) {
      case 'constant':
        return this.builder.constant('int64', [1], [expression.value]);
      case 'dimension': {
        const source = this.dimensionSource.get(expression.name);
        if (source === undefined) throw new Error(`No input has the dimension '${expression.name}'.`);
        return this.builder.apply('Shape', [source.input], { start: source.axis, end: source.axis + 1 });
      }
      case 'product':
        return this.fold('Mul', expression.factors);
      case 'sum':
        return this.fold('Add', expression.terms);
    }
  }

  private fold(operator: 'Add' | 'Mul', parts: readonly SizeExpression[]): string {
    return parts
      .map((part) => this.sizeVector(part))
      .reduce((left, right) => this.builder.apply(operator, [left, right]));
  }

  /** An int64 vector of sizes. */
  sizesVector(shape: readonly Pair[]): string {
    const expressions = shape.map((pair) => this.size(pair));
    if (expressions.every((expression) => expression.kind === 'constant')) {
      return this.builder.constant(
        'int64',
        [shape.length],
        expressions.map(({ value }) => value),
      );
    }
    if (expressions.length === 1 && expressions[0] !== undefined) return this.sizeVector(expressions[0]);
    return this.builder.apply(
      'Concat',
      expressions.map((expression) => this.sizeVector(expression)),
      { axis: 0 },
    );
  }

  /** Sizes for Reshape: one that varies may be left to ONNX (-1), which saves computing it. */
  reshapeVector(shape: readonly Pair[]): string {
    const varying = shape.filter(([one, two]) => one !== two).length;
    if (varying !== 1) return this.sizesVector(shape);
    return this.builder.constant(
      'int64',
      [shape.length],
      shape.map(([one, two]) => (one === two ? one : -1)),
    );
  }

  /** A tensor flattened to rows of its last axis. */
  rows(name: string, [width]: Pair): string {
    return this.apply('Reshape', [name, this.builder.constant('int64', [2], [-1, width])]);
  }

  /** The tensor with every element stored, for operations that look at shapes. */
  full(value: Lowered): string {
    if (sameShape(value.stored, value.shape)) return value.name;
    return this.builder.apply('Expand', [value.name, this.sizesVector(value.shape)]);
  }

  apply(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain?: string,
  ): string {
    return this.builder.apply(opType, inputs, attributes, domain);
  }

  sameSize(one: Pair, two: Pair): boolean {
    return keyOf(this.size(one)) === keyOf(this.size(two));
  }

  leak(what: string): DeltaloomError {
    return new DeltaloomError(
      'trace-leaked-size',
      `Program ${this.program.name} can't be compiled for every size: ${what}.`,
    );
  }
}

export function pairs(one: readonly number[], two: readonly number[]): Pair[] {
  return one.map((size, axis): Pair => [size, two[axis] ?? -1]);
}

export function sameShape(one: readonly Pair[], two: readonly Pair[]): boolean {
  return one.length === two.length && one.every(([a, b], axis) => a === two[axis]?.[0] && b === two[axis][1]);
}

function uniformValue(values: ArrayLike<number>): number | undefined {
  if (values.length === 0) return undefined;
  const first = Number(values[0]);
  for (let index = 1; index < values.length; index++)
    if (!Object.is(Number(values[index]), first)) return undefined;
  return first;
}
