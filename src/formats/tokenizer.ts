import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import { openSentencePieceModel } from './sentencepiece-model.js';
import { openTokenizerJson } from './tokenizer-json.js';

/** Text to ids and back, as the tokenizer of a T5 does it. */
export interface Tokenizer {
  /** Ids lie below this: `len(tokenizer)`, the sentinels included. The model's own vocabulary is often larger. */
  readonly vocabularySize: number;
  readonly eosId: number;
  readonly padId: number;
  /** The files that determine the ids, for fingerprints. */
  readonly files: readonly string[];
  /** Ids of a text, without end of sequence (unless the text itself ends in `</s>`). */
  encode(text: string): Int32Array;
  /** Hugging Face's `decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)`. */
  decode(ids: ArrayLike<number>): string;
}

/**
 * Opens the tokenizer of a folder: `tokenizer.json`, or else `spiece.model`.
 * Throws `tokenizer-missing` where there is neither, and `tokenizer-invalid` or `tokenizer-unsupported` where it cannot serve.
 */
export async function openTokenizer(directory: string): Promise<Tokenizer> {
  const json = join(directory, 'tokenizer.json');
  if (await exists(json)) return openTokenizerJson(json);
  const model = join(directory, 'spiece.model');
  if (await exists(model)) return openSentencePieceModel(model);
  throw new DeltaloomError('tokenizer-missing', 'The folder has neither tokenizer.json nor spiece.model.', {
    place: { file: directory },
    remedy: 'Copy the tokenizer of the backbone there.',
  });
}

/**
 * Ids as the model reads them: cut to `maxLength - 1`, then end of sequence; a text that already ends in `</s>` gets no second
 * one. The same as the slow T5Tokenizer with `truncation=True, max_length=maxLength`.
 */
export function encodeWithEos(tokenizer: Tokenizer, text: string, maxLength: number): Int32Array {
  const ids = tokenizer.encode(text);
  const kept = ids.subarray(0, Math.max(0, maxLength - 1));
  if (kept.at(-1) === tokenizer.eosId) return kept.slice();
  const result = new Int32Array(kept.length + 1);
  result.set(kept);
  result[kept.length] = tokenizer.eosId;
  return result;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
