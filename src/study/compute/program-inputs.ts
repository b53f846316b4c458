import type { Tensor as TfTensor } from '@tensorflow/tfjs';
import { sizeOfShape, type DeltaTensors } from '../../core/tensor.js';
import type { Dimension, HostTensor, TensorSignature } from '../../engine/contract.js';
import type { T5Architecture } from '../../core/t5-architecture.js';
import { Dropout, drawDropoutKeys } from '../../model/dropout.js';
import { Random } from '../../model/random.js';
import { bucketMatrix } from '../../model/relative-positions.js';
import type { DecoderInputs, EncoderInputs } from '../../model/stack.js';
import { cutRows, type BatchPart } from './batch-parts.js';
import type { Batch } from './contract.js';

export type Signatures = Record<string, TensorSignature>;
export type HostTensors = Record<string, HostTensor>;
export type Inputs = Readonly<Record<string, TfTensor>>;

/** Delta tensors enter programs under these names. */
export const deltaInput = (name: string): string => `delta/${name}`;

export const int32 = (...shape: Dimension[]): TensorSignature => ({ dtype: 'int32', shape });
export const float32 = (...shape: Dimension[]): TensorSignature => ({ dtype: 'float32', shape });

export function hostInt32(data: Int32Array, ...shape: number[]): HostTensor {
  return { dtype: 'int32', shape, data };
}

export function hostFloat32(data: Float32Array, ...shape: number[]): HostTensor {
  return { dtype: 'float32', shape, data };
}

/** The input of this name; programs declare all that they read. */
export function input(inputs: Inputs, name: string): TfTensor {
  const tensor = inputs[name];
  if (tensor === undefined) throw new RangeError(`The program has no input '${name}'.`);
  return tensor;
}

/** Signatures of what the encoder reads; `prefix` is the number of prefix positions, 0 for none. */
export function encoderSignatures(prefix: number): Signatures {
  return {
    inputIds: int32('batch', 'source'),
    inputMask: float32('batch', 'source'),
    sourceBuckets: int32('source', 'source'),
    ...(prefix === 0
      ? {}
      : { prefixRows: float32('batch', prefix), sourcePrefixBuckets: int32('source', prefix) }),
  };
}

/** Signatures of what the decoder and the loss read besides. */
export function decoderSignatures(prefix: number): Signatures {
  return {
    decoderIds: int32('batch', 'target'),
    labels: int32('batch', 'target'),
    labelMask: float32('batch', 'target'),
    targetBuckets: int32('target', 'target'),
    ...(prefix === 0 ? {} : { targetPrefixBuckets: int32('target', prefix) }),
  };
}

export function dropoutSignatures(): Signatures {
  return {
    sourceRows: float32('batch', 'source'),
    targetRows: float32('batch', 'target'),
    sourceColumns: float32('source'),
    targetColumns: float32('target'),
  };
}

export function deltaSignatures(shapes: ReadonlyMap<string, readonly number[]>): Signatures {
  const signatures: Signatures = {};
  for (const [name, shape] of shapes) signatures[deltaInput(name)] = float32(...shape);
  return signatures;
}

/** The number of elements of all that is trained. */
export function trainedElements(shapes: ReadonlyMap<string, readonly number[]>): number {
  return [...shapes.values()].reduce((sum, shape) => sum + sizeOfShape(shape), 0);
}

export function encoderInputs(inputs: Inputs): EncoderInputs {
  return {
    ids: input(inputs, 'inputIds'),
    mask: input(inputs, 'inputMask'),
    buckets: input(inputs, 'sourceBuckets'),
    prefix:
      inputs['prefixRows'] === undefined
        ? null
        : { rows: inputs['prefixRows'], buckets: input(inputs, 'sourcePrefixBuckets') },
  };
}

export function decoderInputs(inputs: Inputs, encoderHidden: TfTensor): DecoderInputs {
  return {
    ids: input(inputs, 'decoderIds'),
    buckets: input(inputs, 'targetBuckets'),
    prefix:
      inputs['prefixRows'] === undefined
        ? null
        : { rows: inputs['prefixRows'], buckets: input(inputs, 'targetPrefixBuckets') },
    encoderHidden,
    encoderMask: input(inputs, 'inputMask'),
  };
}

export function dropoutOf(inputs: Inputs, rate: number): Dropout | null {
  if (rate === 0) return null;
  return new Dropout(
    {
      sourceRows: input(inputs, 'sourceRows'),
      targetRows: input(inputs, 'targetRows'),
      sourceColumns: input(inputs, 'sourceColumns'),
      targetColumns: input(inputs, 'targetColumns'),
    },
    rate,
  );
}

/** At 512 tokens a bucket matrix takes 1 MiB; lengths that come again are mostly recent ones. */
const BUCKET_MATRICES_KEPT = 24;

/** Makes the host's tensors of a batch. Bucket matrices depend on lengths only; the latest are kept. */
export class BatchInputs {
  private readonly kept = new Map<string, HostTensor>();

  constructor(
    private readonly architecture: T5Architecture,
    private readonly prefix: number,
  ) {}

  encoder(batch: Batch): HostTensors {
    const { size, sourceLength } = batch;
    return {
      inputIds: hostInt32(batch.inputIds, size, sourceLength),
      inputMask: hostFloat32(batch.inputMask, size, sourceLength),
      sourceBuckets: this.buckets('bidirectional', sourceLength),
      ...(this.prefix === 0
        ? {}
        : {
            prefixRows: hostFloat32(new Float32Array(size * this.prefix).fill(1), size, this.prefix),
            sourcePrefixBuckets: this.prefixBuckets('bidirectional', sourceLength),
          }),
    };
  }

  /** Labels are shifted right for the decoder, starting with the start token; padding becomes 0 and is masked. */
  decoder(batch: Batch): HostTensors {
    const { size, targetLength, labels } = batch;
    const { padId, decoderStartId } = this.architecture;
    const ids = new Int32Array(labels.length);
    const filled = new Int32Array(labels.length);
    const mask = new Float32Array(labels.length);
    labels.forEach((label, i) => {
      const counts = label >= 0;
      filled[i] = counts ? label : 0;
      mask[i] = counts ? 1 : 0;
      const column = i % targetLength;
      const before = labels[i - 1] ?? 0;
      ids[i] = column === 0 ? decoderStartId : before >= 0 ? before : padId;
    });
    return {
      decoderIds: hostInt32(ids, size, targetLength),
      labels: hostInt32(filled, size, targetLength),
      labelMask: hostFloat32(mask, size, targetLength),
      targetBuckets: this.buckets('causal', targetLength),
      ...(this.prefix === 0 ? {} : { targetPrefixBuckets: this.prefixBuckets('causal', targetLength) }),
    };
  }

  /**
   * Keys of the masks of one step, by part of its batch: drawn for the whole batch and then cut, so that a row meets the same masks
   * however the batch is cut.
   */
  dropout(whole: Batch, seed: number, step: number): (part: BatchPart) => HostTensors {
    const random = new Random(seed, step);
    const [source, target] = [whole.sourceLength, whole.targetLength];
    const sourceRows = drawDropoutKeys(random, whole.size * source);
    const targetRows = drawDropoutKeys(random, whole.size * target);
    const sourceColumns = drawDropoutKeys(random, source);
    const targetColumns = drawDropoutKeys(random, target);
    return ({ batch: { size, sourceLength, targetLength }, places }) => ({
      sourceRows: hostFloat32(cutRows(sourceRows, places, source, sourceLength), size, sourceLength),
      targetRows: hostFloat32(cutRows(targetRows, places, target, targetLength), size, targetLength),
      sourceColumns: hostFloat32(sourceColumns.slice(0, sourceLength), sourceLength),
      targetColumns: hostFloat32(targetColumns.slice(0, targetLength), targetLength),
    });
  }

  /** Buckets [1, past] that a token at position `past` gives to everything in the cache, the prefix included. */
  past(length: number): HostTensor {
    return this.keep(`past ${length}`, () =>
      hostInt32(
        bucketMatrix(this.architecture, 'causal', { queries: 1, keys: length, firstQuery: length }),
        1,
        length,
      ),
    );
  }

  /** Buckets [1, prefix] of the start token. */
  startPrefixBuckets(): HostTensor {
    return this.prefixBuckets('causal', 1);
  }

  private buckets(kind: 'bidirectional' | 'causal', length: number): HostTensor {
    return this.keep(`${kind} ${length}`, () =>
      hostInt32(bucketMatrix(this.architecture, kind, { queries: length, keys: length }), length, length),
    );
  }

  private prefixBuckets(kind: 'bidirectional' | 'causal', length: number): HostTensor {
    const keys = this.prefix;
    return this.keep(`prefix ${kind} ${length}`, () =>
      hostInt32(
        bucketMatrix(this.architecture, kind, { queries: length, keys, firstQuery: keys }),
        length,
        keys,
      ),
    );
  }

  private keep(key: string, make: () => HostTensor): HostTensor {
    const tensor = this.kept.get(key) ?? make();
    // A map iterates in the order of insertion: the first key is the one longest unused.
    this.kept.delete(key);
    this.kept.set(key, tensor);
    const [oldest] = this.kept.keys();
    if (this.kept.size > BUCKET_MATRICES_KEPT && oldest !== undefined) this.kept.delete(oldest);
    return tensor;
  }
}

/** A delta as program inputs. */
export function deltaTensors(delta: DeltaTensors): HostTensors {
  const tensors: HostTensors = {};
  for (const [name, { shape, data }] of delta) tensors[deltaInput(name)] = hostFloat32(data, ...shape);
  return tensors;
}
