import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DeltaTensors } from '../../src/core/tensor.js';
import { readReferenceDeltaCheckpoint } from '../../src/formats/pytorch-checkpoint.js';
import { readTensors } from '../../src/formats/safetensors.js';
import { GOLDEN_DELTA_TYPES, tensorsDifference } from './golden-folder.js';
import type { Comparison } from './study-checks.js';
import { checkpoint } from './study-checks.js';

/** The reference's own checkpoint files, read as `deltaloom import` reads them. */
export async function checkReferenceFiles(folder: string): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const type of GOLDEN_DELTA_TYPES) {
    const directory = join(folder, 'checkpoints', type, 'reference_pt');
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory).sort()) {
      const task = /^(.*)_checkpoint-best\.pt$/.exec(name)?.[1];
      if (task === undefined) continue;
      const { tensors } = await readReferenceDeltaCheckpoint(join(directory, name));
      const expected = await readTensors(checkpoint(folder, type, 'source', task));
      comparisons.push({
        name: `import/${type} checkpoint-best.pt/${task}`,
        difference: difference(tensors, expected),
        tolerance: 0,
      });
    }
  }
  const merged = join(folder, 'unit_model', 'reference_merged_average.pt');
  if (existsSync(merged)) {
    const { tensors } = await readReferenceDeltaCheckpoint(merged);
    const averages = join(folder, 'unit_model', 'average_adapter');
    const differences = await Promise.all(
      readdirSync(averages).map(async (name) => difference(tensors, await readTensors(join(averages, name)))),
    );
    // Of which target it is, the file does not say: one of them it must be.
    const least = differences.reduce((a, b) => (b < a || Number.isNaN(a) ? b : a), Number.NaN);
    comparisons.push({ name: 'import/merged average.pt', difference: least, tolerance: 0 });
  }
  return comparisons;
}

function difference(tensors: DeltaTensors, expected: DeltaTensors): number {
  if (tensors.size !== expected.size) return Number.NaN;
  return tensorsDifference(tensors, expected);
}
