import { DeltaloomError } from '../core/errors.js';

/** No rule of a published normalizer writes more than 33 bytes; a longer one is a damaged table. */
const LONGEST_REPLACEMENT = 1024;

/**
 * The `precompiled_charsmap` of a SentencePiece normalizer: a double-array trie (Darts-clone layout) from UTF-8 prefixes to
 * replacements. Layout: uint32 byte length of the trie, the trie as uint32 units, then the replacements, each ended by NUL.
 */
export class Charsmap {
  private readonly units: Uint32Array;
  private readonly replacements: Uint8Array;
  /** Per ASCII byte, 1 where no rule begins with it whatever ASCII follows: most of most texts. */
  private readonly passesAscii = new Uint8Array(128);

  /** `file` is for messages. Throws `tokenizer-invalid` where the lengths cannot be right. */
  constructor(
    blob: Uint8Array,
    private readonly file: string,
  ) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    const trieBytes = blob.byteLength < 4 ? -1 : view.getUint32(0, true);
    if (trieBytes < 4 || trieBytes % 4 !== 0 || 4 + trieBytes > blob.byteLength) {
      throw this.damaged('its lengths disagree');
    }
    this.units = new Uint32Array(trieBytes / 4);
    for (let i = 0; i < this.units.length; i++) this.units[i] = view.getUint32(4 + 4 * i, true);
    this.replacements = blob.subarray(4 + trieBytes);
    const root = offsetOf(this.units[0] ?? 0);
    for (let byte = 0; byte < 128; byte++) {
      const first = this.units[root ^ byte];
      const hasRule = first !== undefined && (first & 0x800000ff) === byte;
      const isAlone =
        !hasRule || ((first & 0x100) === 0 && !this.hasAsciiChild(root ^ byte ^ offsetOf(first)));
      this.passesAscii[byte] = isAlone ? 1 : 0;
    }
  }

  /** True where no rule can match at `at`, since this byte and the next are ASCII and no rule has them. */
  passes(text: Uint8Array, at: number): boolean {
    const byte = text[at] as number;
    const next = at + 1 < text.length ? (text[at + 1] as number) : 0;
    return byte < 0x80 && next < 0x80 && this.passesAscii[byte] === 1;
  }

  private hasAsciiChild(position: number): boolean {
    for (let byte = 0; byte < 128; byte++) {
      const unit = this.units[position ^ byte];
      if (unit !== undefined && (unit & 0x800000ff) === byte) return true;
    }
    return false;
  }

  /**
   * The longest rule that matches `text` at `at`. Returns the number of bytes matched (0: no rule) in `matched`, and the
   * replacement.
   */
  longestMatch(text: Uint8Array, at: number): { matched: number; replacement: Uint8Array } | undefined {
    let matched = 0;
    let value = 0;
    let position = offsetOf(this.units[0] ?? 0);
    for (let i = at; i < text.length; i++) {
      const byte = text[i] as number;
      position ^= byte;
      const unit = this.units[position];
      // A leaf has its top bit set, and so never equals a byte.
      if (unit === undefined || (unit & 0x800000ff) !== byte) break;
      position ^= offsetOf(unit);
      if ((unit & 0x100) !== 0) {
        matched = i + 1 - at;
        value = (this.units[position] ?? 0) & 0x7fffffff;
      }
    }
    return matched === 0 ? undefined : { matched, replacement: this.replacementAt(value) };
  }

  private replacementAt(start: number): Uint8Array {
    let end = start;
    while (end < this.replacements.length && this.replacements[end] !== 0) end++;
    if (start > this.replacements.length || end - start > LONGEST_REPLACEMENT) {
      throw this.damaged('a rule points outside it');
    }
    return this.replacements.subarray(start, end);
  }

  private damaged(why: string): DeltaloomError {
    return new DeltaloomError('tokenizer-invalid', `The normalizer's character map is damaged: ${why}.`, {
      place: { file: this.file },
      remedy: 'Copy or download the tokenizer again.',
    });
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
