/** Bytes of the UTF-8 character that begins with this byte; 1 for a byte that begins none. */
export function byteLengthOfCharacter(firstByte: number): number {
  if (firstByte < 0xc0) return 1;
  if (firstByte < 0xe0) return 2;
  return firstByte < 0xf0 ? 3 : 4;
}

/** A node and a byte share 31 bits of a hash key. */
const MOST_NODES = 1 << 22;
/** Per slot of the table: key + 1 (0: free), child node, id of the piece that ends there or -1. Padded to a power of two. */
const SLOT_SIZE = 4;

/**
 * A trie over bytes, as one open-addressing hash table from (node, byte) to node. All that a step needs lies side by side,
 * so that it costs one cache line.
 */
export class PieceTrie {
  private readonly table: Int32Array;
  private readonly shift: number;

  /** Of pieces that are equal, the first is kept. Throws RangeError for more than four million nodes. */
  constructor(pieces: readonly { readonly bytes: Uint8Array; readonly id: number }[]) {
    const mostNodes = pieces.reduce((sum, { bytes }) => sum + bytes.length, 1);
    if (mostNodes > MOST_NODES) throw new RangeError(`Too many pieces: ${mostNodes} bytes in all.`);
    const bits = Math.max(4, Math.ceil(Math.log2(mostNodes * 1.25)));
    this.shift = 32 - bits;
    this.table = new Int32Array(SLOT_SIZE << bits);
    let nodes = 1;
    for (const { bytes, id } of pieces) {
      let node = 0;
      let slot = -1;
      for (const byte of bytes) {
        slot = this.slot(node, byte);
        if (this.table[slot] === 0) this.table.set([((node << 8) | byte) + 1, nodes++, -1], slot);
        node = this.table[slot + 1] as number;
      }
      if (slot !== -1 && this.table[slot + 2] === -1) this.table[slot + 2] = id;
    }
  }

  /** The step from `node` (0: the root) by `byte`, for `nodeAt` and `idAt`; -1 where there is none. */
  step(node: number, byte: number): number {
    const slot = this.slot(node, byte);
    return this.table[slot] === 0 ? -1 : slot;
  }

  nodeAt(step: number): number {
    return this.table[step + 1] as number;
  }

  /** The piece that ends with this step, or -1. */
  idAt(step: number): number {
    return this.table[step + 2] as number;
  }

  /** Bytes of the longest piece that `text` has at `at`; 0 for none. */
  longestPrefix(text: Uint8Array, at: number): number {
    let longest = 0;
    let node = 0;
    for (let i = at; i < text.length; i++) {
      const step = this.step(node, text[i] as number);
      if (step === -1) break;
      if (this.idAt(step) !== -1) longest = i + 1 - at;
      node = this.nodeAt(step);
    }
    return longest;
  }

  private slot(node: number, byte: number): number {
    const { table } = this;
    const key = ((node << 8) | byte) + 1;
    const mask = table.length - 1;
    let slot = (Math.imul(key, 0x9e3779b1) >>> this.shift) * SLOT_SIZE;
    for (;;) {
      const found = table[slot];
      if (found === key || found === 0) return slot;
      slot = (slot + SLOT_SIZE) & mask;
    }
  }
}

export interface UnigramPiece {
  readonly bytes: Uint8Array;
  readonly id: number;
  readonly score: number;
  /** Always wins over ordinary pieces. */
  readonly isUserDefined: boolean;
}

/** What SentencePiece takes off the lowest score for an unknown character. */
const UNKNOWN_PENALTY = 10;

/** Called for every piece of a segmentation: its id, -1 where unknown, and its bytes [start, end). */
export type VisitSegment = (id: number, start: number, end: number) => void;

/**
 * Unigram segmentation by Viterbi over the bytes of normalized text. Sums of scores are kept in float32 and compared
 * in float64, as SentencePiece up to 0.2.1 does: runs of one character have several segmentations of equal score, and only the
 * same rounding lets the tie fall the same way.
 */
export class UnigramSegmenter {
  private readonly trie: PieceTrie;
  private readonly scores: Float32Array;
  private readonly isUserDefined: Uint8Array;
  private readonly highestScore: number;
  private readonly unknownScore: number;
  // The best path that ends before each byte; kept from call to call.
  private bestScore = new Float32Array(1024);
  private bestStart = new Int32Array(1024);
  private bestId = new Int32Array(1024);

  constructor(pieces: readonly UnigramPiece[], vocabularySize: number) {
    this.trie = new PieceTrie(pieces);
    this.scores = new Float32Array(vocabularySize);
    this.isUserDefined = new Uint8Array(vocabularySize);
    let lowest = Infinity;
    let highest = -Infinity;
    for (const { id, score, isUserDefined } of pieces) {
      this.scores[id] = score;
      this.isUserDefined[id] = isUserDefined ? 1 : 0;
      if (isUserDefined) continue;
      lowest = Math.min(lowest, score);
      highest = Math.max(highest, score);
    }
    this.highestScore = highest;
    this.unknownScore = Math.fround(lowest - UNKNOWN_PENALTY);
  }

  /** Visits the pieces of the best segmentation of `text`, first to last. */
  segment(text: Uint8Array, visit: VisitSegment): void {
    const size = text.length;
    this.reserve(size + 1);
    const { trie, scores, bestScore, bestStart, bestId } = this;
    bestStart.fill(-1, 0, size + 1);
    bestScore[0] = 0;
    for (let start = 0; start < size;) {
      const scoreHere = bestScore[start] as number;
      const characterEnd = Math.min(start + byteLengthOfCharacter(text[start] as number), size);
      let hasOneCharacter = false;
      let node = 0;
      for (let end = start + 1; end <= size; end++) {
        const step = trie.step(node, text[end - 1] as number);
        if (step === -1) break;
        node = trie.nodeAt(step);
        const id = trie.idAt(step);
        if (id === -1) continue;
        const score =
          this.isUserDefined[id] === 1
            ? Math.fround((end - start) * this.highestScore) - 0.1
            : (scores[id] as number);
        const candidate = score + scoreHere;
        if (bestStart[end] === -1 || candidate > (bestScore[end] as number)) {
          bestScore[end] = candidate;
          bestStart[end] = start;
          bestId[end] = id;
        }
        if (end === characterEnd) hasOneCharacter = true;
      }
      if (!hasOneCharacter) {
        const candidate = Math.fround(this.unknownScore + scoreHere);
        if (bestStart[characterEnd] === -1 || candidate > (bestScore[characterEnd] as number)) {
          bestScore[characterEnd] = candidate;
          bestStart[characterEnd] = start;
          bestId[characterEnd] = -1;
        }
      }
      start = characterEnd;
    }
    // Walks back from the end, turning each link round, and then forward along them.
    let next = -1;
    for (let end = size; end > 0;) {
      const start = bestStart[end] as number;
      bestStart[end] = next;
      next = end;
      end = start;
    }
    for (let start = 0, end = next; end !== -1;) {
      visit(bestId[end] as number, start, end);
      start = end;
      end = bestStart[end] as number;
    }
  }

  private reserve(size: number): void {
    if (size <= this.bestStart.length) return;
    this.bestScore = new Float32Array(size * 2);
    this.bestStart = new Int32Array(size * 2);
    this.bestId = new Int32Array(size * 2);
  }
}
