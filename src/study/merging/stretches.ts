import { loraModules } from '../../core/lora-products.js';
import { sizeOfShape } from '../../core/tensor.js';
import type { StoredTensor } from '../../formats/safetensors.js';

/**
 * A merge goes through a checkpoint in stretches of tensors: all sources of one stretch, then the next. Memory is that of
 * one stretch, whatever the number of sources and however large the checkpoints.
 */
export interface Stretch {
  /** In the order of the file. */
  readonly tensors: readonly StoredTensor[];
  /** Pairs of LoRA factors that lie in this stretch. */
  readonly modules: readonly { readonly a: StoredTensor; readonly b: StoredTensor }[];
}

/** Doubles that the sums of one stretch may hold: a few MiB stay close to the processor. */
const LARGEST_STRETCH = 2 ** 21;

/** Cuts a checkpoint into stretches. The two factors of a LoRA module stay together. */
export function stretchesOf(tensors: ReadonlyMap<string, StoredTensor>): Stretch[] {
  const modules = new Map(loraModules(tensors.keys()).map(({ a, b }) => [a, b]));
  const partners = new Set(modules.values());
  const stretches: Stretch[] = [];
  let open: {
    tensors: StoredTensor[];
    modules: { a: StoredTensor; b: StoredTensor }[];
    cost: number;
  } | null = null;
  for (const tensor of tensors.values()) {
    if (partners.has(tensor.name)) continue;
    const partner = tensors.get(modules.get(tensor.name) ?? '');
    const cost =
      partner === undefined ? sizeOfShape(tensor.shape) : (tensor.shape[0] ?? 1) * (partner.shape[1] ?? 1);
    if (open === null || open.cost + cost > LARGEST_STRETCH) {
      open = { tensors: [], modules: [], cost: 0 };
      stretches.push(open);
    }
    open.cost += cost;
    open.tensors.push(tensor);
    if (partner !== undefined) {
      open.tensors.push(partner);
      open.modules.push({ a: tensor, b: partner });
    }
  }
  return stretches;
}
