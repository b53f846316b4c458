import { loraModules } from '../../core/lora-products.js';
import { sizeOfShape } from '../../core/tensor.js';
import type { StoredTensor } from '../../formats/safetensors.js';

/**
 * How a merge goes through a checkpoint: stretch by stretch, all sources of one before the next; and within a stretch piece
 * by piece, a few sources at a time. Memory is that of the sums of a stretch and of a handful of pieces, whatever the number
 * of sources and however large the checkpoints.
 */
export interface Stretch {
  readonly pieces: readonly Piece[];
  /** Of the sums of all its segments. */
  readonly elements: number;
}

/** What is read of one source at once. */
export interface Piece {
  readonly segments: readonly Segment[];
  /** The segments are the two factors of one LoRA module, A and B. */
  readonly module?: Module;
}

interface Module {
  readonly a: StoredTensor;
  readonly b: StoredTensor;
}

/** Elements [from, from + count) of a tensor, and where they stand among the sums of their stretch. */
export interface Segment {
  readonly tensor: StoredTensor;
  readonly from: number;
  readonly count: number;
  readonly at: number;
}

interface StretchLimits {
  /** Elements that the sums of one stretch may have; of a LoRA module its product [in, out] counts, which is summed too. */
  readonly stretch: number;
  /** Elements of one piece. The factors of a LoRA module stay together, whatever they have. */
  readonly piece: number;
}

/** Sums of 16 MiB; pieces of 1 MiB, which is as fast as reads get and leaves a dozen of them in the processor's cache. */
const LIMITS: StretchLimits = { stretch: 2 ** 21, piece: 2 ** 18 };

/** Cuts a checkpoint into stretches, in the order of the file. The two factors of a LoRA module follow one another. */
export function stretchesOf(
  tensors: ReadonlyMap<string, StoredTensor>,
  limits: StretchLimits = LIMITS,
): Stretch[] {
  const modules = new Map(loraModules(tensors.keys()).map(({ a, b }) => [a, b]));
  const partners = new Set(modules.values());
  const total = [...tensors.values()].reduce((sum, { shape }) => sum + sizeOfShape(shape), 0);
  // Pieces of one size rather than full ones and a rest: a read costs something whatever its size.
  const piece = Math.ceil(total / Math.max(1, Math.ceil(total / limits.piece)));
  const cutter = new Cutter({ ...limits, piece });
  for (const tensor of tensors.values()) {
    if (partners.has(tensor.name)) continue;
    const partner = tensors.get(modules.get(tensor.name) ?? '');
    if (partner === undefined) cutter.add(tensor);
    else cutter.addModule(tensor, partner);
  }
  return cutter.stretches;
}

/** Fills pieces and stretches with one tensor after the other. */
class Cutter {
  readonly stretches: { pieces: { segments: Segment[]; module?: Module }[]; elements: number }[] = [];
  /** What the last piece has room for. */
  private room = 0;
  /** Of the last stretch: what is left of its limit. */
  private left = 0;

  constructor(private readonly limits: StretchLimits) {}

  add(tensor: StoredTensor): void {
    const size = sizeOfShape(tensor.shape);
    let from = 0;
    // Once at least: a tensor without elements is a tensor too.
    do {
      if (this.room === 0) this.begin(this.limits.piece);
      const count = Math.min(size - from, this.room);
      this.append({ tensor, from, count });
      this.room -= count;
      from += count;
    } while (from < size);
  }

  addModule(a: StoredTensor, b: StoredTensor): void {
    const [sizeA, sizeB] = [sizeOfShape(a.shape), sizeOfShape(b.shape)];
    this.begin(sizeA + sizeB, { a, b });
    this.append({ tensor: a, from: 0, count: sizeA });
    this.append({ tensor: b, from: 0, count: sizeB });
    this.room = 0;
  }

  private begin(elements: number, module?: Module): void {
    const product = module === undefined ? 0 : (module.a.shape[0] ?? 1) * (module.b.shape[1] ?? 1);
    let stretch = this.stretches.at(-1);
    if (stretch === undefined || elements + product > this.left) {
      stretch = { pieces: [], elements: 0 };
      this.stretches.push(stretch);
      this.left = this.limits.stretch;
    }
    this.left -= elements + product;
    stretch.pieces.push(module === undefined ? { segments: [] } : { segments: [], module });
    this.room = elements;
  }

  private append(segment: Omit<Segment, 'at'>): void {
    const stretch = this.stretches.at(-1);
    if (stretch === undefined) throw new Error('no stretch was begun');
    stretch.pieces.at(-1)?.segments.push({ ...segment, at: stretch.elements });
    stretch.elements += segment.count;
  }
}
