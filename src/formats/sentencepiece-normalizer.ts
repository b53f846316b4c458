import { Charsmap } from './charsmap.js';
import type { SentencePieceModelFile } from './sentencepiece-proto.js';
import { byteLengthOfCharacter, type PieceTrie } from './unigram.js';

const SPACE = 0x20;
/** U+2581, what SentencePiece writes for a space. */
const ESCAPED_SPACE = [0xe2, 0x96, 0x81] as const;

/**
 * SentencePiece's text normalizer: character rules (NFKC and more, from the model), then white space: none at the ends, one
 * between words, each written as U+2581, one before the first word.
 */
export class SentencePieceNormalizer {
  private readonly charsmap: Charsmap | undefined;
  private output = new Uint8Array(1024);
  private length = 0;

  constructor(
    private readonly specification: SentencePieceModelFile['normalizer'],
    /** Pieces that pass untouched; undefined where there are none. */
    private readonly userDefined: PieceTrie | undefined,
    file: string,
  ) {
    const { charsmap } = specification;
    this.charsmap = charsmap.length === 0 ? undefined : new Charsmap(charsmap, file);
  }

  /** Normalized UTF-8 of a text in UTF-8. The result is valid until the next call. */
  normalize(text: Uint8Array): Uint8Array {
    const { addDummyPrefix, removeExtraWhitespaces } = this.specification;
    this.length = 0;
    let at = removeExtraWhitespaces ? this.skipSpaces(text) : 0;
    if (at === text.length) return this.output.subarray(0, 0);
    if (addDummyPrefix) this.appendByte(SPACE);
    let afterSpace = removeExtraWhitespaces;
    while (at < text.length) {
      if (this.passes(text, at)) {
        const byte = text[at++] as number;
        if (byte === SPACE && afterSpace) continue;
        this.appendByte(byte);
        afterSpace = removeExtraWhitespaces && byte === SPACE;
        continue;
      }
      const { matched, replacement } = this.prefix(text, at);
      at += matched;
      let from = 0;
      while (afterSpace && replacement[from] === SPACE) from++;
      for (let i = from; i < replacement.length; i++) this.appendByte(replacement[i] as number);
      // A replacement that wrote nothing leaves things as they were.
      if (from < replacement.length) {
        afterSpace = removeExtraWhitespaces && replacement[replacement.length - 1] === SPACE;
      }
    }
    if (removeExtraWhitespaces) this.dropTrailingSpaces();
    return this.output.subarray(0, this.length);
  }

  private skipSpaces(text: Uint8Array): number {
    let at = 0;
    while (at < text.length) {
      const { matched, replacement } = this.prefix(text, at);
      if (replacement.length !== 1 || replacement[0] !== SPACE) break;
      at += matched;
    }
    return at;
  }

  /** The byte stands for itself: the short way for plain ASCII. */
  private passes(text: Uint8Array, at: number): boolean {
    return this.userDefined === undefined && this.charsmap?.passes(text, at) === true;
  }

  private prefix(text: Uint8Array, at: number): { matched: number; replacement: Uint8Array } {
    const untouched = this.userDefined?.longestPrefix(text, at) ?? 0;
    if (untouched === 0) {
      const rule = this.charsmap?.longestMatch(text, at);
      if (rule !== undefined) return rule;
    }
    const matched = untouched || Math.min(byteLengthOfCharacter(text[at] as number), text.length - at);
    return { matched, replacement: text.subarray(at, at + matched) };
  }

  private dropTrailingSpaces(): void {
    const space = this.specification.escapeWhitespaces ? ESCAPED_SPACE : [SPACE];
    while (
      this.length >= space.length &&
      space.every((byte, i) => this.output[this.length - space.length + i] === byte)
    ) {
      this.length -= space.length;
    }
  }

  private appendByte(byte: number): void {
    if (this.length + 3 > this.output.length) {
      const larger = new Uint8Array(this.output.length * 2);
      larger.set(this.output);
      this.output = larger;
    }
    if (byte === SPACE && this.specification.escapeWhitespaces) {
      for (const part of ESCAPED_SPACE) this.output[this.length++] = part;
    } else {
      this.output[this.length++] = byte;
    }
  }
}
