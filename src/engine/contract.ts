import type { Tensor as TfTensor } from '@tensorflow/tfjs';

/** Element types that cross the border of a compiled program. They map one to one to ONNX. */
export type ElementType = 'float32' | 'int32' | 'bool';

/** A fixed size, or the name of a size that varies from run to run, for example `batch`, `source`, `target`, `past`. */
export type Dimension = number | string;

export interface TensorSignature {
  readonly dtype: ElementType;
  readonly shape: readonly Dimension[];
}

/** A tensor in ordinary memory, row-major. bool is a Uint8Array of 0 and 1. */
export interface HostTensor {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/**
 * What a run returns: a tensor that may still live on the device. It can be fed to another run of the same
 * engine without a copy. Dispose it when done; disposing twice does nothing.
 */
export interface DeviceTensor {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  data(): Promise<Float32Array | Int32Array | Uint8Array>;
  dispose(): void;
}

/** A frozen float32 weight: where its bytes lie in a file. It is never copied into JavaScript on the compiled devices. */
export interface FrozenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Absolute path of a file that holds the values as little-endian float32, row-major. */
  readonly file: string;
  readonly byteOffset: number;
  readonly byteLength: number;
}
export type FrozenTensors = ReadonlyMap<string, FrozenTensor>;

/**
 * A function written in TensorFlow.js operations, with the sizes of its inputs. It must be pure: no readSync, no control
 * flow on values, no shape but those of its arguments. The same function runs eagerly or compiled.
 */
export interface Program<Input extends string = string, Output extends string = string> {
  /** For logs, profiles and cache keys. */
  readonly name: string;
  readonly inputs: Readonly<Record<Input, TensorSignature>>;
  readonly outputs: readonly Output[];
  /** `frozen(name)` yields a backbone weight; only the weights asked for are loaded. */
  readonly compute: (
    inputs: Readonly<Record<Input, TfTensor>>,
    frozen: (name: string) => TfTensor,
  ) => Record<Output, TfTensor>;
}

export interface Executable<Input extends string = string, Output extends string = string> {
  readonly program: string;
  /**
   * Runs once. Sizes of the same name must agree between inputs; checked, with an error that names both.
   * Heavy native work: call it in the runtime process only.
   */
  run(inputs: Readonly<Record<Input, HostTensor | DeviceTensor>>): Promise<Record<Output, DeviceTensor>>;
  dispose(): Promise<void>;
}

export const DEVICE_IDS = ['cpu', 'webgpu', 'cuda', 'tfjs-node-gpu', 'tfjs-node', 'reference'] as const;
export type DeviceId = (typeof DEVICE_IDS)[number];

export interface DeviceReport {
  readonly id: DeviceId;
  readonly title: string;
  readonly usable: boolean;
  /** Why it is or is not usable, for people. */
  readonly reason: string;
}

export interface EngineOptions {
  readonly device: DeviceId | 'auto';
  /** Threads of the cpu device; 0 or undefined leaves the choice to the engine. */
  readonly threads?: number;
  /**
   * Whether the cpu device keeps copies of the frozen weights that are arranged for its products: one for the forward pass and
   * one for the backward pass, instead of the mapped file. Faster where packing a weight anew for each product tells, which is on
   * processors with AVX-512; see decision 6.
   */
  readonly packWeights?: boolean;
  /** Told when `auto` fell back, and of warnings while compiling. */
  readonly log?: (message: string) => void;
}

/** One device, opened. `src/engine/index.ts` exports `openEngine(options)` and `listDevices()`. */
export interface Engine {
  readonly device: DeviceReport;
  /** Versions of what computes, for the run records: for example { 'onnxruntime-node': '1.30.0' }. */
  readonly versions: Readonly<Record<string, string>>;
  compile<Input extends string, Output extends string>(
    program: Program<Input, Output>,
    frozen: FrozenTensors,
  ): Promise<Executable<Input, Output>>;
  dispose(): Promise<void>;
}
