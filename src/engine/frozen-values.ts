import { open } from 'node:fs/promises';
import { DeltaloomError } from '../core/errors.js';
import type { FrozenTensor } from './contract.js';

/** Reads a frozen weight's values into memory; only the eager devices need it. */
export async function readFrozenValues(tensor: FrozenTensor): Promise<Float32Array> {
  const values = new Float32Array(tensor.byteLength / 4);
  const bytes = new Uint8Array(values.buffer);
  const file = await open(tensor.file, 'r');
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

/** The error of a weight whose bytes are not all there. */
export function truncatedWeights({ name, file }: FrozenTensor): DeltaloomError {
  return new DeltaloomError('weights-truncated', `The file ends inside the weight '${name}'.`, {
    place: { file, at: name },
    remedy: 'Copy the backbone again; this file is incomplete.',
  });
}
