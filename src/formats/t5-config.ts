import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import type { T5Architecture } from '../core/t5-architecture.js';
import { readJsonFile } from './text-file.js';

/** The architecture of a T5 and how it was trained, from its `config.json`. */
export interface T5Config extends T5Architecture {
  readonly dropoutRate: number;
}

const positive = z.number().int().positive().max(0x7fffffff);
const tokenId = z.number().int().nonnegative().max(0x7fffffff);
const configSchema = z.object({
  vocab_size: positive,
  d_model: positive,
  d_kv: positive,
  d_ff: positive,
  num_heads: positive,
  num_layers: positive,
  num_decoder_layers: positive.nullish(),
  relative_attention_num_buckets: positive.default(32),
  relative_attention_max_distance: positive.default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  dropout_rate: z.number().min(0).lt(1).default(0.1),
  feed_forward_proj: z.string().optional(),
  tie_word_embeddings: z.boolean().optional(),
  scale_decoder_outputs: z.boolean().optional(),
  pad_token_id: tokenId.nullish(),
  // A list names the tokens that end a text; T5 has one.
  eos_token_id: z.union([tokenId, z.tuple([tokenId], tokenId).transform(([first]) => first)]).nullish(),
  decoder_start_token_id: tokenId.nullish(),
});
const identitySchema = z.object({
  model_type: z.string().optional(),
  architectures: z.array(z.string()).nullish(),
});

/** Model types with exactly this computation. mT5 is v1.1 with another vocabulary. */
const SUPPORTED_TYPES = ['t5', 'mt5'];

/**
 * Checks a parsed `config.json`. `file` is for messages.
 * Whether the logits are scaled comes from the configuration as written, never from the tensors: v1.0 scales, v1.1 does not, and
 * Hugging Face decides the same way. Transformers up to 4 scale where `tie_word_embeddings` (absent means tied: the default of
 * T5); transformers 5 write that as true for every T5, and the scaling as `scale_decoder_outputs`; mT5 is never scaled.
 * Throws `architecture-unsupported` naming the architecture, or `config-invalid` naming the property.
 */
export function parseT5Config(json: unknown, file: string): T5Config {
  const modelType = checkArchitecture(json, file);
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DeltaloomError(
      'config-invalid',
      `The T5 configuration is not usable: ${issue?.message ?? ''}.`,
      {
        place: { file, at: issue?.path.map(String).join('.') ?? '' },
        remedy: 'Take the config.json that belongs to these weights.',
      },
    );
  }
  const config = parsed.data;
  const isMt5 = modelType === 'mt5';
  return {
    vocabularySize: config.vocab_size,
    modelSize: config.d_model,
    headSize: config.d_kv,
    feedForwardSize: config.d_ff,
    heads: config.num_heads,
    encoderBlocks: config.num_layers,
    decoderBlocks: config.num_decoder_layers ?? config.num_layers,
    relativeBuckets: config.relative_attention_num_buckets,
    relativeMaxDistance: config.relative_attention_max_distance,
    layerNormEpsilon: config.layer_norm_epsilon,
    dropoutRate: config.dropout_rate,
    feedForward: checkFeedForward(config.feed_forward_proj ?? (isMt5 ? 'gated-gelu' : 'relu'), file),
    scalesLogits: !isMt5 && (config.scale_decoder_outputs ?? config.tie_word_embeddings ?? true),
    padId: config.pad_token_id ?? 0,
    eosId: config.eos_token_id ?? 1,
    decoderStartId: config.decoder_start_token_id ?? 0,
  };
}

/** Reads and checks a `config.json`. */
export async function readT5Config(file: string): Promise<T5Config> {
  return parseT5Config(await readJsonFile(file), file);
}

function checkArchitecture(json: unknown, file: string): string {
  const identity = identitySchema.safeParse(json);
  const modelType = identity.data?.model_type;
  const architecture = identity.data?.architectures?.[0];
  if (modelType === undefined && architecture === undefined) {
    throw new DeltaloomError(
      'config-invalid',
      'The file names neither model_type nor architectures: it does not describe a Hugging Face model.',
      { place: { file }, remedy: 'Choose the folder of a T5, with its config.json.' },
    );
  }
  const isT5 =
    modelType === undefined ? /^M?T5/.test(architecture ?? '') : SUPPORTED_TYPES.includes(modelType);
  const isEncoderOnly = architecture !== undefined && /Encoder/.test(architecture);
  if (!isT5 || isEncoderOnly) {
    const named = [architecture, modelType && `model_type '${modelType}'`].filter(Boolean).join(', ');
    throw new DeltaloomError('architecture-unsupported', `This is not a T5 encoder-decoder but ${named}.`, {
      place: { file },
      remedy: 'Choose a T5: v1.0, v1.1, LM-adapted or Flan.',
    });
  }
  return modelType ?? 't5';
}

function checkFeedForward(name: string, file: string): 'relu' | 'gated-gelu' {
  if (name === 'relu' || name === 'gated-gelu') return name;
  throw new DeltaloomError('architecture-unsupported', `The feed-forward type '${name}' is not supported.`, {
    place: { file, at: 'feed_forward_proj' },
    remedy: 'T5 with relu (v1.0) or gated-gelu (v1.1, Flan) can be used.',
  });
}
