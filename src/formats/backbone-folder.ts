import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import { sizeOfShape } from '../core/tensor.js';
import { sha256File, systemErrorCode, writeFileAtomically } from './atomic-file.js';
import { encodeFromFloat32 } from './element-types.js';
import { encodeSafetensorsHeader, readSafetensorsHeader } from './safetensors.js';
import { isMappableFloat32, readStoredTensor, type StoredTensor } from './stored-tensor.js';
import { readT5Config, type T5Config } from './t5-config.js';
import { checkT5Weights } from './t5-weights.js';
import { openTokenizer, type Tokenizer } from './tokenizer.js';
import { listWeights } from './weight-files.js';

const FIRST_SENTINEL = '<extra_id_0>';

/** A T5 in a Hugging Face folder, checked but not loaded. */
export interface BackboneFolder {
  /** Absolute. */
  readonly directory: string;
  /** The folder's own name. */
  readonly name: string;
  readonly config: T5Config;
  readonly tokenizer: Tokenizer;
  /**
   * By canonical name (Hugging Face's, as `shared.weight`, `encoder.block.0.layer.0.SelfAttention.q.weight`), in a fixed
   * order. `lm_head.weight` is there exactly where `isTied` is false.
   */
  readonly weights: ReadonlyMap<string, StoredTensor>;
  /** The logits are computed with `shared.weight`. */
  readonly isTied: boolean;
  /** Every weight is float32, so its bytes can be mapped as they lie. */
  readonly isFloat32: boolean;
  readonly parameters: number;
  /** Config, weights and tokenizer: all that determines what the model computes. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

export interface OpenBackboneOptions {
  /** Where the tokenizer is; the folder itself unless told. */
  readonly tokenizerDirectory?: string;
}

/**
 * Opens a Hugging Face folder of a T5: `config.json`, weights, tokenizer. Reads headers only.
 * Tying is decided from the tensors present: a missing `lm_head.weight`, or one equal to `shared.weight` where config.json
 * ties them, means tied.
 * Throws DeltaloomErrors that name what is missing, unexpected or mis-shaped.
 */
export async function openBackboneFolder(
  directory: string,
  options: OpenBackboneOptions = {},
): Promise<BackboneFolder> {
  const absolute = resolve(directory);
  const configFile = await findConfig(absolute);
  const config = await readT5Config(configFile);
  const { tensors, files } = await listWeights(absolute);
  const weights = checkT5Weights(tensors, config, files[0] ?? absolute);
  const tokenizer = await openTokenizer(options.tokenizerDirectory ?? absolute);
  checkVocabulary(tokenizer, config, configFile);
  checkSentinel(tokenizer);
  const { isTied, warnings } = await decideTying(weights, config, configFile);
  const stored = [...weights.values()];
  return {
    directory: absolute,
    name: basename(absolute),
    config,
    tokenizer,
    weights,
    isTied,
    isFloat32: stored.every(isMappableFloat32),
    parameters: stored.reduce((sum, { shape }) => sum + sizeOfShape(shape), 0),
    files: [configFile, ...files, ...tokenizer.files],
    warnings,
  };
}

/**
 * SHA-256 over config, weights and tokenizer; the folder's place and the order of its files do not matter. `hash` may remember
 * the SHA-256 of files it has seen.
 */
export async function fingerprintBackbone(
  folder: BackboneFolder,
  hash: (file: string) => Promise<string> = sha256File,
): Promise<string> {
  return fingerprintFiles(folder.files, hash);
}

async function fingerprintFiles(
  files: readonly string[],
  hash: (file: string) => Promise<string> = sha256File,
): Promise<string> {
  const parts: string[] = [];
  for (const file of files) parts.push(`${basename(file)} ${await hash(file)}\n`);
  return createHash('sha256').update(parts.sort().join('')).digest('hex');
}

/**
 * The same backbone with weights that can be mapped as float32. A float32 folder is returned as it is; otherwise its weights
 * are converted once into a safetensors file in `cacheDirectory`, named after their content, and written atomically: two
 * processes may do it at the same time.
 */
export async function materialiseFloat32(
  folder: BackboneFolder,
  cacheDirectory: string,
): Promise<BackboneFolder> {
  if (folder.isFloat32) return folder;
  const weightFiles = [...new Set([...folder.weights.values()].map(({ file }) => file))];
  const key = await fingerprintFiles(weightFiles);
  const file = join(resolve(cacheDirectory), `float32-${key.slice(0, 32)}.safetensors`);
  const weights = (await readCached(file, folder)) ?? (await convert(file, folder));
  return { ...folder, weights, isFloat32: true };
}

async function readCached(
  file: string,
  folder: BackboneFolder,
): Promise<Map<string, StoredTensor> | undefined> {
  let cached: ReadonlyMap<string, StoredTensor>;
  try {
    cached = (await readSafetensorsHeader(file)).tensors;
  } catch (error) {
    // Absent or damaged: a cache is made anew, never trusted and never fatal.
    if (error instanceof DeltaloomError) return undefined;
    throw error;
  }
  const weights = new Map<string, StoredTensor>();
  for (const [name, { shape }] of folder.weights) {
    const stored = cached.get(name);
    if (stored?.dtype !== 'F32' || stored.shape.join() !== shape.join()) return undefined;
    weights.set(name, stored);
  }
  return weights;
}

/** One tensor at a time is in memory. */
async function convert(file: string, folder: BackboneFolder): Promise<Map<string, StoredTensor>> {
  const header = encodeSafetensorsHeader(
    [...folder.weights].map(([name, { shape }]) => ({ name, dtype: 'F32', shape })),
  );
  await writeFileAtomically(file, async (handle) => {
    await handle.writeFile(header);
    for (const stored of folder.weights.values()) {
      await handle.writeFile(encodeFromFloat32('F32', await readStoredTensor(stored)));
    }
  });
  const written = await readCached(file, folder);
  if (written === undefined) {
    throw new DeltaloomError('cache-changed', 'The converted weights changed while they were written.', {
      place: { file },
      remedy: 'Run the command again.',
    });
  }
  return written;
}

async function findConfig(directory: string): Promise<string> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    const isFile =
      systemErrorCode(error) === 'ENOTDIR' && (await stat(directory).catch(() => null))?.isFile();
    throw new DeltaloomError(
      'backbone-missing',
      isFile === true
        ? 'The backbone is a file, not a folder.'
        : 'The folder does not exist or cannot be read.',
      {
        place: { file: directory },
        remedy: 'Name the folder of a T5 in the Hugging Face layout.',
        cause: error,
      },
    );
  }
  if (!names.includes('config.json')) {
    throw new DeltaloomError(
      'backbone-not-a-model',
      names.length === 0 ? 'The folder is empty.' : 'The folder has no config.json.',
      { place: { file: directory }, remedy: 'Name the folder of a T5 in the Hugging Face layout.' },
    );
  }
  return join(directory, 'config.json');
}

function checkVocabulary(tokenizer: Tokenizer, config: T5Config, configFile: string): void {
  if (tokenizer.vocabularySize <= config.vocabularySize) return;
  throw new DeltaloomError(
    'vocabulary-mismatch',
    `The tokenizer has ${tokenizer.vocabularySize} tokens, and the model knows ${config.vocabularySize}.`,
    {
      place: { file: configFile, at: 'vocab_size' },
      remedy: 'Take the tokenizer that belongs to these weights.',
    },
  );
}

/**
 * Answers are taught and read after the first sentinel, which decoding leaves out. mT5's own tokenizer has it as an ordinary
 * piece: every answer would be read with it and counted wrong.
 */
function checkSentinel(tokenizer: Tokenizer): void {
  const ids = tokenizer.encode(FIRST_SENTINEL);
  if (ids.length === 1 && tokenizer.decode(ids) === '') return;
  throw new DeltaloomError(
    'tokenizer-unsupported',
    `The tokenizer does not know ${FIRST_SENTINEL} as a special token, after which T5 answers.`,
    {
      place: { file: tokenizer.files[0] ?? '' },
      remedy: 'Take the tokenizer of a T5 with its sentinels; that of mT5 has none.',
    },
  );
}

/** Removes `lm_head.weight` from `weights` where it is only a copy. */
async function decideTying(
  weights: Map<string, StoredTensor>,
  config: T5Config,
  configFile: string,
): Promise<{ isTied: boolean; warnings: string[] }> {
  const head = weights.get('lm_head.weight');
  const shared = weights.get('shared.weight');
  if (head === undefined || shared === undefined) {
    return {
      isTied: true,
      warnings: config.scalesLogits
        ? []
        : [
            `${configFile}: it describes a T5 of version 1.1, but there is no lm_head.weight: shared.weight is used.`,
          ],
    };
  }
  if (!config.scalesLogits) return { isTied: false, warnings: [] };
  if (await hasSameValues(head, shared)) {
    weights.delete('lm_head.weight');
    return { isTied: true, warnings: [] };
  }
  return {
    isTied: false,
    warnings: [
      `${configFile}: tie_word_embeddings is true or absent, but lm_head.weight differs from shared.weight and is used.`,
    ],
  };
}

async function hasSameValues(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  if (a.file === b.file && a.byteOffset === b.byteOffset && a.strides?.join() === b.strides?.join())
    return true;
  const [first, second] = await Promise.all([readStoredTensor(a), readStoredTensor(b)]);
  return first.every((value, i) => Object.is(value, second[i]));
}
