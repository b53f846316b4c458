import { basename, dirname } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import type { DeltaTensors } from '../core/tensor.js';
import { sha256File } from '../formats/atomic-file.js';
import { encodeSafetensors, readTensors } from '../formats/safetensors.js';
import { writeFileAtomically } from '../formats/atomic-file.js';
import { createHash } from 'node:crypto';
import { checkDelta } from './compute/check-delta.js';
import type { Model } from './compute/contract.js';
import type { DeltaConfiguration } from './configuration.js';
import type { CheckpointReference } from './records.js';

/** Delta weights as files: written with what they are, read with every doubt. */

export interface CheckpointDescription {
  readonly delta: DeltaConfiguration;
  /** Fingerprint of the backbone. */
  readonly backbone: string;
  readonly task: string;
  readonly id: string;
  readonly key: string;
}

/** @param path as the record writes it; `file` is where that is */
export async function writeCheckpoint(
  path: string,
  file: string,
  tensors: DeltaTensors,
  { delta, ...rest }: CheckpointDescription,
): Promise<CheckpointReference> {
  const bytes = encodeSafetensors(tensors, {
    metadata: { format: 'deltaloom/delta', delta: JSON.stringify(delta), ...rest },
  });
  await writeFileAtomically(file, bytes);
  return { path, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
}

/** Not the command that needs the file: that may be another than the one that made it. */
const MAKE_AGAIN =
  'Restore the file, or make it again: a tuning with deltaloom tune, a merge with deltaloom merge.';

/**
 * Reads a checkpoint that a record names.
 *
 * @param model whose delta it must fit; null: not checked
 * @throws DeltaloomError `checkpoint-missing`, `checkpoint-changed`, and what `checkDelta` finds, naming the file
 */
export async function readCheckpoint(
  file: string,
  sha256: string | null,
  model: Model | null,
): Promise<DeltaTensors> {
  if (sha256 !== null && (await hashOf(file)) !== sha256) {
    throw new DeltaloomError(
      'checkpoint-changed',
      'The checkpoint is not the one that its record names: the file was overwritten.',
      { place: { file }, remedy: MAKE_AGAIN },
    );
  }
  const tensors = await readTensors(file);
  if (model === null) return tensors;
  try {
    checkDelta(tensors, model.deltaShapes, model.delta, model.backbone.name);
  } catch (error) {
    if (!(error instanceof DeltaloomError)) throw error;
    throw error.with({ place: { file } });
  }
  return tensors;
}

async function hashOf(file: string): Promise<string> {
  try {
    return await sha256File(file);
  } catch (cause) {
    throw new DeltaloomError('checkpoint-missing', "The checkpoint is missing or can't be read.", {
      place: { file },
      remedy: MAKE_AGAIN,
      cause,
    });
  }
}

/** What to call a checkpoint without a record: the reference's `<task>/checkpoint-best.pt`, and files named by their task. */
export function nameOfForeignCheckpoint(file: string): { id: string; task: string } {
  return { id: basename(file).replace(/\.[^.]+$/, ''), task: basename(dirname(file)) };
}
