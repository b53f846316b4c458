import * as tf from '@tensorflow/tfjs';
import { DeltaloomError } from '../../core/errors.js';
import type { ElementType, FrozenTensors, Program } from '../contract.js';
import { registerGradients } from '../gradients.js';
import type { KernelNode, Trace, TracedTensor } from './graph.js';
import { KERNEL_SHAPES } from './kernel-shapes.js';

/** Name of the TensorFlow.js backend that records kernels instead of computing them. */
const BACKEND = 'deltaloom-tracing';

/**
 * A backend that holds no values: every data id stands for a traced tensor. `readSync` throws, since a value that is
 * read while tracing would be baked into the graph.
 */
class TracingBackend extends tf.KernelBackend {
  private readonly tensors = new WeakMap<object, TracedTensor>();

  /** Gives a traced tensor an identity that TensorFlow.js can pass around. */
  register(tensor: TracedTensor): tf.TensorInfo {
    const dataId = {};
    this.tensors.set(dataId, tensor);
    return { dataId, shape: [...tensor.shape], dtype: tensor.dtype };
  }

  /** The traced tensor behind an id, with the shape of this view of it. */
  lookUp(info: tf.TensorInfo): TracedTensor {
    const tensor = this.tensors.get(info.dataId);
    if (tensor === undefined)
      throw new DeltaloomError('trace-foreign-tensor', 'A traced program uses a tensor made outside of it.');
    return tensor;
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    return this.register({
      dtype: dtype as ElementType,
      shape,
      origin: { kind: 'constant', values: values as unknown as ArrayLike<number> },
    }).dataId;
  }

  override move(
    dataId: object,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
  ): void {
    this.tensors.set(dataId, {
      dtype: dtype as ElementType,
      shape,
      origin: { kind: 'constant', values: values as unknown as ArrayLike<number> },
    });
  }

  override readSync(): never {
    throw new DeltaloomError(
      'trace-reads-value',
      'A program read the value of a tensor while it was traced; only shapes are known then.',
    );
  }
  override read(): never {
    return this.readSync();
  }
  override disposeData(): boolean {
    return true;
  }
  override refCount(): number {
    return 1;
  }
  override incRef(): void {
    // Tensors live as long as the trace.
  }
  decRef(): void {
    // See incRef.
  }
  override numDataIds(): number {
    return 0;
  }
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override dispose(): void {
    // Nothing is held.
  }
}

let backend: TracingBackend | undefined;

function tracingBackend(): TracingBackend {
  if (backend !== undefined) return backend;
  const created = new TracingBackend();
  tf.registerBackend(BACKEND, () => created, 0);
  for (const [kernelName, infer] of Object.entries(KERNEL_SHAPES)) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({ inputs, attrs }) => {
        const attributes = (attrs ?? {}) as Record<string, unknown>;
        const traced: Record<string, TracedTensor> = {};
        for (const [name, value] of Object.entries(inputs)) {
          for (const [index, info] of [value].flat().entries()) {
            if (info !== undefined)
              traced[Array.isArray(value) ? String(index) : name] = created.lookUp(info);
          }
        }
        const inferred = infer(traced, attributes);
        const results = Array.isArray(inferred) ? inferred : [inferred];
        const outputs: TracedTensor[] = [];
        const node: KernelNode = { kernel: kernelName, inputs: traced, attributes, outputs };
        results.forEach(({ dtype, shape }, output) =>
          outputs.push({ dtype, shape, origin: { kind: 'kernel', node, output } }),
        );
        const infos = outputs.map((tensor) => created.register(tensor));
        return Array.isArray(inferred) ? infos : (infos[0] ?? []);
      },
    });
  }
  registerGradients();
  backend = created;
  return created;
}

/**
 * Runs a program once with `sizes` for its symbolic dimensions and returns the recorded graph. Throws a DeltaloomError that
 * names the kernel when the program uses one that the tracer does not know.
 */
export function traceProgram(
  program: Program,
  frozen: FrozenTensors,
  sizes: ReadonlyMap<string, number>,
): Trace {
  const recorder = tracingBackend();
  const previous = tf.getBackend();
  tf.setBackend(BACKEND).catch(() => undefined);
  const made = (tensor: TracedTensor): tf.Tensor =>
    tf.engine().makeTensorFromTensorInfo(recorder.register(tensor));
  const weights = new Map<string, tf.Tensor>();
  try {
    const outputs: Record<string, TracedTensor> = {};
    tf.tidy(() => {
      const inputs: Record<string, tf.Tensor> = {};
      for (const [name, { dtype, shape }] of Object.entries(program.inputs)) {
        const concrete = shape.map((dimension) =>
          typeof dimension === 'number' ? dimension : (sizes.get(dimension) ?? 0),
        );
        inputs[name] = made({ dtype, shape: concrete, origin: { kind: 'input', name } });
      }
      const results = program.compute(inputs, (name) => {
        const known = weights.get(name);
        if (known !== undefined) return known;
        const place = frozen.get(name);
        if (place === undefined) {
          throw new DeltaloomError(
            'engine-unknown-weight',
            `Program ${program.name} asks for the weight '${name}', which the backbone lacks.`,
          );
        }
        const tensor = tf.keep(
          made({ dtype: 'float32', shape: place.shape, origin: { kind: 'frozen', name } }),
        );
        weights.set(name, tensor);
        return tensor;
      });
      for (const name of program.outputs) {
        const tensor = results[name];
        if (tensor === undefined) throw new Error(`Program ${program.name} returned no output '${name}'.`);
        outputs[name] = recorder.lookUp(tensor);
      }
    });
    return { sizes, outputs };
  } catch (error) {
    throw explain(program, error);
  } finally {
    for (const tensor of weights.values()) tensor.dispose();
    if (previous !== '') tf.setBackend(previous).catch(() => undefined);
  }
}

function explain(program: Program, error: unknown): unknown {
  const message = error instanceof Error ? error.message : '';
  const kernel = /Kernel '(\w+)' not registered/.exec(message)?.[1];
  if (kernel !== undefined) {
    return new DeltaloomError(
      'trace-unknown-kernel',
      `Program ${program.name} uses the TensorFlow.js kernel ${kernel}, which can not be compiled yet.`,
      {
        remedy: 'Add it as CONTRIBUTING.md describes, or run on an eager device.',
        cause: error,
      },
    );
  }
  if (/Invalid typed array length|Array buffer allocation failed/.test(message)) {
    return new DeltaloomError(
      'trace-large-constant',
      `Program ${program.name} makes a constant whose size varies; use zerosLike, onesLike or fill.`,
      { cause: error },
    );
  }
  return error;
}
