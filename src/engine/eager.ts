import * as tf from '@tensorflow/tfjs';
import { DeltaloomError } from '../core/errors.js';
import type {
  DeviceReport,
  DeviceTensor,
  Engine,
  Executable,
  FrozenTensors,
  HostTensor,
  Program,
} from './contract.js';
import { registerGradients } from './gradients.js';
import { readFrozenValues } from './frozen-values.js';
import { checkInputs, isDeviceTensor } from './run-inputs.js';

/** Frozen weights of the eager devices by place in the file, so that several programs share one copy. */
type FrozenCache = Map<string, Promise<tf.Tensor>>;

/**
 * Runs programs operation by operation on a TensorFlow.js backend: the native ones where the user has them, the plain
 * cpu backend as the slow oracle of the tests.
 */
export class EagerEngine implements Engine {
  private readonly frozen: FrozenCache = new Map();

  constructor(
    readonly device: DeviceReport,
    /** Name of a registered TensorFlow.js backend. */
    private readonly backend: string,
    readonly versions: Readonly<Record<string, string>>,
  ) {
    registerGradients();
    // Without it the plain backend advertises another package on the terminal.
    tf.enableProdMode();
  }

  async compile<Input extends string, Output extends string>(
    program: Program<Input, Output>,
    frozen: FrozenTensors,
  ): Promise<Executable<Input, Output>> {
    await this.activate();
    return new EagerExecutable(program, frozen, this.frozen, () => this.activate());
  }

  async dispose(): Promise<void> {
    for (const reading of this.frozen.values()) {
      const tensor = await reading.catch(() => undefined);
      tensor?.dispose();
    }
    this.frozen.clear();
  }

  private async activate(): Promise<void> {
    while (tf.getBackend() !== this.backend) {
      if (await tf.setBackend(this.backend)) continue;
      throw new DeltaloomError(
        'device-unusable',
        `TensorFlow.js could not start its backend '${this.backend}'.`,
      );
    }
  }
}

class EagerExecutable<Input extends string, Output extends string> implements Executable<Input, Output> {
  readonly program: string;

  constructor(
    private readonly definition: Program<Input, Output>,
    private readonly frozen: FrozenTensors,
    private readonly cache: FrozenCache,
    private readonly activate: () => Promise<void>,
  ) {
    this.program = definition.name;
  }

  async run(
    inputs: Readonly<Record<Input, HostTensor | DeviceTensor>>,
  ): Promise<Record<Output, DeviceTensor>> {
    checkInputs(this.definition, inputs);
    const loaded = await this.loadFrozen(inputs);
    // Last: the choice of backend is global, and another engine may have changed it while weights were read.
    await this.activate();
    const outputs = tf.tidy(() => {
      const tensors = this.toTensors(inputs);
      return this.definition.compute(tensors, (name) => loaded(name));
    });
    const results = {} as Record<Output, DeviceTensor>;
    for (const name of this.definition.outputs) results[name] = new EagerTensor(tf.keep(outputs[name]));
    return results;
  }

  async dispose(): Promise<void> {
    // Frozen weights belong to the engine.
  }

  /** Finds out by running which weights the program asks for, and loads those: reading all would waste memory. */
  private async loadFrozen(
    inputs: Readonly<Record<Input, HostTensor | DeviceTensor>>,
  ): Promise<(name: string) => tf.Tensor> {
    const ready = new Map<string, tf.Tensor>();
    for (const name of this.wanted ?? []) ready.set(name, await this.load(name));
    for (;;) {
      await this.activate();
      const missing = this.firstMissing(inputs, ready);
      if (missing === undefined) break;
      for (const name of missing) ready.set(name, await this.load(name));
    }
    this.wanted ??= new Set(ready.keys());
    return (name) => {
      const tensor = ready.get(name);
      if (tensor === undefined) throw unknownWeight(this.program, name);
      return tensor;
    };
  }

  private wanted: Set<string> | undefined;

  private firstMissing(
    inputs: Readonly<Record<Input, HostTensor | DeviceTensor>>,
    ready: ReadonlyMap<string, tf.Tensor>,
  ): Set<string> | undefined {
    if (this.wanted !== undefined) return undefined;
    const asked = new Set<string>();
    tf.tidy(() => {
      this.definition.compute(this.toTensors(inputs), (name) => {
        const tensor = ready.get(name);
        if (tensor !== undefined) return tensor;
        const place = this.frozen.get(name);
        if (place === undefined) throw unknownWeight(this.program, name);
        asked.add(name);
        return tf.zeros([...place.shape]);
      });
    });
    return asked.size === 0 ? undefined : asked;
  }

  private load(name: string): Promise<tf.Tensor> {
    const place = this.frozen.get(name);
    if (place === undefined) throw unknownWeight(this.program, name);
    const key = `${place.file}:${place.byteOffset}:${place.shape.join('x')}`;
    let tensor = this.cache.get(key);
    if (tensor === undefined) {
      tensor = readFrozenValues(place).then(async (values) => {
        await this.activate();
        return tf.keep(tf.tensor(values, [...place.shape], 'float32'));
      });
      this.cache.set(key, tensor);
      // A failed reading is not kept: the next run tries again.
      tensor.catch(() => this.cache.delete(key));
    }
    return tensor;
  }

  private toTensors(inputs: Readonly<Record<Input, HostTensor | DeviceTensor>>): Record<Input, tf.Tensor> {
    const tensors = {} as Record<Input, tf.Tensor>;
    for (const name of Object.keys(this.definition.inputs) as Input[]) {
      const value = inputs[name];
      tensors[name] = isDeviceTensor(value)
        ? eagerTensor(value).clone()
        : tf.tensor(value.data, [...value.shape], value.dtype);
    }
    return tensors;
  }
}

class EagerTensor implements DeviceTensor {
  readonly dtype: DeviceTensor['dtype'];
  readonly shape: readonly number[];

  constructor(readonly tensor: tf.Tensor) {
    this.dtype = tensor.dtype as DeviceTensor['dtype'];
    this.shape = tensor.shape;
  }

  data(): Promise<Float32Array | Int32Array | Uint8Array> {
    return this.tensor.data();
  }

  dispose(): void {
    if (!this.tensor.isDisposed) this.tensor.dispose();
  }
}

function eagerTensor(value: DeviceTensor): tf.Tensor {
  if (value instanceof EagerTensor) return value.tensor;
  throw new DeltaloomError(
    'engine-foreign-tensor',
    'A tensor of another engine was given to an eager device.',
  );
}

function unknownWeight(program: string, name: string): DeltaloomError {
  return new DeltaloomError(
    'engine-unknown-weight',
    `Program ${program} asks for the weight '${name}', which the backbone lacks.`,
  );
}
