import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { readPyTorchStateDict } from './pytorch-checkpoint.js';
import { readSafetensorsHeader } from './safetensors.js';
import type { StoredTensor } from './stored-tensor.js';
import { readJsonFile } from './text-file.js';

export interface WeightFiles {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The weight files and the index, if any; the first is the one to name in messages. */
  readonly files: readonly string[];
}

type ReadTensorList = (file: string) => Promise<ReadonlyMap<string, StoredTensor>>;

/** In the order of preference: what can be mapped and checked most simply comes first. */
const LAYOUTS: readonly { file: string; read: ReadTensorList }[] = [
  { file: 'model.safetensors', read: async (file) => (await readSafetensorsHeader(file)).tensors },
  { file: 'pytorch_model.bin', read: readPyTorchStateDict },
];
const OTHER_FRAMEWORKS = ['tf_model.h5', 'flax_model.msgpack', 'model.ckpt.index'];

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Lists the tensors of a Hugging Face folder: `model.safetensors`, or `pytorch_model.bin`, whole or sharded
 * (`*.index.json`). Only headers are read.
 * Throws `weights-absent` where there is none, `weights-index-invalid`, `weights-shard-missing`, and what the readers throw.
 */
export async function listWeights(directory: string): Promise<WeightFiles> {
  for (const { file, read } of LAYOUTS) {
    const whole = join(directory, file);
    if (await exists(whole)) return { tensors: await read(whole), files: [whole] };
    const index = join(directory, `${file}.index.json`);
    if (await exists(index)) return listShards(directory, index, read);
  }
  const others: string[] = [];
  for (const name of OTHER_FRAMEWORKS) if (await exists(join(directory, name))) others.push(name);
  throw new DeltaloomError(
    'weights-absent',
    others.length === 0
      ? `The folder has no weights: none of ${LAYOUTS.map(({ file }) => file).join(', ')}.`
      : `The folder has weights for another framework only: ${others.join(', ')}.`,
    {
      place: { file: directory },
      remedy: 'Save the model with save_pretrained(..., safe_serialization=True).',
    },
  );
}

async function listShards(directory: string, index: string, read: ReadTensorList): Promise<WeightFiles> {
  const parsed = indexSchema.safeParse(await readJsonFile(index));
  if (!parsed.success) {
    throw new DeltaloomError('weights-index-invalid', 'The index has no weight_map of names to files.', {
      place: { file: index },
      cause: parsed.error,
    });
  }
  const entries = Object.entries(parsed.data.weight_map);
  const shards = new Map<string, ReadonlyMap<string, StoredTensor>>();
  for (const shard of new Set(entries.map(([, file]) => file))) {
    // A path that leaves the folder would make us read, and name in messages, files that are not the model's.
    if (shard !== shard.replace(/[/\\]/g, '') || shard === '..' || shard === '.' || shard === '') {
      throw new DeltaloomError(
        'weights-index-invalid',
        `'${shard}' is not the name of a file in this folder.`,
        {
          place: { file: index },
        },
      );
    }
    const file = join(directory, shard);
    if (!(await exists(file))) {
      throw new DeltaloomError('weights-shard-missing', `The index names '${shard}', which is not there.`, {
        place: { file: index },
        remedy: 'Copy or download the missing part.',
      });
    }
    shards.set(shard, await read(file));
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shard] of entries) {
    const stored = shards.get(shard)?.get(name);
    if (stored === undefined) {
      throw new DeltaloomError(
        'weights-missing',
        `The index places a tensor in '${shard}', which lacks it.`,
        {
          place: { file: index, at: name },
          remedy: 'Copy or download the parts again.',
        },
      );
    }
    tensors.set(name, stored);
  }
  return { tensors, files: [index, ...[...shards.keys()].sort().map((shard) => join(directory, shard))] };
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
