import { dirname, join } from 'node:path';
import {
  type Model as TokenizerModel,
  Normalizer,
  PrecompiledNormalizer,
  SequenceNormalizer,
  Tokenizer as LibraryTokenizer,
} from '@huggingface/tokenizers';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { cleanUpTokenization } from './detokenize.js';
import { pythonTrim } from './python-strip.js';
import { SentencePieceNormalizer } from './sentencepiece-normalizer.js';
import { readJsonFile, readOptionalJsonFile } from './text-file.js';
import type { Tokenizer } from './tokenizer.js';

const tokenizerSchema = z.looseObject({
  added_tokens: z.array(
    z.looseObject({ id: z.int().min(0).max(10_000_000), content: z.string(), special: z.boolean() }),
  ),
  model: z.looseObject({
    type: z.string(),
    unk_id: z
      .int()
      .min(0)
      .nullish()
      .transform((id) => id ?? undefined),
    vocab: z.union([
      z.array(z.tuple([z.string(), z.number()])).min(1),
      z.record(z.string(), z.int().min(0).max(10_000_000)),
    ]),
  }),
});
const tokenContent = z.union([z.string(), z.object({ content: z.string() }).transform((t) => t.content)]);
const settingsSchema = z.object({ eos_token: tokenContent.nullish(), pad_token: tokenContent.nullish() });

/**
 * Opens a `tokenizer.json` through `@huggingface/tokenizers`. A `Precompiled` normalizer is applied as SentencePiece applies
 * it (the library approximates it by NFKC), so that ids equal those of the slow T5Tokenizer.
 */
export async function openTokenizerJson(file: string): Promise<Tokenizer> {
  const json = await readJsonFile(file);
  const settingsFile = join(dirname(file), 'tokenizer_config.json');
  const settings = await readOptionalJsonFile(settingsFile);
  const files = settings === undefined ? [file] : [file, settingsFile];
  return tokenizerFromJson(json, settings ?? {}, file, files);
}

/** The same from parsed JSON; `file` is for messages. */
export function tokenizerFromJson(
  json: unknown,
  settings: unknown,
  file: string,
  files: readonly string[] = [file],
): Tokenizer {
  const parsed = tokenizerSchema.safeParse(json);
  if (!parsed.success) throw invalid(file, parsed.error, parsed.error.issues[0]?.path.join('.'));
  const { type, vocab, unk_id: unknownId } = parsed.data.model;
  // The library would only notice at the first unknown character.
  if (type === 'Unigram' && !(Array.isArray(vocab) && unknownId !== undefined && unknownId < vocab.length)) {
    throw invalid(file, undefined, 'model.unk_id');
  }
  const parsedSettings = settingsSchema.safeParse(settings);
  if (!parsedSettings.success) throw invalid(file, parsedSettings.error, 'tokenizer_config.json');
  let library: LibraryTokenizer;
  try {
    library = new LibraryTokenizer(parsed.data, settings as object);
    library.normalizer = withTrueCharsmaps(library.normalizer, file);
    if (library.model !== null) rememberWords(library.model);
  } catch (cause) {
    if (cause instanceof DeltaloomError) throw cause;
    throw invalid(file, cause);
  }
  const { eos_token: eos, pad_token: pad } = parsedSettings.data;
  return new JsonTokenizer(
    library,
    files,
    requireToken(library, eos ?? '</s>', file),
    requireToken(library, pad ?? '<pad>', file),
  );
}

class JsonTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  private readonly specialIds: ReadonlySet<number>;

  constructor(
    private readonly library: LibraryTokenizer,
    readonly files: readonly string[],
    readonly eosId: number,
    readonly padId: number,
  ) {
    let largest = 0;
    for (const id of library.get_vocab(true).values()) largest = Math.max(largest, id);
    this.vocabularySize = largest + 1;
    this.specialIds = new Set(
      [...library.get_added_tokens_decoder()].filter(([, { special }]) => special).map(([id]) => id),
    );
  }

  encode(text: string): Int32Array {
    return Int32Array.from(this.library.encode(text, { add_special_tokens: false }).ids);
  }

  decode(ids: ArrayLike<number>): string {
    // A model may have more rows than the tokenizer has ids; such ids have no text.
    const kept = Array.from(ids).filter((id) => id < this.vocabularySize && !this.specialIds.has(id));
    if (kept.length === 0) return '';
    const text = this.library.decode(kept, { clean_up_tokenization_spaces: false });
    return cleanUpTokenization(pythonTrim(text));
  }
}

/** A `Precompiled` normalizer that follows its table. */
class CharsmapNormalizer extends Normalizer {
  private readonly normalizer: SentencePieceNormalizer;

  constructor(original: PrecompiledNormalizer, file: string) {
    super(original.config);
    const charsmap = Buffer.from(String(original.charsmap ?? ''), 'base64');
    this.normalizer = new SentencePieceNormalizer(
      { charsmap, addDummyPrefix: false, removeExtraWhitespaces: false, escapeWhitespaces: false },
      undefined,
      file,
    );
  }

  override normalize(text: string): string {
    return Buffer.from(this.normalizer.normalize(Buffer.from(text))).toString();
  }
}

function withTrueCharsmaps(normalizer: Normalizer | null, file: string): Normalizer | null {
  if (normalizer instanceof PrecompiledNormalizer) return new CharsmapNormalizer(normalizer, file);
  if (normalizer instanceof SequenceNormalizer) {
    normalizer.normalizers = normalizer.normalizers.map((part) => withTrueCharsmaps(part, file));
  }
  return normalizer;
}

/** Words kept; enough for the words of most tasks, and small beside a model. */
const MOST_WORDS = 100_000;
const LONGEST_WORD = 64;

/**
 * Keeps the pieces of words already seen. The library encodes each word alone, so this changes nothing but the time, which it
 * more than halves on running text.
 */
function rememberWords(model: TokenizerModel): void {
  const encode = model.encode.bind(model);
  const known = new Map<string, string[]>();
  model.encode = (words) =>
    words.flatMap((word) => {
      const remembered = known.get(word);
      if (remembered !== undefined) return remembered;
      const pieces = encode([word]);
      if (known.size >= MOST_WORDS) known.clear();
      if (word.length <= LONGEST_WORD) known.set(word, pieces);
      return pieces;
    });
}

function requireToken(library: LibraryTokenizer, token: string, file: string): number {
  const id = library.token_to_id(token);
  if (id !== undefined) return id;
  throw new DeltaloomError('tokenizer-unsupported', `The tokenizer has no token '${token}'.`, {
    place: { file },
    remedy: 'Take the tokenizer that belongs to the T5 backbone.',
  });
}

function invalid(file: string, cause: unknown, at?: string): DeltaloomError {
  return new DeltaloomError('tokenizer-invalid', 'The file is not a tokenizer that can be used.', {
    place: { file, ...(at === undefined ? {} : { at }) },
    remedy: 'Copy or download the tokenizer again.',
    cause,
  });
}
