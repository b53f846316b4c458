import { DeltaloomError } from '../../core/errors.js';
import type { DeltaTensors } from '../../core/tensor.js';

/**
 * Names the tensor in which a source holds a NaN or an infinity, if it does; for a merge whose sum is not finite.
 *
 * @throws DeltaloomError `checkpoint-not-finite` with file and tensor
 */
export function refuseNotFinite(task: string, file: string, tensors: DeltaTensors): void {
  for (const [name, { data }] of tensors) {
    const index = data.findIndex((value) => !Number.isFinite(value));
    if (index < 0) continue;
    throw new DeltaloomError(
      'checkpoint-not-finite',
      `The source '${task}' has ${Number.isNaN(data[index]) ? 'a NaN' : 'an infinite value'} at element ${index}.`,
      {
        place: { file, at: name },
        remedy: `Tune '${task}' again, perhaps at a lower learning rate, or leave it out.`,
      },
    );
  }
}
