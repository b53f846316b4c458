import { open } from 'node:fs/promises';
import { DeltaloomError } from '../core/errors.js';
import type { FrozenTensor } from './contract.js';

/** Reads a frozen weight's values into memory; only the eager devices need it. */
export async function readFrozenValues(tensor: FrozenTensor): Promise<Float32Array> {
  const values = new Float32Array(tensor.byteLength / 4);
  const bytes = new Uint8Array(values.buffer);
  const file = await open(tensor.file, 'r').catch((error: unknown) => {
    throw unreadableWeights(tensor, error);
  });
  try {
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await file.read(bytes, done, bytes.length - done, tensor.byteOffset + done);
      if (bytesRead === 0) {
        throw truncatedWeights(tensor);
      }
      done += bytesRead;
    }
  } finally {
    await file.close();
  }
  return values;
}

/** The error of a weight whose file can't be opened, as after someone cleared the cache of converted weights. */
export function unreadableWeights({ name, file }: FrozenTensor, cause: unknown): DeltaloomError {
  return new DeltaloomError(
    'weights-unreadable',
    `The file of the weight '${name}' can't be read any more.`,
    {
      place: { file, at: name },
      remedy: 'Start the work again: a backbone that is opened anew finds or converts its weights.',
      cause,
    },
  );
}

/** The error of a weight whose bytes are not all there. */
export function truncatedWeights({ name, file }: FrozenTensor): DeltaloomError {
  return new DeltaloomError('weights-truncated', `The file ends inside the weight '${name}'.`, {
    place: { file, at: name },
    remedy: 'Copy the backbone again; this file is incomplete.',
  });
}
