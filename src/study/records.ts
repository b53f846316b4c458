import { z } from 'zod';
import { GRANULARITIES, SCORE_METHODS } from '../core/methods.js';
import { studySchema, tuningSchema } from './configuration.js';

/**
 * The small JSON files under `.deltaloom/` that are committed: run records, score matrices, merge records. They are
 * what the heatmaps, tables and histories show. Layout (docs/study-format.md):
 *
 *   runs/<task>/<id>.json                                 a tuning or an evaluation
 *   scores/<delta name>/<method>.<granularity>.json       a matrix of independent cells
 *   merges/<target>/<id>.json                             a merged initialisation
 *   checkpoints/<task>/<id>.safetensors                   weights (not committed), named by the record's id
 *   predictions/<task>/<id>.<split>.jsonl                 predictions of an evaluation (not committed)
 *
 * `key` is the SHA-256 of the canonical JSON of all inputs: a job whose key is on record is not run again.
 */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const provenanceSchema = z.object({
  /** null outside a repository or before its first commit. */
  commit: z.string().nullable(),
  branch: z.string().nullable(),
  dirty: z.boolean(),
  /** ISO 8601, UTC. */
  time: z.string(),
  seconds: z.number(),
  device: z.string(),
  versions: z.record(z.string(), z.string()),
});
export type Provenance = z.infer<typeof provenanceSchema>;

export const deltaSchema = studySchema.shape.deltas.unwrap().valueType;

export const checkpointSchema = z.object({
  /** Relative to the study folder, with forward slashes. */
  path: z.string(),
  sha256,
  bytes: z.number(),
});
export type CheckpointReference = z.infer<typeof checkpointSchema>;

/** What a delta started from. */
export const initialisationSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('random'), seed: z.number() }),
  z.object({ kind: z.literal('checkpoint'), id: z.string(), task: z.string(), sha256 }),
  /** `label` names the column of the results table: a method id, 'average', 'group', 'best-source', ... */
  z.object({ kind: z.literal('merge'), id: z.string(), label: z.string(), sha256 }),
  z.object({ kind: z.literal('none') }),
]);
export type Initialisation = z.infer<typeof initialisationSchema>;

const curvePoint = z.object({
  step: z.number(),
  loss: z.number().nullable(),
  learningRate: z.number().optional(),
});
const validationPoint = z.object({
  step: z.number(),
  metric: z.number().nullable(),
  loss: z.number().nullable(),
});

export const runRecordSchema = z.object({
  format: z.literal('deltaloom/run'),
  version: z.literal(1),
  /** Says something: delta, shots, seed, initialisation, then the first 8 digits of the key. Unique within a task. */
  id: z.string(),
  key: sha256,
  kind: z.enum(['tune', 'evaluate']),
  task: z.string(),
  deltaName: z.string(),
  delta: deltaSchema.nullable(),
  /** source: a checkpoint to merge; target: a few-shot run; step-k: a source after k steps on `task` (tuning-based scores). */
  role: z.enum(['source', 'target', 'step-k']),
  shots: z.union([z.number(), z.literal('full')]),
  dataSeed: z.number(),
  seed: z.number(),
  initialisation: initialisationSchema,
  tuning: tuningSchema.nullable(),
  /** The setting that won when several were tried. */
  chosen: z.object({ learningRate: z.number(), batchSize: z.number() }).nullable(),
  inputs: z.object({
    backbone: z.string(),
    data: z.record(z.string(), z.string()),
    initial: z.string().nullable(),
  }),
  status: z.enum(['done', 'failed', 'cancelled']),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string().optional() }).optional(),
  checkpoint: checkpointSchema.nullable(),
  curve: z.object({ train: z.array(curvePoint), dev: z.array(validationPoint) }),
  results: z.object({
    metric: z.string(),
    /** 0 to 1; null where not measured. */
    dev: z.number().nullable(),
    test: z.number().nullable(),
    devLoss: z.number().nullable(),
    bestStep: z.number().nullable(),
    steps: z.number(),
    testExamples: z.number().nullable(),
  }),
  provenance: provenanceSchema,
});
export type RunRecord = z.infer<typeof runRecordSchema>;

export const scoreCellSchema = z.object({
  target: z.string(),
  source: z.string(),
  key: sha256,
  /** Short digests of what went in, by name (`source`, `target`, `data`, ...): they tell why a cell is stale. */
  inputs: z.record(z.string(), z.string()).optional(),
  /** One value per part; null is NaN or infinite. */
  values: z.array(z.number().nullable()),
  /** Index into `provenances`. */
  provenance: z.int().min(0),
});
export type ScoreCell = z.infer<typeof scoreCellSchema>;

export const scoreMatrixSchema = z.object({
  format: z.literal('deltaloom/scores'),
  version: z.literal(1),
  method: z.enum(SCORE_METHODS),
  methodVersion: z.number(),
  granularity: z.enum(GRANULARITIES),
  direction: z.enum(['lower', 'higher']),
  compatibility: z.enum(['default', 'reference']),
  deltaName: z.string(),
  delta: deltaSchema,
  /** Row and column order: the study's. */
  targets: z.array(z.string()),
  sources: z.array(z.string()),
  /** ['model'], or the names of the blocks or layers: the order of every cell's values. */
  parts: z.array(z.string()).min(1),
  probe: z.object({
    split: z.string(),
    shots: z.union([z.number(), z.literal('full')]),
    examples: z.number().nullable(),
  }),
  cells: z.array(scoreCellSchema),
  provenances: z.array(provenanceSchema),
});
export type ScoreMatrix = z.infer<typeof scoreMatrixSchema>;

export const mergeRecordSchema = z.object({
  format: z.literal('deltaloom/merge'),
  version: z.literal(1),
  id: z.string(),
  key: sha256,
  target: z.string(),
  deltaName: z.string(),
  delta: deltaSchema,
  /** A score method, 'average', 'group', 'best-source', 'explicit'; with '/<part>' for the whole merge of one part. */
  label: z.string(),
  score: z.enum(SCORE_METHODS).nullable(),
  granularity: z.enum(GRANULARITIES),
  temperature: z.number().nullable(),
  loraRule: z.enum(['factors', 'products']).nullable(),
  /** For LoRA: relative distance (Frobenius) between the two rules' products. */
  loraRuleDifference: z.number().nullable(),
  sources: z.array(z.object({ task: z.string(), id: z.string(), sha256 })),
  /** parts[i] weighs with weights[i], in the order of `sources`; one part 'model' for a whole merge. */
  parts: z.array(z.string()).min(1),
  weights: z.array(z.array(z.number())).min(1),
  checkpoint: checkpointSchema,
  provenance: provenanceSchema,
});
export type MergeRecord = z.infer<typeof mergeRecordSchema>;
