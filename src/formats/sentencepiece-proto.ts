import protobuf from 'protobufjs';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';

/** Values of `SentencePiece.Type`. */
export const PIECE_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface SentencePieceModelFile {
  readonly pieces: readonly { readonly piece: string; readonly score: number; readonly type: number }[];
  readonly byteFallback: boolean;
  readonly normalizer: {
    readonly charsmap: Uint8Array;
    readonly addDummyPrefix: boolean;
    readonly removeExtraWhitespaces: boolean;
    readonly escapeWhitespaces: boolean;
  };
}

const UNIGRAM = 1;
const MODEL_TYPE_NAMES: Readonly<Record<number, string>> = { 2: 'BPE', 3: 'word', 4: 'char' };

/** The fields of `sentencepiece_model.proto` that encoding and decoding depend on. */
const ModelProto = protobuf.Root.fromJSON({
  nested: {
    SentencePiece: {
      fields: {
        piece: { type: 'string', id: 1 },
        score: { type: 'float', id: 2 },
        type: { type: 'int32', id: 3, options: { default: PIECE_TYPE.normal } },
      },
    },
    TrainerSpec: {
      fields: {
        modelType: { type: 'int32', id: 3, options: { default: UNIGRAM } },
        treatWhitespaceAsSuffix: { type: 'bool', id: 24 },
        byteFallback: { type: 'bool', id: 35 },
      },
    },
    NormalizerSpec: {
      fields: {
        precompiledCharsmap: { type: 'bytes', id: 2 },
        addDummyPrefix: { type: 'bool', id: 3, options: { default: true } },
        removeExtraWhitespaces: { type: 'bool', id: 4, options: { default: true } },
        escapeWhitespaces: { type: 'bool', id: 5, options: { default: true } },
      },
    },
    ModelProto: {
      fields: {
        pieces: { rule: 'repeated', type: 'SentencePiece', id: 1 },
        trainerSpec: { type: 'TrainerSpec', id: 2 },
        normalizerSpec: { type: 'NormalizerSpec', id: 3 },
      },
    },
  },
}).lookupType('ModelProto');

const modelSchema = z.object({
  pieces: z.array(z.object({ piece: z.string(), score: z.number(), type: z.number() })).min(1),
  trainerSpec: z
    .object({ modelType: z.number(), treatWhitespaceAsSuffix: z.boolean(), byteFallback: z.boolean() })
    .nullish(),
  normalizerSpec: z
    .object({
      precompiledCharsmap: z.instanceof(Uint8Array).or(z.tuple([]).transform(() => new Uint8Array())),
      addDummyPrefix: z.boolean(),
      removeExtraWhitespaces: z.boolean(),
      escapeWhitespaces: z.boolean(),
    })
    .nullish(),
});

/**
 * Parses a `spiece.model`. `file` is for messages.
 * Throws `tokenizer-invalid` where the bytes are no SentencePiece model, `tokenizer-unsupported` where it is none of T5's kind.
 */
export function parseSentencePieceProto(bytes: Uint8Array, file: string): SentencePieceModelFile {
  let decoded: unknown;
  try {
    decoded = ModelProto.decode(bytes);
  } catch (cause) {
    throw notAModel(file, cause);
  }
  // Defaults of absent fields live on the prototypes of the messages, so properties must be read, not listed.
  const parsed = modelSchema.safeParse(decoded);
  if (!parsed.success) throw notAModel(file, parsed.error);
  const { pieces, trainerSpec, normalizerSpec } = parsed.data;
  const modelType = trainerSpec?.modelType ?? UNIGRAM;
  if (modelType !== UNIGRAM) {
    throw unsupported(
      file,
      `its algorithm is ${MODEL_TYPE_NAMES[modelType] ?? `number ${modelType}`}, not unigram`,
    );
  }
  if (trainerSpec?.treatWhitespaceAsSuffix === true) throw unsupported(file, 'it writes spaces as suffixes');
  return {
    pieces,
    byteFallback: trainerSpec?.byteFallback ?? false,
    normalizer: {
      charsmap: normalizerSpec?.precompiledCharsmap ?? new Uint8Array(),
      addDummyPrefix: normalizerSpec?.addDummyPrefix ?? true,
      removeExtraWhitespaces: normalizerSpec?.removeExtraWhitespaces ?? true,
      escapeWhitespaces: normalizerSpec?.escapeWhitespaces ?? true,
    },
  };
}

function notAModel(file: string, cause: unknown): DeltaloomError {
  return new DeltaloomError('tokenizer-invalid', 'The file is not a SentencePiece model, or is damaged.', {
    place: { file },
    remedy: 'Copy or download the tokenizer again.',
    cause,
  });
}

function unsupported(file: string, why: string): DeltaloomError {
  return new DeltaloomError('tokenizer-unsupported', `The SentencePiece model is not one of a T5: ${why}.`, {
    place: { file },
    remedy: 'Take the tokenizer that belongs to the T5 backbone.',
  });
}
