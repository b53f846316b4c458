import type { DeviceTensor, HostTensor } from '../../engine/contract.js';
import { cutBatch, type BatchPart, type Fits } from './batch-parts.js';
import type { Batch } from './contract.js';
import { disposeTensor, takeNumber } from './device-values.js';
import { hostFloat32, trainedElements } from './program-inputs.js';

type Outputs = Record<string, DeviceTensor>;

/** What a program that accumulates takes besides its batch. */
export interface AccumulationInputs {
  /** The gradient of the parts before this one, [elements of all that is trained]. */
  readonly accumulated: HostTensor | DeviceTensor;
  /** Label tokens of the whole batch, [1]. */
  readonly labelCount: HostTensor;
}

/**
 * Runs a program that returns `loss` and `gradient` over a batch, in as many parts as it takes for each to fit. `noGradient` is zeros.
 * Returns the outputs of the last part, which see the gradient of the whole batch, and the loss of the whole batch.
 */
export async function runAccumulated(
  batch: Batch,
  fits: Fits,
  noGradient: HostTensor,
  run: (part: BatchPart, inputs: AccumulationInputs) => Promise<Outputs>,
): Promise<{ outputs: Outputs; loss: number }> {
  const labels = batch.labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0);
  const labelCount = hostFloat32(Float32Array.of(labels), 1);
  const parts = cutBatch(batch, fits);
  let accumulated: HostTensor | DeviceTensor = noGradient;
  let loss = 0;
  for (const [index, part] of parts.entries()) {
    const outputs = await run(part, { accumulated, labelCount });
    loss += await takeNumber(outputs['loss']);
    disposeTensor(accumulated);
    const { gradient, ...others } = outputs;
    if (index === parts.length - 1) {
      gradient?.dispose();
      return { outputs: others, loss };
    }
    if (gradient === undefined) throw new RangeError('The program returned no gradient.');
    // What this part would make of parameters and state is dropped: the gradient is not whole yet.
    for (const tensor of Object.values(others)) disposeTensor(tensor);
    accumulated = gradient;
  }
  throw new RangeError('A batch has at least one row.');
}

/** Zeros, for the first part of every batch. */
export function noGradient(shapes: ReadonlyMap<string, readonly number[]>): HostTensor {
  const size = trainedElements(shapes);
  return hostFloat32(new Float32Array(size), size);
}
