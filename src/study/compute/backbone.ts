import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { FrozenTensor, FrozenTensors } from '../../engine/contract.js';
import {
  fingerprintBackbone,
  materialiseFloat32,
  openBackboneFolder,
  type BackboneFolder,
} from '../../formats/backbone-folder.js';
import type { T5Config } from '../../formats/t5-config.js';
import { encodeWithEos } from '../../formats/tokenizer.js';
import type { Backbone } from './contract.js';

export interface OpenBackboneOptions {
  /** Where float16 and bfloat16 weights are kept as float32; a folder of the user's cache unless told. */
  readonly cacheDirectory?: string;
  /** Where the tokenizer is; the backbone's folder unless told. */
  readonly tokenizerDirectory?: string;
}

/** A backbone with what the programs need of it. */
export interface OpenedBackbone extends Backbone {
  readonly config: T5Config;
  readonly tied: boolean;
  readonly frozen: FrozenTensors;
  readonly warnings: readonly string[];
}

/**
 * Opens the Hugging Face folder of a T5. Reads headers, not weights: the devices map those straight from the file. Weights that
 * are not float32 are converted once into `cacheDirectory`.
 * Throws DeltaloomErrors that name what is missing, unexpected or of another architecture.
 */
export async function openBackbone(
  directory: string,
  options: OpenBackboneOptions = {},
): Promise<OpenedBackbone> {
  const asFound = await openBackboneFolder(
    directory,
    options.tokenizerDirectory === undefined ? {} : { tokenizerDirectory: options.tokenizerDirectory },
  );
  const fingerprint = await fingerprintBackbone(asFound);
  const folder = await materialiseFloat32(
    asFound,
    options.cacheDirectory ?? join(homedir(), '.cache', 'deltaloom'),
  );
  const { config, tokenizer } = folder;
  return {
    directory: folder.directory,
    name: folder.name,
    fingerprint,
    config,
    tied: folder.isTied,
    frozen: frozenTensors(folder),
    warnings: folder.warnings,
    encoderBlocks: config.encoderBlocks,
    decoderBlocks: config.decoderBlocks,
    vocabularySize: config.vocabularySize,
    parameters: folder.parameters,
    encode: (text, maxLength) => encodeWithEos(tokenizer, text, maxLength),
    decode: (ids) => tokenizer.decode(ids),
    isThere: () => allExist(new Set([...folder.weights.values()].map(({ file }) => file))),
  };
}

async function allExist(files: Iterable<string>): Promise<boolean> {
  const found = await Promise.allSettled([...files].map((file) => access(file)));
  return found.every(({ status }) => status === 'fulfilled');
}

function frozenTensors(folder: BackboneFolder): Map<string, FrozenTensor> {
  return new Map(
    [...folder.weights].map(([name, { shape, file, byteOffset, byteLength }]) => [
      name,
      { name, shape, file, byteOffset, byteLength },
    ]),
  );
}
