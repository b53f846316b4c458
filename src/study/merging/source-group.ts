import type { MergeFile } from './merge-checkpoints.js';
import type { OpenSource } from './open-source.js';
import type { Piece } from './stretches.js';

/** One source's values of a piece: in which slot of memory, and from which byte of it on each segment lies. */
export interface ReadPiece {
  readonly slot: number;
  readonly offsets: readonly number[];
}

/** Some sources that are added up together. Their files are open from the first piece read until the group is closed. */
export class SourceGroup {
  private opening: Promise<OpenSource>[] | null = null;

  constructor(
    /** Index of the group's first source among all. */
    readonly start: number,
    private readonly sources: readonly MergeFile[],
    private readonly open: (source: MergeFile) => Promise<OpenSource>,
  ) {}

  /** Reads a piece of every source at once, each into memory of its own. No read is under way when it returns or throws. */
  async read(
    piece: Piece,
    memoryOf: (source: number) => { readonly slot: number; readonly bytes: Uint8Array<ArrayBuffer> },
  ): Promise<ReadPiece[]> {
    this.opening ??= this.sources.map((source) => this.open(source));
    const reads = await Promise.allSettled(
      this.opening.map(async (opening, j) => {
        const { slot, bytes } = memoryOf(j);
        return { slot, offsets: await (await opening).read(piece.segments, bytes) };
      }),
    );
    return reads.map((read) => {
      if (read.status === 'rejected') throw read.reason;
      return read.value;
    });
  }

  /** Reading has to be over. */
  async close(): Promise<void> {
    const opening = this.opening ?? [];
    this.opening = null;
    for (const opened of await Promise.allSettled(opening)) {
      if (opened.status === 'fulfilled') opened.value.close();
    }
  }
}
