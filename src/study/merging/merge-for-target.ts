import { rm } from 'node:fs/promises';
import type { Compatibility } from '../../core/averaging-weights.js';
import { weightPrecision } from '../../core/averaging-weights.js';
import { DeltaloomError } from '../../core/errors.js';
import type { ScoreMethod } from '../../core/methods.js';
import type { DeltaConfiguration } from '../configuration.js';
import { contentKey } from '../content-key.js';
import type { MergeRecord, Provenance, ScoreMatrix } from '../records.js';
import { recordId } from '../store.js';
import { mergeCheckpoints } from './merge-checkpoints.js';
import type { ChosenWeights, MergeBy } from './plan-merge.js';
import { chooseWeights } from './plan-merge.js';

/** A source checkpoint of the study, by what its record says. */
export interface MergeCandidate {
  readonly task: string;
  /** Of its run record. */
  readonly id: string;
  readonly sha256: string;
  /** Absolute. */
  readonly file: string;
  readonly backbone: string;
  readonly delta: DeltaConfiguration;
}

export interface MergeRequest {
  readonly target: string;
  readonly deltaName: string;
  readonly delta: DeltaConfiguration;
  readonly by: MergeBy;
  readonly loraRule: 'factors' | 'products';
  readonly compatibility: Compatibility;
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly temperatures: Readonly<Partial<Record<ScoreMethod, number>>>;
  /**
   * In the study's order. Merging by `performance` merges the copies tuned for k steps on the target: give those.
   */
  readonly candidates: readonly MergeCandidate[];
  /** The matrix that `by` names; null where it needs none. */
  readonly matrix: ScoreMatrix | null;
}

export interface MergeContext {
  /** The record of this key, if the merge is on record and its checkpoint is in place. */
  readonly recorded: (key: string) => Promise<MergeRecord | null>;
  /** Where a merge's checkpoint goes: as records write it, and absolute. */
  readonly checkpoint: (id: string) => { readonly path: string; readonly file: string };
  /** Written atomically, after the checkpoint. */
  readonly write: (record: MergeRecord) => Promise<void>;
  /** SHA-256 of a file's content now; may be remembered as long as the file is unchanged. */
  readonly hash: (file: string) => Promise<string>;
  readonly provenance: () => Promise<Omit<Provenance, 'seconds'>>;
  readonly signal: AbortSignal;
}

/** A merge as decided, before any file is read: its weights, its sources and its identity. */
export interface MergeDecision {
  readonly chosen: ChosenWeights;
  readonly sources: readonly MergeCandidate[];
  readonly loraRule: 'factors' | 'products' | null;
  readonly key: string;
  readonly id: string;
}

export function decideMerge(request: MergeRequest): MergeDecision {
  const chosen = chooseWeights({
    ...request,
    sources: request.candidates.map(({ task }) => task),
  });
  const sources = chosen.sources.map((task) => {
    const candidate = request.candidates.find((each) => each.task === task);
    if (candidate === undefined) throw new Error(`chose '${task}', which is no candidate`);
    return candidate;
  });
  const loraRule = request.delta.type === 'lora' ? request.loraRule : null;
  const key = contentKey({
    work: 'merge',
    version: 1,
    target: request.target,
    deltaName: request.deltaName,
    delta: request.delta,
    compatibility: request.compatibility,
    label: chosen.label,
    temperature: chosen.temperature,
    loraRule,
    sources: sources.map(({ task, sha256 }) => [task, sha256]),
    parts: chosen.parts,
    weights: chosen.weights.map(({ weights }) => weights),
  });
  return { chosen, sources, loraRule, key, id: mergeId(request, chosen, loraRule, key) };
}

/** Says something: delta, what chose the weights, temperature, LoRA's rule where it isn't the usual one; then the key. */
function mergeId(
  { deltaName }: MergeRequest,
  { label, temperature }: ChosenWeights,
  loraRule: string | null,
  key: string,
): string {
  return recordId(
    [
      deltaName,
      label.replaceAll('/', '.'),
      temperature === null ? null : `t${temperature}`,
      loraRule === 'products' ? loraRule : null,
    ],
    key,
  );
}

/**
 * Merges sources into an initialisation of the target's delta and records it; a merge that is on record is not made again.
 *
 * @throws DeltaloomError of choosing weights ({@link chooseWeights}) and merging ({@link mergeCheckpoints}), and
 *   `checkpoint-changed` when a source's file is not the one that its record names
 */
export async function mergeForTarget(
  request: MergeRequest,
  context: MergeContext,
): Promise<{ record: MergeRecord; reused: boolean }> {
  const decision = decideMerge(request);
  const recorded = await context.recorded(decision.key);
  if (recorded !== null) return { record: recorded, reused: true };

  const started = performance.now();
  const { chosen, sources, loraRule, key, id } = decision;
  await checkUnchanged(sources, context);
  const { path, file } = context.checkpoint(id);
  const weights = chosen.weights.map((row) => [...row.weights]);
  const merged = await mergeCheckpoints(sources, { parts: chosen.parts, weights }, file, {
    loraRule: loraRule ?? 'factors',
    // The reference sums in float32 whichever way it chose the weights.
    precision: request.compatibility === 'reference' ? weightPrecision('loss', 'reference') : 'float64',
    signal: context.signal,
  });
  // Once more: what was overwritten while it was read isn't what the record would say.
  await checkUnchanged(sources, context).catch(async (error: unknown) => {
    await rm(file, { force: true });
    throw error;
  });
  const record: MergeRecord = {
    format: 'deltaloom/merge',
    version: 1,
    id,
    key,
    target: request.target,
    deltaName: request.deltaName,
    delta: request.delta,
    label: chosen.label,
    score: chosen.score,
    granularity: chosen.granularity,
    temperature: chosen.temperature,
    loraRule,
    loraRuleDifference: merged.loraRuleDifference,
    sources: sources.map(({ task, id: run, sha256 }) => ({ task, id: run, sha256 })),
    parts: [...chosen.parts],
    weights,
    checkpoint: { path, sha256: merged.sha256, bytes: merged.bytes },
    provenance: {
      ...(await context.provenance()),
      seconds: Number(((performance.now() - started) / 1000).toFixed(3)),
    },
  };
  await context.write(record);
  return { record, reused: false };
}

async function checkUnchanged(
  sources: readonly MergeCandidate[],
  { hash, signal }: Pick<MergeContext, 'hash' | 'signal'>,
): Promise<void> {
  for (const { task, file, sha256 } of sources) {
    signal.throwIfAborted();
    if ((await hash(file).catch(explainMissing(task, file))) === sha256) continue;
    throw new DeltaloomError(
      'checkpoint-changed',
      `The checkpoint of '${task}' is not the one that its record names: the file was overwritten.`,
      { place: { file }, remedy: `Restore the file, or tune '${task}' again.` },
    );
  }
}

function explainMissing(task: string, file: string) {
  return (cause: unknown): never => {
    throw new DeltaloomError('checkpoint-missing', `The checkpoint of '${task}' can't be read.`, {
      place: { file },
      remedy: `Restore the file, or tune '${task}' again.`,
      cause,
    });
  };
}
