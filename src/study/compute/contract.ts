import type { DeltaSettings } from '../../core/delta-settings.js';
import type { DeltaTensors, Tensor } from '../../core/tensor.js';
import type { DeviceReport } from '../../engine/contract.js';

/**
 * What a study asks of a model. `src/study/compute/index.ts` exports
 * `openBackbone(directory, options)` and `openModel(backbone, deltaSettings, engine)`.
 * Everything above this file knows nothing of graphs, padding or devices.
 */

/** One example, tokenised: ids end with eos, no padding. */
export interface TokenisedExample {
  /** Row of the split, 0-based. */
  readonly row: number;
  readonly input: Int32Array;
  /** One label sequence per answer. */
  readonly answers: readonly Int32Array[];
}

/** A padded batch. Padding is only as wide as the batch needs. */
export interface Batch {
  readonly rows: readonly number[];
  readonly size: number;
  readonly sourceLength: number;
  readonly targetLength: number;
  /** [size, sourceLength], 0 where padded. */
  readonly inputIds: Int32Array;
  /** [size, sourceLength], 1 where a token is. */
  readonly inputMask: Float32Array;
  /** [size, targetLength], -100 where padded. */
  readonly labels: Int32Array;
}

export interface Backbone {
  readonly directory: string;
  readonly name: string;
  /** SHA-256 of weights, config and tokenizer: what records pin. */
  readonly fingerprint: string;
  readonly encoderBlocks: number;
  readonly decoderBlocks: number;
  readonly vocabularySize: number;
  readonly parameters: number;
  encode(text: string, maxLength: number): Int32Array;
  decode(ids: ArrayLike<number>): string;
  /** Whether the files of the weights, which programs read when they are compiled, still exist. */
  isThere(): Promise<boolean>;
}

/** Per label token, [size * targetLength] row-major; 0 where the label is padding. */
export interface SweepStatistics {
  readonly labelMask: Float32Array;
  readonly loss: Float32Array;
  readonly el2n: Float32Array;
  readonly logitsLabelCosine: Float32Array;
  /** Present when a teacher was given. */
  readonly klDivergence: Float32Array | null;
  /** Per block (`encoder.block.0`, ...), one cosine per row; present when a teacher was given. */
  readonly hiddenCosine: ReadonlyMap<string, Float32Array> | null;
}

/** The target's own distributions and hidden states on one batch, kept on the device. Dispose when done. */
export interface Teacher {
  dispose(): void;
}

export interface OptimizerSettings {
  readonly name: 'adafactor' | 'adamw';
  /** Global-norm clipping over all delta tensors; 0 for none. */
  readonly clip: number;
  readonly weightDecay: number;
}

/** All that a training needs to go on exactly where it stopped. */
export interface TrainingState {
  readonly step: number;
  readonly delta: DeltaTensors;
  /** Optimizer tensors by name. */
  readonly optimizer: DeltaTensors;
}

export interface Training {
  readonly step: number;
  /** One optimizer step; `learningRate` comes from the schedule. */
  advance(batch: Batch, learningRate: number): Promise<{ loss: number; gradientNorm: number }>;
  /** A copy of the state after the last step. */
  state(): Promise<TrainingState>;
  dispose(): void;
}

/** A backbone with one kind of delta on one device. Deltas are arguments: one model serves every checkpoint. */
export interface Model {
  readonly backbone: Backbone;
  readonly delta: DeltaSettings | null;
  readonly device: DeviceReport;
  /** `encoder.block.0`, ..., `decoder.block.N`: the parts of block granularity. */
  readonly blocks: readonly string[];
  /** `encoder.block.0.layer.0`, ...: the parts of layer granularity. */
  readonly layers: readonly string[];
  /** Names and shapes every delta of this model has. */
  readonly deltaShapes: ReadonlyMap<string, readonly number[]>;
  initialDelta(seed: number): DeltaTensors;
  teach(delta: DeltaTensors | null, batch: Batch): Promise<Teacher>;
  /** One forward pass for loss, EL2N, cosine and, with a teacher, KL and block cosines. No dropout. */
  sweep(delta: DeltaTensors | null, batch: Batch, teacher: Teacher | null): Promise<SweepStatistics>;
  /** Mean token loss of the batch and the squared gradient norm of every delta tensor. No dropout. */
  gradientNorms(
    delta: DeltaTensors,
    batch: Batch,
  ): Promise<{ loss: number; squaredNorms: ReadonlyMap<string, number> }>;
  /** For checks: the gradients themselves, unclipped. */
  gradients(delta: DeltaTensors, batch: Batch): Promise<{ loss: number; gradients: DeltaTensors }>;
  /** For checks: logits [size, targetLength, vocabulary] and the encoder's last hidden state. */
  logits(
    delta: DeltaTensors | null,
    batch: Batch,
  ): Promise<{ loss: number; logits: Tensor; encoderLastHiddenState: Tensor }>;
  /** Greedy decoding; `maxLength` counts the start token. Ids per row: without start token, up to and without eos. */
  generate(delta: DeltaTensors | null, batch: Batch, maxLength: number): Promise<Int32Array[]>;
  /** Begins or resumes a training. `seed` drives dropout. `dropout` 0 turns it off. */
  train(
    from: DeltaTensors | TrainingState,
    options: { optimizer: OptimizerSettings; dropout: number; seed: number },
  ): Promise<Training>;
  dispose(): Promise<void>;
}
