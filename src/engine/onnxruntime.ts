import { realpath, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type * as OnnxRuntimeModule from 'onnxruntime-node';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { DeltaloomError } from '../core/errors.js';
import type {
  DeviceReport,
  DeviceTensor,
  ElementType,
  Engine,
  Executable,
  FrozenTensor,
  FrozenTensors,
  HostTensor,
  Program,
} from './contract.js';
import { truncatedWeights, unreadableWeights } from './frozen-values.js';
import { outputName } from './onnx/graph-builder.js';
import { checkInputs, isDeviceTensor } from './run-inputs.js';
import { Lowering, type Flavour } from './tracing/lowering.js';
import { traceProgram } from './tracing/trace.js';

type OnnxRuntime = typeof OnnxRuntimeModule;

/** Sizes that stand for varying dimensions in the two traces: primes, so that products and sums can be told apart. */
const PRIMES: readonly (readonly number[])[] = [
  [1009, 1013, 1019, 1021, 1031, 1033, 1039],
  [1171, 1151, 1193, 1129, 1213, 1103, 1223],
];

export interface OnnxRuntimeOptions {
  readonly threads: number;
  readonly packWeights: boolean;
  readonly log: (message: string) => void;
}

/** Runs programs compiled to ONNX by ONNX Runtime, on its cpu, WebGPU or CUDA provider. */
export class OnnxRuntimeEngine implements Engine {
  readonly versions: Readonly<Record<string, string>>;
  /** Native memory, which no garbage collector counts: what is not released by hand stays. */
  private readonly executables = new Set<{ dispose(): Promise<void> }>();

  constructor(
    readonly device: DeviceReport,
    private readonly flavour: Flavour,
    private readonly runtime: OnnxRuntime,
    private readonly options: OnnxRuntimeOptions,
  ) {
    this.versions = { 'onnxruntime-node': runtime.env.versions.node ?? runtime.env.versions.common };
  }

  async compile<Input extends string, Output extends string>(
    program: Program<Input, Output>,
    frozen: FrozenTensors,
  ): Promise<Executable<Input, Output>> {
    const { located, folder } = await locate(frozen);
    const dimensions = symbolicDimensions(program);
    const [one, two] = PRIMES.map((primes) =>
      traceProgram(program, located, new Map(dimensions.map((name, index) => [name, primes[index] ?? 0]))),
    );
    if (one === undefined || two === undefined) throw new Error('No traces.');
    const model = new Lowering(program, located, [one, two], this.flavour, this.options.log).run();
    const session = await this.open(program.name, model, folder);
    const executable = new OnnxRuntimeExecutable(this.runtime, program, session, () =>
      this.executables.delete(executable),
    );
    this.executables.add(executable);
    return executable;
  }

  async dispose(): Promise<void> {
    for (const executable of this.executables) await executable.dispose();
  }

  private async open(name: string, model: Uint8Array, folder: string | undefined): Promise<InferenceSession> {
    const providers = { cpu: ['cpu'], webgpu: ['webgpu', 'cpu'], cuda: ['cuda', 'cpu'] }[this.flavour];
    try {
      return await this.runtime.InferenceSession.create(model, {
        executionProviders: providers,
        intraOpNumThreads: this.options.threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: 'all',
        // Halves the arena at the same speed; patterns only pay when shapes never change.
        enableMemPattern: false,
        logSeverityLevel: 3,
        extra: {
          session: {
            // Unless asked to, weights stay mapped from the user's file instead of being copied into a packed layout.
            disable_prepacking: this.options.packWeights ? '0' : '1',
            ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
          },
        },
      });
    } catch (error) {
      throw new DeltaloomError(
        'engine-compile-failed',
        `ONNX Runtime could not load program ${name} on ${this.device.id}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }
}

class OnnxRuntimeExecutable<Input extends string, Output extends string> implements Executable<
  Input,
  Output
> {
  readonly program: string;

  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly definition: Program<Input, Output>,
    private readonly session: InferenceSession,
    private readonly onReleased: () => void,
  ) {
    this.program = definition.name;
  }

  async run(
    inputs: Readonly<Record<Input, HostTensor | DeviceTensor>>,
  ): Promise<Record<Output, DeviceTensor>> {
    checkInputs(this.definition, inputs);
    const feeds: Record<string, OrtTensor> = {};
    for (const name of Object.keys(this.definition.inputs) as Input[]) feeds[name] = this.toOrt(inputs[name]);
    let outputs: InferenceSession.OnnxValueMapType;
    try {
      outputs = await this.session.run(feeds);
    } catch (error) {
      throw new DeltaloomError(
        'engine-run-failed',
        `ONNX Runtime failed in program ${this.program}: ${messageOf(error)}`,
        { cause: error },
      );
    }
    const results = {} as Record<Output, DeviceTensor>;
    for (const name of this.definition.outputs) {
      const value = outputs[outputName(name)];
      if (value === undefined) throw new Error(`ONNX Runtime returned no '${name}'.`);
      results[name] = new OnnxRuntimeTensor(value);
    }
    return results;
  }

  dispose(): Promise<void> {
    this.released ??= this.session.release().then(this.onReleased);
    return this.released;
  }

  private released: Promise<void> | undefined;

  private toOrt(value: HostTensor | DeviceTensor): OrtTensor {
    if (!isDeviceTensor(value)) {
      // ONNX Runtime refuses memory that is shared between threads.
      const data = value.data.buffer instanceof ArrayBuffer ? value.data : value.data.slice();
      return new this.runtime.Tensor(value.dtype, data, [...value.shape]);
    }
    if (value instanceof OnnxRuntimeTensor) return value.tensor;
    throw new DeltaloomError(
      'engine-foreign-tensor',
      'A tensor of another engine was given to a compiled device.',
    );
  }
}

class OnnxRuntimeTensor implements DeviceTensor {
  readonly dtype: ElementType;
  readonly shape: readonly number[];

  constructor(readonly tensor: OrtTensor) {
    this.dtype = tensor.type as ElementType;
    this.shape = tensor.dims;
  }

  async data(): Promise<Float32Array | Int32Array | Uint8Array> {
    return (await this.tensor.getData()) as Float32Array | Int32Array | Uint8Array;
  }

  dispose(): void {
    if (this.tensor.location !== 'none') this.tensor.dispose();
  }
}

function symbolicDimensions(program: Program): string[] {
  const names = new Set<string>();
  for (const { shape } of Object.values(program.inputs)) {
    for (const dimension of shape) if (typeof dimension === 'string') names.add(dimension);
  }
  return [...names];
}

/**
 * ONNX Runtime takes external data from one folder, by name, and refuses links that leave it: real paths are used. Hugging
 * Face's cache links every shard into one folder, which works.
 */
async function locate(
  frozen: FrozenTensors,
): Promise<{ located: FrozenTensors; folder: string | undefined }> {
  const real = new Map<string, string>();
  const sizes = new Map<string, number>();
  const located = new Map<string, FrozenTensor>();
  for (const [name, tensor] of frozen) {
    let file = real.get(tensor.file);
    if (file === undefined) {
      file = await realpath(tensor.file).catch((error: unknown) => {
        throw unreadableWeights(tensor, error);
      });
      real.set(tensor.file, file);
      sizes.set(file, (await stat(file)).size);
    }
    // ONNX Runtime's own message names neither the file nor the weight.
    if (tensor.byteOffset + tensor.byteLength > (sizes.get(file) ?? 0)) throw truncatedWeights(tensor);
    located.set(name, { ...tensor, file });
  }
  const folders = new Set([...real.values()].map((file) => path.dirname(file)));
  if (folders.size > 1) {
    throw new DeltaloomError(
      'weights-scattered',
      `The backbone's weight files lie in several folders: ${[...folders].join(', ')}.`,
      {
        remedy: 'Put the files of one backbone into one folder.',
      },
    );
  }
  return { located, folder: [...folders][0] };
}

/** Physical cores are what matrix products scale with; 0 would let every session take all logical ones. */
export function defaultThreads(): number {
  return Math.max(1, Math.min(os.availableParallelism(), 16));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
