import path from 'node:path';
import type { Dimension, ElementType, FrozenTensor } from '../contract.js';
import { ATTRIBUTE_TYPE, DATA_TYPE, encodeModel, EXTERNAL, type OnnxElementType } from './schema.js';

/** Attributes of a node; a bare number is an int attribute. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

const OPSET = 20;
const IR_VERSION = 9;

/**
 * Collects nodes and initializers. Equal nodes and equal constants are written once: TensorFlow.js repeats itself a lot
 * while it derives gradients.
 */
export class OnnxGraphBuilder {
  private readonly nodes: Record<string, unknown>[] = [];
  private readonly initializers: Record<string, unknown>[] = [];
  private readonly inputs: Record<string, unknown>[] = [];
  private readonly outputs: Record<string, unknown>[] = [];
  /** Of results of nodes, by name. */
  private readonly described = new Map<string, Record<string, unknown>>();
  private readonly results = new Set<string>();
  private readonly shared = new Map<string, readonly string[]>();
  private names = 0;

  input(name: string, dtype: ElementType, shape: readonly Dimension[]): string {
    this.inputs.push(valueInfo(name, dtype, shape));
    return name;
  }

  /** Names `value` as an output; inputs and outputs may have the same names in a program, so outputs get a prefix. */
  output(name: string, value: string, dtype: ElementType, rank: number): void {
    const output = outputName(name);
    this.nodes.push({ input: [value], output: [output], opType: 'Identity' });
    this.outputs.push(
      valueInfo(
        output,
        dtype,
        Array.from({ length: rank }, (_, axis) => `${output}:${axis}`),
      ),
    );
  }

  /** Adds a node, or finds the equal one; returns the names of its outputs. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: { readonly domain?: string; readonly outputs?: number } = {},
  ): readonly string[] {
    const domain = options.domain ?? '';
    const key = JSON.stringify([opType, domain, inputs, attributes, options.outputs ?? 1]);
    const known = this.shared.get(key);
    if (known !== undefined) return known;
    const outputs = Array.from({ length: options.outputs ?? 1 }, () => `v${this.names++}`);
    this.nodes.push({
      input: inputs,
      output: outputs,
      opType,
      domain,
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    this.shared.set(key, outputs);
    for (const output of outputs) this.results.add(output);
    return outputs;
  }

  /**
   * Tells the shape of a node's result. ONNX Runtime plans which results may share memory by comparing each with all that are
   * free at the time: where it can't tell shapes to be equal nothing is shared, the free ones pile up, and planning the thousands
   * of nodes of a training step takes seconds.
   */
  describe(name: string, dtype: ElementType, shape: readonly Dimension[]): void {
    if (this.results.has(name) && !this.described.has(name)) {
      this.described.set(name, valueInfo(name, dtype, shape));
    }
  }

  /** The single output of a node. */
  apply(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain?: string,
  ): string {
    const [output] = this.node(opType, inputs, attributes, domain === undefined ? {} : { domain });
    if (output === undefined) throw new Error(`${opType} has no output.`);
    return output;
  }

  constant(dtype: OnnxElementType, shape: readonly number[], values: ArrayLike<number>): string {
    const raw = rawData(dtype, values);
    const key = `constant ${dtype} ${shape.join(',')} ${Buffer.from(raw).toString('base64')}`;
    const known = this.shared.get(key)?.[0];
    if (known !== undefined) return known;
    const name = `c${this.names++}`;
    this.initializers.push({ name, dims: shape, dataType: DATA_TYPE[dtype], rawData: raw });
    this.shared.set(key, [name]);
    return name;
  }

  /** A weight that stays where it is: the initializer points at its bytes in the file. */
  external(tensor: FrozenTensor): string {
    const key = `external ${tensor.name}`;
    const known = this.shared.get(key)?.[0];
    if (known !== undefined) return known;
    const name = `w:${tensor.name}`;
    this.initializers.push({
      name,
      dims: tensor.shape,
      dataType: DATA_TYPE.float32,
      dataLocation: EXTERNAL,
      externalData: [
        { key: 'location', value: path.basename(tensor.file) },
        { key: 'offset', value: String(tensor.byteOffset) },
        { key: 'length', value: String(tensor.byteLength) },
      ],
    });
    this.shared.set(key, [name]);
    return name;
  }

  /** The model's bytes. */
  finish(name: string): Uint8Array {
    return encodeModel({
      irVersion: IR_VERSION,
      producerName: 'deltaloom',
      opsetImport: [
        { domain: '', version: OPSET },
        { domain: 'com.microsoft', version: 1 },
      ],
      graph: {
        name,
        node: this.nodes,
        initializer: this.initializers,
        input: this.inputs,
        output: this.outputs,
        valueInfo: [...this.described.values()],
      },
    });
  }
}

/** How the output `name` of a program is called in its graph. */
export function outputName(name: string): string {
  return `out:${name}`;
}

function attribute(name: string, value: AttributeValue): Record<string, unknown> {
  if (typeof value === 'number') return { name, i: value, type: ATTRIBUTE_TYPE.int };
  if (typeof value === 'string') return { name, s: Buffer.from(value), type: ATTRIBUTE_TYPE.string };
  if ('float' in value) return { name, f: value.float, type: ATTRIBUTE_TYPE.float };
  return { name, ints: value, type: ATTRIBUTE_TYPE.ints };
}

function valueInfo(name: string, dtype: ElementType, shape: readonly Dimension[]): Record<string, unknown> {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: DATA_TYPE[dtype], shape: { dim } } } };
}

function rawData(dtype: OnnxElementType, values: ArrayLike<number>): Uint8Array {
  const list = Array.from(values, Number);
  switch (dtype) {
    case 'float32':
      return new Uint8Array(Float32Array.from(list).buffer);
    case 'int32':
      return new Uint8Array(Int32Array.from(list).buffer);
    case 'int64':
      return new Uint8Array(BigInt64Array.from(list, (value) => BigInt(value)).buffer);
    case 'bool':
      return Uint8Array.from(list);
  }
}
