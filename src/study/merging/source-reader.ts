import { DeltaloomError } from '../../core/errors.js';
import { BinaryFile } from '../../formats/binary-file.js';
import { decodeToFloat32 } from '../../formats/element-types.js';
import type { SafetensorsHeader, StoredTensor } from '../../formats/safetensors.js';

/** The float32 values of some tensors of one source, by name; views of the reader's memory until it is used again. */
export type StretchValues = ReadonlyMap<string, Float32Array>;

/** How the first source's file is laid out: most others, written by one program, are laid out alike byte by byte. */
export interface FileLayout {
  readonly size: number;
  /** Everything before the first tensor. */
  readonly head: Uint8Array;
}

export async function readLayout(header: SafetensorsHeader): Promise<FileLayout> {
  const [first] = header.tensors.values();
  if (first === undefined) return { size: 0, head: new Uint8Array() };
  return BinaryFile.use(first.file, async (opened) => ({
    size: opened.size,
    head: await opened.read(0, first.byteOffset),
  }));
}

/**
 * Reads the same tensors out of one file after another into memory of its own, used over and over: what many sources cost
 * is time, not memory. Tensors that lie side by side in the file come with one read.
 */
export class SourceReader {
  private bytes = Buffer.from(new ArrayBuffer(0));

  /**
   * @param tensors where they lie in the first source's file
   * @param locate where they lie in this file, asked only if it is laid out differently
   */
  async read(
    file: string,
    layout: FileLayout,
    tensors: readonly StoredTensor[],
    locate: () => Promise<readonly StoredTensor[]>,
  ): Promise<StretchValues> {
    return BinaryFile.use(file, async (opened) => {
      if (opened.size === layout.size) {
        const head = { name: '', dtype: 'U8', byteOffset: 0, byteLength: layout.head.length } as const;
        const found = await this.readRanges(opened, [head, ...tensors]);
        if (layout.head.every((byte, i) => byte === found.get('')?.[i])) {
          return this.decode(tensors, found);
        }
      }
      const own = await locate();
      return this.decode(own, await this.readRanges(opened, own));
    });
  }

  private decode(tensors: readonly StoredTensor[], found: ReadonlyMap<string, Uint8Array>): StretchValues {
    return new Map(
      tensors.map(({ name, dtype }) => [name, decodeToFloat32(dtype, found.get(name) ?? new Uint8Array())]),
    );
  }

  private async readRanges(
    opened: BinaryFile,
    ranges: readonly Range[],
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const spans = adjoining(ranges);
    // Every span begins at a multiple of 8, so that float32 values can be looked at where they lie.
    const room = spans.reduce((sum, { length }) => sum + aligned(length), 0);
    if (this.bytes.length < room) this.bytes = Buffer.from(new ArrayBuffer(room));
    const found = new Map<string, Uint8Array>();
    let start = 0;
    for (const span of spans) {
      await opened.readInto(this.bytes.subarray(start, start + span.length), span.offset);
      for (const { name, byteOffset, byteLength } of span.ranges) {
        const from = start + byteOffset - span.offset;
        found.set(name, this.bytes.subarray(from, from + byteLength));
      }
      start += aligned(span.length);
    }
    return found;
  }
}

type Range = Pick<StoredTensor, 'name' | 'byteOffset' | 'byteLength'>;

interface Span {
  readonly offset: number;
  length: number;
  readonly ranges: Range[];
}

function adjoining(ranges: readonly Range[]): Span[] {
  const spans: Span[] = [];
  for (const range of [...ranges].sort((a, b) => a.byteOffset - b.byteOffset)) {
    const last = spans.at(-1);
    if (last !== undefined && last.offset + last.length === range.byteOffset) {
      last.length += range.byteLength;
      last.ranges.push(range);
    } else {
      spans.push({ offset: range.byteOffset, length: range.byteLength, ranges: [range] });
    }
  }
  return spans;
}

function aligned(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/**
 * Names the first of these sources that holds a NaN or an infinity in a tensor; for a merge whose sum is not finite.
 *
 * @throws DeltaloomError `checkpoint-not-finite` with file and tensor
 */
export function refuseNotFinite(
  sources: readonly { readonly task: string; readonly file: string; readonly values: StretchValues }[],
): void {
  for (const { task, file, values } of sources) {
    for (const [name, data] of values) {
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
}
