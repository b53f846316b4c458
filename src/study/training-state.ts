import { z } from 'zod';
import type { DeltaTensors, Tensor } from '../core/tensor.js';
import { readSafetensorsHeader, readTensors, writeSafetensors } from '../formats/safetensors.js';
import type { TrainingState } from './compute/contract.js';

/**
 * Where a tuning stands, on disk: one `.safetensors` file that appears atomically, tensors under `delta/`, `optimizer/`,
 * `kept/` (best of the setting in hand) and `winner/` (best of the settings that were tried), the rest as JSON in its
 * metadata. Numbers survive exactly: float32 as bytes, float64 as the shortest decimal that reads back.
 */

const number = z.number().nullable();
const validation = z.object({ step: z.number(), metric: number, loss: number });
export type Validation = z.infer<typeof validation>;

const candidate = z.object({
  learningRate: z.number(),
  batchSize: z.number(),
  train: z.array(z.object({ step: z.number(), loss: number, learningRate: z.number() })),
  dev: z.array(validation),
  /** The validation that is kept; null before the first one. */
  best: validation.nullable(),
  withoutImprovement: z.number(),
  /** Steps done. */
  steps: z.number(),
  diverged: z.boolean(),
  /** Sum of losses and number of steps since the last point of the curve. */
  pending: z.object({ loss: z.number(), steps: z.number() }),
});
export type Candidate = z.infer<typeof candidate>;

const progress = z.object({
  format: z.literal(1),
  key: z.string(),
  /** Seconds of work so far, over all processes. */
  seconds: z.number(),
  /** Which setting of the grid is in hand. */
  index: z.number(),
  current: candidate,
  /** The best of those that are finished. */
  winner: candidate.nullable(),
  /** Validation of the initialisation: the same for all settings. */
  start: validation.nullable(),
});
export type TuningProgress = z.infer<typeof progress>;

export interface TuningState {
  readonly progress: TuningProgress;
  /** null: the setting in hand begins. */
  readonly training: TrainingState | null;
  readonly kept: DeltaTensors | null;
  readonly winner: DeltaTensors | null;
}

const METADATA = 'deltaloom-tuning';

export async function writeTuningState(file: string, state: TuningState): Promise<void> {
  const tensors = new Map<string, Tensor>([
    ...prefixed('delta', state.training?.delta),
    ...prefixed('optimizer', state.training?.optimizer),
    ...prefixed('kept', state.kept),
    ...prefixed('winner', state.winner),
  ]);
  const metadata = {
    [METADATA]: JSON.stringify(state.progress),
    step: JSON.stringify(state.training?.step ?? null),
  };
  await writeSafetensors(file, tensors, { metadata });
}

/** null where there is none, it is damaged, or belongs to other inputs: the tuning then begins anew. */
export async function readTuningState(file: string, key: string): Promise<TuningState | null> {
  try {
    const { metadata } = await readSafetensorsHeader(file);
    const parsed = progress.safeParse(JSON.parse(metadata[METADATA] ?? 'null'));
    if (!parsed.success || parsed.data.key !== key) return null;
    const tensors = await readTensors(file);
    const step = z
      .number()
      .nullable()
      .parse(JSON.parse(metadata['step'] ?? 'null'));
    const optimizer = unprefixed('optimizer', tensors);
    const delta = unprefixed('delta', tensors);
    return {
      progress: parsed.data,
      training: step === null ? null : { step, delta: delta ?? new Map(), optimizer: optimizer ?? new Map() },
      kept: unprefixed('kept', tensors),
      winner: unprefixed('winner', tensors),
    };
  } catch {
    return null;
  }
}

function prefixed(prefix: string, tensors: DeltaTensors | null | undefined): [string, Tensor][] {
  return [...(tensors ?? [])].map(([name, tensor]) => [`${prefix}/${name}`, tensor]);
}

function unprefixed(prefix: string, tensors: DeltaTensors): DeltaTensors | null {
  const own = [...tensors]
    .filter(([name]) => name.startsWith(`${prefix}/`))
    .map(([name, tensor]) => [name.slice(prefix.length + 1), tensor] as const);
  return own.length === 0 ? null : new Map(own);
}
