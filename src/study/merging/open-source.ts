import { BinaryFile } from '../../formats/binary-file.js';
import { BYTES_PER_ELEMENT, decodeToFloat32, type ElementTypeName } from '../../formats/element-types.js';
import { QuickFile } from '../../formats/quick-file.js';
import type { SafetensorsHeader, StoredTensor } from '../../formats/safetensors.js';
import type { Segment } from './stretches.js';

/** Where segments lie in a file, and where they go. */
interface ReadPlan {
  readonly segments: readonly {
    readonly dtype: ElementTypeName;
    readonly fileOffset: number;
    readonly byteLength: number;
    readonly count: number;
  }[];
  /** Byte offset of every segment in the memory that is read into. */
  readonly offsets: readonly number[];
  /** Segments that lie side by side in the file come with one read; null: they have to be decoded one by one. */
  readonly spans: readonly { readonly fileOffset: number; length: number; readonly offset: number }[] | null;
}

/** How the first source's file is laid out: most others, written by one program, are laid out alike byte by byte. */
export class FileLayout {
  private readonly plans = new WeakMap<readonly Segment[], ReadPlan>();

  private constructor(
    private readonly size: number,
    /** Everything before the first tensor. */
    private readonly head: Buffer,
  ) {}

  static async read(file: string, { tensors }: SafetensorsHeader): Promise<FileLayout> {
    const [first] = tensors.values();
    return BinaryFile.use(
      file,
      async (opened) => new FileLayout(opened.size, await opened.read(0, first?.byteOffset ?? opened.size)),
    );
  }

  isThatOf(opened: QuickFile): boolean {
    return opened.size === this.size && this.head.equals(opened.head(this.head.length));
  }

  /** The same for every file laid out so, and made once. */
  plan(segments: readonly Segment[]): ReadPlan {
    const known = this.plans.get(segments);
    if (known !== undefined) return known;
    const plan = planRead(segments, ({ tensor }) => tensor);
    this.plans.set(segments, plan);
    return plan;
  }
}

/** Where a tensor lies in a file, by its name. */
type Tensors = ReadonlyMap<string, StoredTensor>;

/** A source checkpoint, open while its pieces are read. */
export class OpenSource {
  private constructor(
    private readonly opened: QuickFile,
    private readonly layout: FileLayout | Tensors,
  ) {}

  /** @param locate reads this file's own header, checked; asked only if it is laid out differently from the first */
  static async open(file: string, layout: FileLayout, locate: () => Promise<Tensors>): Promise<OpenSource> {
    const opened = QuickFile.open(file);
    try {
      return new OpenSource(opened, layout.isThatOf(opened) ? layout : await locate());
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /** Reading has to be over. */
  close(): void {
    this.opened.close();
  }

  /**
   * Reads segments as float32.
   *
   * @param into from its first byte on, which must be at a multiple of 4
   * @returns the byte offset in `into` of every segment
   */
  async read(segments: readonly Segment[], into: Uint8Array<ArrayBuffer>): Promise<readonly number[]> {
    const { layout } = this;
    const plan =
      layout instanceof FileLayout
        ? layout.plan(segments)
        : planRead(segments, ({ tensor }) => layout.get(tensor.name) ?? tensor);
    if (plan.spans === null) return this.readDecoded(plan, into);
    for (const { fileOffset, length, offset } of plan.spans) {
      await this.opened.readInto(into.subarray(offset, offset + length), fileOffset);
    }
    return plan.offsets;
  }

  private async readDecoded({ segments, offsets }: ReadPlan, into: Uint8Array<ArrayBuffer>) {
    for (const [i, { dtype, fileOffset, byteLength, count }] of segments.entries()) {
      const bytes = Buffer.from(new ArrayBuffer(byteLength));
      await this.opened.readInto(bytes, fileOffset);
      new Float32Array(into.buffer, into.byteOffset + (offsets[i] ?? 0), count).set(
        decodeToFloat32(dtype, bytes),
      );
    }
    return offsets;
  }
}

function planRead(segments: readonly Segment[], locate: (segment: Segment) => StoredTensor): ReadPlan {
  const places = segments.map((segment, index) => {
    const { dtype, byteOffset } = locate(segment);
    const width = BYTES_PER_ELEMENT[dtype];
    const { from, count } = segment;
    return { index, dtype, fileOffset: byteOffset + from * width, byteLength: count * width, count };
  });
  const offsets = new Array<number>(places.length).fill(0);
  const spans: { fileOffset: number; length: number; offset: number }[] = [];
  let offset = 0;
  for (const { index, fileOffset, byteLength, count } of [...places].sort(
    (a, b) => a.fileOffset - b.fileOffset,
  )) {
    const last = spans.at(-1);
    if (last !== undefined && last.fileOffset + last.length === fileOffset) last.length += byteLength;
    else spans.push({ fileOffset, length: byteLength, offset });
    offsets[index] = offset;
    offset += count * 4;
  }
  return {
    segments: places,
    offsets,
    spans: places.every(({ dtype }) => dtype === 'F32') ? spans : null,
  };
}
