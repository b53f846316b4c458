import { basename, dirname } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import type { DeltaTensors } from '../core/tensor.js';
import { sha256File } from '../formats/atomic-file.js';
import { encodeSafetensors, readTensors } from '../formats/safetensors.js';
import { writeFileAtomically } from '../formats/atomic-file.js';
import { createHash } from 'node:crypto';
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

/**
 * Reads a checkpoint that a record names.
 *
 * @param shapes what a delta of this model has; null: not checked
 * @throws DeltaloomError `checkpoint-missing`, `checkpoint-changed`, `checkpoint-mismatch`, `checkpoint-not-finite`
 */
export async function readCheckpoint(
  file: string,
  sha256: string | null,
  shapes: ReadonlyMap<string, readonly number[]> | null,
): Promise<DeltaTensors> {
  if (sha256 !== null && (await hashOf(file)) !== sha256) {
    throw new DeltaloomError(
      'checkpoint-changed',
      'The checkpoint is not the one that its record names: the file was overwritten.',
      { place: { file }, remedy: 'Restore the file, or make it again by running the same command.' },
    );
  }
  const tensors = await readTensors(file);
  if (shapes !== null) checkShapes(file, tensors, shapes);
  for (const [name, { data }] of tensors) {
    const index = data.findIndex((value) => !Number.isFinite(value));
    if (index < 0) continue;
    throw new DeltaloomError(
      'checkpoint-not-finite',
      `The checkpoint has ${Number.isNaN(data[index]) ? 'a NaN' : 'an infinite value'} at element ${index}.`,
      { place: { file, at: name }, remedy: 'Tune it again, perhaps at a lower learning rate.' },
    );
  }
  return tensors;
}

async function hashOf(file: string): Promise<string> {
  try {
    return await sha256File(file);
  } catch (cause) {
    throw new DeltaloomError('checkpoint-missing', "The checkpoint is missing or can't be read.", {
      place: { file },
      remedy: 'Restore the file, or make it again by running the same command.',
      cause,
    });
  }
}

/** How many disagreements are named. */
const NAMED = 4;

function checkShapes(
  file: string,
  tensors: DeltaTensors,
  shapes: ReadonlyMap<string, readonly number[]>,
): void {
  const wrong: string[] = [];
  for (const [name, shape] of shapes) {
    const own = tensors.get(name);
    if (own === undefined) wrong.push(`'${name}' is missing`);
    else if (own.shape.join() !== shape.join()) {
      wrong.push(`'${name}' has shape [${own.shape.join(', ')}], not [${shape.join(', ')}]`);
    }
  }
  for (const name of tensors.keys()) if (!shapes.has(name)) wrong.push(`'${name}' is unknown`);
  if (wrong.length === 0) return;
  const more = wrong.length > NAMED ? `, and ${wrong.length - NAMED} more` : '';
  throw new DeltaloomError(
    'checkpoint-mismatch',
    `The checkpoint does not fit this delta and backbone: ${wrong.slice(0, NAMED).join(', ')}${more}.`,
    { place: { file }, remedy: 'Use a checkpoint of the same delta settings and the same backbone.' },
  );
}

/** What to call a checkpoint without a record: the reference's `<task>/checkpoint-best.pt`, and files named by their task. */
export function nameOfForeignCheckpoint(file: string): { id: string; task: string } {
  return { id: basename(file).replace(/\.[^.]+$/, ''), task: basename(dirname(file)) };
}
