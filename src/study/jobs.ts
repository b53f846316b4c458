import { z } from 'zod';
import { GRANULARITIES, SCORE_METHODS } from '../core/methods.js';
import type { Engine } from '../engine/contract.js';

/**
 * The work a study can do, as data. The command line, the runtime process and the extension all speak this;
 * `executeJob` (src/study/execute.ts) does it.
 */

const taskNames = z.array(z.string().min(1));
const initialisationRequest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('random') }),
  /** Path of a delta checkpoint, relative to the study or absolute. */
  z.object({ kind: z.literal('checkpoint'), path: z.string() }),
  /** Id of a merge record of that target. */
  z.object({ kind: z.literal('merge'), id: z.string() }),
]);

export const jobRequestSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('tune'),
    tasks: taskNames,
    deltaName: z.string(),
    role: z.enum(['source', 'target']),
    initialisation: initialisationRequest,
    /** Overrides of the study's settings. */
    shots: z.union([z.int().min(1), z.literal('full')]).optional(),
    seeds: z.array(z.number()).optional(),
    steps: z.number().optional(),
    learningRates: z.array(z.number()).optional(),
    batchSizes: z.array(z.number()).optional(),
    warmup: z.number().optional(),
    validateEvery: z.number().optional(),
    logEvery: z.number().optional(),
    patience: z.number().optional(),
    /** Also measure the test split when done. */
    test: z.boolean().optional(),
  }),
  z.object({
    kind: z.literal('evaluate'),
    task: z.string(),
    deltaName: z.string(),
    /** null: the bare backbone. */
    checkpoint: z.string().nullable(),
    split: z.enum(['dev', 'test']),
  }),
  z.object({
    kind: z.literal('score'),
    deltaName: z.string(),
    methods: z.array(z.enum(SCORE_METHODS)).min(1),
    granularities: z.array(z.enum(GRANULARITIES)).min(1),
    /** Default: the study's. */
    targets: taskNames.optional(),
    sources: taskNames.optional(),
  }),
  z.object({
    kind: z.literal('merge'),
    target: z.string(),
    deltaName: z.string(),
    by: z.discriminatedUnion('kind', [
      z.object({
        kind: z.literal('score'),
        method: z.enum(SCORE_METHODS),
        granularity: z.enum(GRANULARITIES),
        temperature: z.number().optional(),
        /** One whole merge by this part's weights; undefined with block or layer granularity: each part its own weights. */
        part: z.string().optional(),
      }),
      z.object({ kind: z.literal('average') }),
      z.object({ kind: z.literal('group') }),
      z.object({ kind: z.literal('best-source'), method: z.enum(SCORE_METHODS) }),
      /** Weights by source task; must sum to 1. */
      z.object({ kind: z.literal('explicit'), weights: z.record(z.string(), z.number()) }),
    ]),
    loraRule: z.enum(['factors', 'products']).optional(),
  }),
  z.object({ kind: z.literal('run'), deltaNames: z.array(z.string()).optional() }),
]);
export type JobRequest = z.infer<typeof jobRequestSchema>;

/** Told while a job runs, a few times a second at most. */
export interface JobProgress {
  /** What is being done, for people: 'Tuning boolq (adapter, 16 shots, seed 42)'. */
  readonly label: string;
  /** Units done and in all over the whole job; total 0: not known yet. */
  readonly done: number;
  readonly total: number;
  readonly unit: 'steps' | 'cells' | 'merges' | 'examples';
  readonly task?: string;
  readonly runId?: string;
  readonly step?: number;
  readonly loss?: number;
  readonly metric?: number;
  readonly secondsLeft?: number;
}

export interface JobContext {
  readonly signal: AbortSignal;
  readonly progress: (progress: JobProgress) => void;
  /** One line for the run's log. */
  readonly log: (line: string) => void;
  /** Opened on first need: a job whose outcome is on record never loads a model. */
  readonly engine: () => Promise<Engine>;
}

export interface JobOutcome {
  /** Paths of records written or found, relative to the study. */
  readonly records: readonly string[];
  /** Units done and units that were on record already. */
  readonly computed: number;
  readonly reused: number;
  /** One sentence for people. */
  readonly summary: string;
}
