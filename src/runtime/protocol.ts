import type { DeltaSettings } from '../core/delta-settings.js';
import type { DeviceId } from '../engine/contract.js';
import type { JobOutcome, JobProgress, JobRequest } from '../study/jobs.js';

/**
 * What the editor and the runtime process say to each other, over the child's pipes or, after a window was closed, over
 * a socket. Raised with every change that an older partner would misunderstand: a runtime of another version is not joined.
 */
export const PROTOCOL_VERSION = 1;

/** Higher goes first; equal ones in the order of arrival. */
export const JOB_PRIORITIES = { background: 0, normal: 1, interactive: 2 } as const;
export type JobPriority = keyof typeof JOB_PRIORITIES;

export const JOB_STATES = ['queued', 'running', 'cancelling', 'done', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** An error as it crosses the border: a DeltaloomError keeps its code, place and remedy. */
export interface JobError {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly file?: string;
  readonly line?: number;
  readonly at?: string;
}

/** How a job is to be computed. Jobs with other settings than the last one get a fresh engine. */
export interface DeviceSettings {
  readonly device: DeviceId | 'auto';
  /** 0: the engine's choice. */
  readonly threads: number;
  /** More speed for more memory on the cpu device: see EngineOptions. */
  readonly packWeights: boolean;
}

export interface SubmittedJob {
  /** Chosen by the client, so that a job keeps its name over a restart of the runtime. */
  readonly id: string;
  /** Absolute path of the study's folder. */
  readonly study: string;
  readonly request: JobRequest;
  readonly priority: JobPriority;
  /** What people call it until the first progress arrives. */
  readonly title: string;
  readonly compute: DeviceSettings;
  /** How often it was begun before, by a runtime that has gone. */
  readonly attempts: number;
}

/** A job as everyone sees it. */
export interface JobView {
  readonly id: string;
  readonly study: string;
  readonly request: JobRequest;
  readonly priority: JobPriority;
  readonly title: string;
  readonly compute: DeviceSettings;
  readonly state: JobState;
  readonly progress: JobProgress | null;
  readonly outcome: JobOutcome | null;
  readonly error: JobError | null;
  /** Absolute path of the job's log. */
  readonly logFile: string;
  /** Milliseconds since 1970. */
  readonly submittedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** How often it was begun: 2 after one crash. */
  readonly attempts: number;
}

export function hasEnded(state: JobState): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

export interface Greeting {
  readonly protocol: number;
  readonly pid: number;
  readonly jobs: readonly JobView[];
}

export interface SessionSettings {
  /** After the last window has gone: finish what is queued before ending. */
  readonly outliveWindow: boolean;
  /** Mebibytes of resident memory at which the running job is given up; 0: no limit. */
  readonly memoryLimit: number;
  /** Absolute folders of the studies at hand: where a runtime that outlives its window leaves its address. */
  readonly studies: readonly string[];
}

export interface TensorSummary {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Frobenius norm; null when a value is NaN or infinite. */
  readonly norm: number | null;
  readonly mean: number | null;
  /** Largest absolute value. */
  readonly largest: number | null;
  /** Norm of the difference from the other checkpoint; undefined without one or when it lacks this tensor. */
  readonly difference?: number | null;
  /** Cosine with the other checkpoint's tensor. */
  readonly cosine?: number | null;
}

export interface LayerSummary {
  /** `encoder.block.0.layer.1`, or the name's own prefix. */
  readonly name: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly norm: number | null;
  readonly difference?: number | null;
}

export interface CheckpointSummary {
  readonly file: string;
  readonly format: 'safetensors' | 'pytorch';
  readonly bytes: number;
  readonly parameters: number;
  readonly settings: DeltaSettings | null;
  /** The header's own entries (safetensors), as text. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorSummary[];
  readonly layers: readonly LayerSummary[];
  readonly comparedWith: string | null;
  /** What the two do not share, for people. */
  readonly disagreements: readonly string[];
}

export interface InspectParams {
  readonly file: string;
  readonly compareWith?: string;
}

/** A request's answer or the reason why not: errors are values here, so that none loses its remedy on the way. */
export type Answer<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: JobError };
