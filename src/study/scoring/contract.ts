import type { Compatibility } from '../../core/averaging-weights.js';
import type { Granularity, ScoreMethod } from '../../core/methods.js';
import type { DeltaTensors } from '../../core/tensor.js';
import type { Model, TokenisedExample } from '../compute/contract.js';
import type { DeltaConfiguration } from '../configuration.js';
import type { JobProgress } from '../jobs.js';
import type { Provenance, ScoreMatrix } from '../records.js';

/**
 * What scoring needs of a study, as data and as functions that are called on first need: a matrix whose cells are all on
 * record opens no model, no tokenizer and no checkpoint.
 */

/** A delta checkpoint: identity first, weights on demand. */
export interface ScoredDelta {
  readonly task: string;
  /** Of the checkpoint file. */
  readonly sha256: string;
  /** For messages, relative to the study. */
  readonly file: string;
  /** Whether the file is there and the recorded one. What was scored with it is fresh all the same. */
  readonly inPlace: boolean;
  tensors(): Promise<DeltaTensors>;
}

export interface ScoredTarget {
  readonly task: string;
  /** SHA-256 of the probe's data file. */
  readonly dataSha256: string;
  /** Digest of what copies of the sources are tuned and measured on: train and dev data, metric. null where none are. */
  readonly tuningDigest: string | null;
  /** The probe's examples in file order, tokenised; at most `probe.examples`. */
  examples(): Promise<readonly TokenisedExample[]>;
  /** The target's own few-shot delta from random initialisation; null where there is none (yet). */
  readonly delta: ScoredDelta | null;
}

/** k steps of tuning on the target, for `euclidean` and `performance`. On record after the first time. */
export interface StepTuning {
  /** Everything that the outcome depends on beside source, target data and backbone: steps, settings, seeds. */
  readonly identity: unknown;
  tuned(
    source: string,
    target: string,
    signal: AbortSignal,
  ): Promise<{ tensors: () => Promise<DeltaTensors>; dev: number | null }>;
  /** Dev metric of the untuned source on the target. */
  zeroShot(source: string, target: string, signal: AbortSignal): Promise<number | null>;
}

export interface ScoringRequest {
  readonly deltaName: string;
  readonly delta: DeltaConfiguration;
  readonly compatibility: Compatibility;
  readonly methods: readonly ScoreMethod[];
  /** Granularities that a method does not have are passed over; one that has none of these gets all of its own. */
  readonly granularities: readonly Granularity[];
  /** Cells asked for: every one of these targets with every one of these sources. */
  readonly targets: readonly ScoredTarget[];
  readonly sources: readonly ScoredDelta[];
  /** The study's rows and columns in its order; hold at least the names asked for. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /**
   * The tasks there are, those outside `rows` and `columns` too: what is on record for one of them stays, what is on record
   * for any other task is dropped. Undefined: everything on record stays.
   */
  readonly catalogue?: readonly string[];
  readonly backboneFingerprint: string;
  readonly lengths: { readonly input: number; readonly output: number };
  readonly probe: {
    readonly split: string;
    readonly shots: number | 'full';
    readonly examples: number | null;
    readonly batchSize: number;
  };
  /** The shared initialisation, for `weight-cosine-change`; null where the study has none. */
  readonly initial: { readonly identity: unknown; tensors(): Promise<DeltaTensors> } | null;
  readonly tuning: StepTuning | null;
}

/** Where matrices live. A write is atomic. */
export interface MatrixStore {
  /** Throws where a matrix is there that can't be read, and would be lost by writing. */
  readMatrixToChange(
    deltaName: string,
    method: ScoreMethod,
    granularity: Granularity,
  ): Promise<ScoreMatrix | null>;
  writeMatrix(matrix: ScoreMatrix): Promise<void>;
}

export interface ScoringContext {
  readonly store: MatrixStore;
  /** Absolute path of the file that keeps finished cells until the matrices are written. */
  readonly journal: string;
  /** Opened on first need. */
  readonly model: () => Promise<Model>;
  /** Of this process: git state, device, versions; `seconds` is filled in here. */
  readonly provenance: () => Promise<Omit<Provenance, 'seconds'>>;
  readonly signal: AbortSignal;
  readonly progress: (progress: JobProgress) => void;
  readonly log: (line: string) => void;
}
