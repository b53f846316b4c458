import type { DeltaSettings } from '../../core/delta-settings.js';
import { sizeOfShape, type Tensor } from '../../core/tensor.js';
import type { T5Architecture } from '../../core/t5-architecture.js';
import { Random } from '../random.js';
import { deltaShapes } from './shapes.js';

const NORMAL_DEVIATION = 0.02;

/**
 * The random start of a delta, distributed as in the reference: adapters and prefix embeddings N(0, 0.02); LoRA A uniform in
 * +-1/sqrt(rank) (kaiming_uniform with a = sqrt 5 of an (in, rank) tensor, whose fan-in is the rank) and B zero; the prefix
 * projections as PyTorch's nn.Linear, uniform in +-1/sqrt(inputs). The same seed gives the same bytes everywhere.
 */
export function initialDelta(
  architecture: T5Architecture,
  settings: DeltaSettings,
  seed: number,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  let index = 0;
  for (const [name, shape] of deltaShapes(architecture, settings)) {
    const random = new Random(seed, index++);
    const data = new Float32Array(sizeOfShape(shape));
    if (name.endsWith('.lora_B')) {
      // Zero, so that tuning starts from the backbone's own function.
    } else if (name.endsWith('.lora_A') || name.includes('.prefix_project.')) {
      const bound = 1 / Math.sqrt(shape[1] ?? 1);
      for (let i = 0; i < data.length; i++) data[i] = (2 * random.uniform() - 1) * bound;
    } else {
      for (let i = 0; i < data.length; i++) data[i] = random.normal() * NORMAL_DEVIATION;
    }
    tensors.set(name, { shape, data });
  }
  return tensors;
}
