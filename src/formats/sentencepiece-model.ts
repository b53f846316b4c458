import { dirname, join } from 'node:path';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { BinaryFile } from './binary-file.js';
import { cleanUpTokenization } from './detokenize.js';
import { pythonTrim, pythonTrimEnd, pythonTrimStart } from './python-strip.js';
import { SentencePieceNormalizer } from './sentencepiece-normalizer.js';
import { PIECE_TYPE, parseSentencePieceProto, type SentencePieceModelFile } from './sentencepiece-proto.js';
import { readOptionalJsonFile } from './text-file.js';
import type { Tokenizer } from './tokenizer.js';
import { PieceTrie, UnigramSegmenter } from './unigram.js';

const LARGEST_MODEL = 64 * 1024 * 1024;
const DEFAULT_SENTINELS = 100;

const tokenContent = z.union([z.string(), z.object({ content: z.string() }).transform((t) => t.content)]);
/** The parts of `tokenizer_config.json` that change ids. */
const settingsSchema = z.object({
  extra_ids: z.int().min(0).max(100_000).optional(),
  eos_token: tokenContent.nullish(),
  unk_token: tokenContent.nullish(),
  pad_token: tokenContent.nullish(),
  added_tokens_decoder: z.record(z.string(), tokenContent).optional(),
});
/** Of `added_tokens.json`: ids by token. */
const addedSchema = z.record(z.string(), z.int().nonnegative());
type Settings = z.infer<typeof settingsSchema>;

/**
 * Opens a bare `spiece.model` as the slow T5Tokenizer does: sentinels `<extra_id_k>` above the pieces (100, or `extra_ids` of a
 * `tokenizer_config.json` beside it), and special tokens recognised in the text with the white space around them stripped.
 */
export async function openSentencePieceModel(file: string): Promise<Tokenizer> {
  const bytes = await BinaryFile.use(file, async (opened) => {
    if (opened.size > LARGEST_MODEL) {
      throw new DeltaloomError(
        'tokenizer-invalid',
        `A SentencePiece model of ${opened.size} bytes is no T5's.`,
        {
          place: { file },
        },
      );
    }
    return opened.read(0, opened.size);
  });
  const settingsFile = join(dirname(file), 'tokenizer_config.json');
  const settings = await readSettings(settingsFile);
  const model = parseSentencePieceProto(bytes, file);
  const tokenizer = new SentencePieceTokenizer(
    model,
    settings ?? {},
    file,
    settings === undefined ? [file] : [file, settingsFile],
  );
  const addedFile = join(dirname(file), 'added_tokens.json');
  const added = await readAddedTokens(addedFile);
  tokenizer.refuseOthers(Object.keys(added), addedFile);
  tokenizer.refuseOthers(Object.values(settings?.added_tokens_decoder ?? {}), settingsFile);
  return tokenizer;
}

async function readAddedTokens(file: string): Promise<Record<string, number>> {
  const json = await readOptionalJsonFile(file);
  const parsed = addedSchema.safeParse(json ?? {});
  if (parsed.success) return parsed.data;
  throw new DeltaloomError('tokenizer-invalid', 'The added tokens are not a map of tokens to ids.', {
    place: { file },
    remedy: 'Take the tokenizer that belongs to the T5 backbone.',
    cause: parsed.error,
  });
}

async function readSettings(file: string): Promise<Settings | undefined> {
  const json = await readOptionalJsonFile(file);
  if (json === undefined) return undefined;
  const parsed = settingsSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new DeltaloomError('tokenizer-invalid', 'The tokenizer settings are not usable.', {
    place: { file, at: parsed.error.issues[0]?.path.join('.') ?? '' },
    cause: parsed.error,
  });
}

class SentencePieceTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly eosId: number;
  readonly padId: number;
  private readonly unknownId: number;
  private readonly normalizer: SentencePieceNormalizer;
  private readonly segmenter: UnigramSegmenter;
  /** Special tokens as written in text, to their ids. */
  private readonly specialTokens: ReadonlyMap<string, number>;
  private readonly specialPattern: RegExp;
  private readonly specialIds: ReadonlySet<number>;
  /** Ids of the pieces `<0x00>` to `<0xFF>` where the model falls back to bytes. */
  private readonly byteIds: readonly number[] | undefined;

  constructor(
    private readonly model: SentencePieceModelFile,
    settings: Settings,
    file: string,
    readonly files: readonly string[],
  ) {
    const { pieces } = model;
    const idOf = new Map(pieces.map(({ piece }, id) => [piece, id]));
    const require = (piece: string): number => {
      const id = idOf.get(piece);
      if (id !== undefined) return id;
      throw new DeltaloomError('tokenizer-unsupported', `The SentencePiece model has no piece '${piece}'.`, {
        place: { file },
        remedy: 'Take the tokenizer that belongs to the T5 backbone.',
      });
    };
    const sentinels = settings.extra_ids ?? DEFAULT_SENTINELS;
    this.vocabularySize = pieces.length + sentinels;
    const unknown = settings.unk_token ?? '<unk>';
    const eos = settings.eos_token ?? '</s>';
    const pad = settings.pad_token ?? '<pad>';
    this.unknownId = require(unknown);
    this.eosId = require(eos);
    this.padId = require(pad);
    this.specialTokens = new Map([
      [unknown, this.unknownId],
      [eos, this.eosId],
      [pad, this.padId],
      ...Array.from(
        { length: sentinels },
        (_, k) => [`<extra_id_${k}>`, this.vocabularySize - 1 - k] as const,
      ),
    ]);
    this.specialPattern = new RegExp(`(${[...this.specialTokens.keys()].map(escapeForRegExp).join('|')})`);
    this.specialIds = new Set(this.specialTokens.values());
    this.byteIds = model.byteFallback
      ? Array.from({ length: 256 }, (_, byte) =>
          require(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
        )
      : undefined;
    const encoder = new TextEncoder();
    const searchable = pieces.flatMap(({ piece, score, type }, id) => {
      if (type !== PIECE_TYPE.normal && type !== PIECE_TYPE.userDefined) return [];
      return [{ bytes: encoder.encode(piece), id, score, isUserDefined: type === PIECE_TYPE.userDefined }];
    });
    if (searchable.some(({ bytes, score }) => bytes.length === 0 || !Number.isFinite(score))) {
      throw new DeltaloomError(
        'tokenizer-invalid',
        'The SentencePiece model has an empty piece or a score that is no number.',
        { place: { file }, remedy: 'Copy or download the tokenizer again.' },
      );
    }
    this.segmenter = new UnigramSegmenter(searchable, pieces.length);
    const userDefined = searchable.filter(({ isUserDefined }) => isUserDefined);
    this.normalizer = new SentencePieceNormalizer(
      model.normalizer,
      userDefined.length === 0 ? undefined : new PieceTrie(userDefined),
      file,
    );
  }

  /**
   * Refuses tokens that were added to those of T5: the slow tokenizer cuts them out of the text first, by rules of their own that
   * only `tokenizer.json` writes down; read without them, a backbone would see other ids than it was trained on.
   */
  refuseOthers(added: readonly string[], file: string): void {
    const others = added.filter((token) => !this.specialTokens.has(token));
    if (others.length === 0) return;
    const named = others.slice(0, 3).map((token) => `'${token}'`);
    if (others.length > named.length) named.push('…');
    throw new DeltaloomError(
      'tokenizer-unsupported',
      `The tokenizer has tokens that were added to T5's (${named.join(', ')}), which are not read from spiece.model.`,
      {
        place: { file },
        remedy:
          'Save it as tokenizer.json: AutoTokenizer.from_pretrained(folder).save_pretrained(folder) in Python.',
      },
    );
  }

  encode(text: string): Int32Array {
    const ids: number[] = [];
    // With the group in the pattern, every second part is a special token.
    const parts = text.includes('<') ? text.split(this.specialPattern) : [text];
    for (const [index, part] of parts.entries()) {
      const special = index % 2 === 1 ? this.specialTokens.get(part) : undefined;
      if (special !== undefined) {
        ids.push(special);
        continue;
      }
      let plain = part;
      if (index > 0) plain = pythonTrimStart(plain);
      if (index < parts.length - 1) plain = pythonTrimEnd(plain);
      this.encodePlain(plain, ids);
    }
    return Int32Array.from(ids);
  }

  private encodePlain(text: string, ids: number[]): void {
    const bytes = this.normalizer.normalize(Buffer.from(text));
    let afterUnknown = false;
    this.segmenter.segment(bytes, (id, start, end) => {
      if (id !== -1) ids.push(id);
      else if (this.byteIds !== undefined) {
        for (let i = start; i < end; i++) ids.push(this.byteIds[bytes[i] as number] as number);
      } else if (!afterUnknown) ids.push(this.unknownId);
      // Unknown characters that follow one another are one unknown piece.
      afterUnknown = id === -1;
    });
  }

  decode(ids: ArrayLike<number>): string {
    let text = '';
    let pendingBytes: number[] = [];
    const flush = (): void => {
      if (pendingBytes.length > 0) text += new TextDecoder().decode(Uint8Array.from(pendingBytes));
      pendingBytes = [];
    };
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number;
      if (this.specialIds.has(id)) continue;
      const piece = this.model.pieces[id];
      if (piece?.type === PIECE_TYPE.byte) {
        pendingBytes.push(Number.parseInt(piece.piece.slice(1, -1), 16));
        continue;
      }
      flush();
      // Models have more rows than their tokenizer has ids; the slow T5Tokenizer names those rows like this.
      if (piece === undefined) text += `<extra_id_${this.vocabularySize - 1 - id}>`;
      else if (piece.type !== PIECE_TYPE.control) text += piece.piece.replaceAll('\u2581', ' ');
    }
    flush();
    return cleanUpTokenization(pythonTrim(text));
  }
}

function escapeForRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
