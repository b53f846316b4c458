import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Precision } from '../../core/averaging-weights.js';
import { DeltaloomError } from '../../core/errors.js';
import type { RuleDifference } from '../../core/lora-products.js';
import { ProductSum, relativeDifference } from '../../core/lora-products.js';
import type { MergePlan, MergeSource } from '../../core/merging.js';
import { checkAgreement, tensorWeights } from '../../core/merging.js';
import { SOURCES_AT_ONCE, SumMemory } from '../../core/weighted-sum-kernels.js';
import type { DeltaConfiguration } from '../configuration.js';
import { writeFileAtomically } from '../../formats/atomic-file.js';
import type { StoredTensor } from '../../formats/safetensors.js';
import { encodeSafetensorsHeader, readSafetensorsHeader, readTensors } from '../../formats/safetensors.js';
import { FileLayout, OpenSource } from './open-source.js';
import { refuseNotFinite } from './refuse-not-finite.js';
import type { ReadPiece } from './source-group.js';
import { SourceGroup } from './source-group.js';
import type { Piece, Stretch } from './stretches.js';
import { stretchesOf } from './stretches.js';

/** A source checkpoint on disk. */
export interface MergeFile {
  readonly task: string;
  /** Absolute. */
  readonly file: string;
  readonly backbone?: string;
  readonly delta?: DeltaConfiguration;
}

export interface MergeOptions {
  readonly loraRule: 'factors' | 'products';
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
}

export interface MergedFile {
  readonly bytes: number;
  readonly sha256: string;
  /** For LoRA: relative distance (Frobenius) of the averaged factors' products from the averaged products. */
  readonly loraRuleDifference: number | null;
}

/** How many pieces of a group of sources are read ahead while one is added up: disk and processor then work together. */
const PIECES_AHEAD = 2;

/**
 * Merges checkpoints on disk into `output`, which appears complete or not at all. Sources that no part weighs are not
 * read. Memory does not depend on the number of sources.
 *
 * @throws DeltaloomError `merge-disagreement`, `merge-part-missing`, `checkpoint-not-finite` (naming file and tensor), and
 *   what reading and writing files throws
 */
export async function mergeCheckpoints(
  sources: readonly MergeFile[],
  plan: MergePlan,
  output: string,
  options: MergeOptions,
): Promise<MergedFile> {
  const weighed = sources.flatMap((source, j) =>
    plan.weights.some((row) => row[j] !== 0) ? [{ source, column: j }] : [],
  );
  const [first] = weighed;
  if (first === undefined) {
    throw new DeltaloomError('no-other-source', 'No source has a weight other than 0: nothing to merge.');
  }
  const used: MergePlan = {
    parts: plan.parts,
    weights: plan.weights.map((row) => weighed.map(({ column }) => row[column] ?? 0)),
  };
  const header = await readSafetensorsHeader(first.source.file);
  const merge = new Merge(
    weighed.map(({ source }) => source),
    used,
    options,
    header.tensors,
    await FileLayout.read(first.source.file, header),
  );
  return merge.write(output);
}

class Merge {
  private readonly stretches: readonly Stretch[];
  private readonly memory: SumMemory;
  private readonly difference: RuleDifference = { squaredDifference: 0, squaredNorm: 0 };
  private isLora = false;
  private readonly precision: Precision;

  constructor(
    private readonly sources: readonly MergeFile[],
    private readonly plan: MergePlan,
    private readonly options: MergeOptions,
    /** Of the first source. */
    private readonly tensors: ReadonlyMap<string, StoredTensor>,
    private readonly layout: FileLayout,
  ) {
    this.precision = options.precision ?? 'float64';
    checkAgreement(sources.map((source) => describe(source)));
    this.stretches = stretchesOf(tensors);
    this.memory = new SumMemory({
      elements: Math.max(0, ...this.stretches.map(({ elements }) => elements)),
      slots: (1 + PIECES_AHEAD) * SOURCES_AT_ONCE,
      slotBytes: 4 * Math.max(0, ...this.stretches.flatMap(({ pieces }) => pieces.map(elementsOf))),
      precision: this.precision,
    });
  }

  async write(output: string): Promise<MergedFile> {
    const names = new Set(this.stretches.flatMap(({ pieces }) => pieces.flatMap(tensorNames)));
    const order = [...names].flatMap((name) => this.tensors.get(name) ?? []);
    const hash = createHash('sha256');
    let bytes = 0;
    await writeFileAtomically(output, async (handle: FileHandle) => {
      const put = async (content: Uint8Array) => {
        hash.update(content);
        bytes += content.length;
        await handle.writeFile(content);
      };
      await put(encodeSafetensorsHeader(order.map(({ name, shape }) => ({ name, shape, dtype: 'F32' }))));
      for (const stretch of this.stretches) {
        const { buffer, byteOffset, byteLength } = await this.mergeStretch(stretch);
        await put(new Uint8Array(buffer, byteOffset, byteLength));
      }
    });
    return {
      bytes,
      sha256: hash.digest('hex'),
      loraRuleDifference: this.isLora ? relativeDifference(this.difference) : null,
    };
  }

  private async mergeStretch(stretch: Stretch): Promise<Float32Array> {
    this.memory.clear();
    const weights = new Map(
      stretch.pieces.flatMap(tensorNames).map((name) => [name, tensorWeights(name, this.plan)]),
    );
    const products = new Map(stretch.pieces.flatMap((piece) => this.productOf(piece)));
    for await (const { group, piece, read } of this.pieces(stretch)) {
      this.options.signal?.throwIfAborted();
      const share = (name: string, j: number) => weights.get(name)?.[group.start + j] ?? 0;
      const product = products.get(piece);
      if (product === undefined) this.addPiece(piece, read, share);
      else this.addModule(product, piece, read, share);
    }
    return this.finish(stretch, products);
  }

  private productOf(piece: Piece): [Piece, ProductSum][] {
    if (piece.module === undefined) return [];
    const { a, b } = piece.module;
    return [[piece, new ProductSum(a.shape[0] ?? 0, a.shape[1] ?? 0, b.shape[1] ?? 0, this.precision)]];
  }

  private addPiece({ segments }: Piece, read: readonly ReadPiece[], share: Share): void {
    segments.forEach(({ tensor, at, count }, i) => {
      const terms = read.map(({ slot, offsets }, j) => ({
        slot,
        byteOffset: offsets[i] ?? 0,
        weight: share(tensor.name, j),
      }));
      this.memory.add(at, count, terms);
    });
  }

  private addModule(
    product: ProductSum,
    { segments }: Piece,
    read: readonly ReadPiece[],
    share: Share,
  ): void {
    const name = segments[0]?.tensor.name ?? '';
    read.forEach(({ slot, offsets }, j) => {
      const [a, b] = segments.map(({ count }, i) => this.memory.values(slot, offsets[i] ?? 0, count));
      if (a !== undefined && b !== undefined) product.add(a, b, share(name, j));
    });
  }

  /** Every piece of every group of sources, read ahead of whoever adds them up. */
  private async *pieces(stretch: Stretch): AsyncGenerator<ComingPiece> {
    const groups = groupsOf(this.sources).map(
      ({ start, sources }) => new SourceGroup(start, sources, (source) => this.open(source)),
    );
    const work = groups.flatMap((group) => stretch.pieces.map((piece) => ({ group, piece })));
    const coming: Promise<ComingPiece>[] = [];
    let begun = 0;
    const readAhead = () => {
      const item = work[begun];
      if (item === undefined) return;
      const firstSlot = (begun++ % (1 + PIECES_AHEAD)) * SOURCES_AT_ONCE;
      const reading = item.group
        .read(item.piece, (j) => ({ slot: firstSlot + j, bytes: this.memory.slot(firstSlot + j) }))
        .then((read) => ({ ...item, read }));
      // A failed read is reported when its turn has come; until then it must not count as unhandled.
      reading.catch(() => undefined);
      coming.push(reading);
    };
    try {
      for (let ahead = 0; ahead < PIECES_AHEAD; ahead++) readAhead();
      for (const { group, piece } of work) {
        // Its slots are those of the piece before, which is added up by now.
        readAhead();
        const next = await coming.shift();
        if (next !== undefined) yield next;
        if (piece === stretch.pieces.at(-1)) await group.close();
      }
    } finally {
      // Whatever happened: nothing may still be written into memory, or be left open.
      await Promise.allSettled(coming);
      for (const group of groups) await group.close();
    }
  }

  private async finish(stretch: Stretch, products: ReadonlyMap<Piece, ProductSum>): Promise<Float32Array> {
    const merged = new Float32Array(stretch.elements);
    this.memory.result(merged);
    for (const [{ segments }, product] of products) {
      this.isLora = true;
      // Before the decomposition, which has nothing to say about values that are not finite.
      const averaged = product.averagedFactors();
      if (!areFinite(averaged.a) || !areFinite(averaged.b)) await this.refuseNotFinite();
      const { squaredDifference, squaredNorm } = product.difference();
      this.difference.squaredDifference += squaredDifference;
      this.difference.squaredNorm += squaredNorm;
      const { a, b } = this.options.loraRule === 'products' ? product.factors() : averaged;
      [a, b].forEach((factor, i) => {
        merged.set(factor, segments[i]?.at ?? 0);
      });
    }
    if (!areFinite(merged)) await this.refuseNotFinite();
    return merged;
  }

  /** Finds who is to blame only when something is wrong: the sums are checked, not every value of every source. */
  private async refuseNotFinite(): Promise<never> {
    for (const { task, file } of this.sources) refuseNotFinite(task, file, await readTensors(file));
    throw new DeltaloomError('merge-not-finite', 'The weighted sum is too large for float32.', {
      remedy: 'Check the weights and the sources: their values are finite, but far too large.',
    });
  }

  private open(source: MergeFile): Promise<OpenSource> {
    return OpenSource.open(source.file, this.layout, async () => {
      const { tensors } = await readSafetensorsHeader(source.file);
      const [first] = this.sources;
      if (first !== undefined) {
        checkAgreement([describe(first, this.tensors), describe(source, tensors)]);
      }
      return tensors;
    });
  }
}

/** The weight of a group's j-th source in a tensor. */
type Share = (name: string, j: number) => number;

interface ComingPiece {
  readonly group: SourceGroup;
  readonly piece: Piece;
  readonly read: readonly ReadPiece[];
}

function groupsOf(sources: readonly MergeFile[]): { start: number; sources: readonly MergeFile[] }[] {
  return Array.from({ length: Math.ceil(sources.length / SOURCES_AT_ONCE) }, (_, i) => {
    const start = i * SOURCES_AT_ONCE;
    return { start, sources: sources.slice(start, start + SOURCES_AT_ONCE) };
  });
}

function elementsOf({ segments }: Piece): number {
  return segments.reduce((sum, { count }) => sum + count, 0);
}

function tensorNames({ segments }: Piece): string[] {
  return segments.map(({ tensor }) => tensor.name);
}

/** A plain loop: `every` with a function takes several times as long. */
function areFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

function describe(source: MergeFile, tensors: ReadonlyMap<string, StoredTensor> = new Map()): MergeSource {
  return {
    label: source.task,
    file: source.file,
    ...(source.backbone === undefined ? {} : { backbone: source.backbone }),
    ...(source.delta === undefined ? {} : { delta: source.delta }),
    shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
  };
}
