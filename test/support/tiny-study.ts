import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tensor } from '../../src/core/tensor.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { parseT5Config } from '../../src/formats/t5-config.js';
import { expectedT5Weights } from '../../src/formats/t5-weights.js';
import { Random } from '../../src/model/random.js';
import { encodeSpiece } from '../formats/spiece-fixture.js';

/** A real study of seconds: a random T5 of a few thousand parameters, a vocabulary of letters, and tasks of a few lines. */

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'.split('');
const CONFIG = {
  model_type: 't5',
  architectures: ['T5ForConditionalGeneration'],
  vocab_size: 140,
  d_model: 8,
  d_kv: 4,
  d_ff: 12,
  num_heads: 2,
  num_layers: 1,
  num_decoder_layers: 1,
  feed_forward_proj: 'gated-gelu',
  tie_word_embeddings: false,
  dropout_rate: 0.1,
};

export interface TinyStudyOptions {
  readonly tasks?: readonly string[];
  /** Properties of deltaloom.json that differ from the tiny defaults. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}

export const TINY_TUNING = {
  steps: 6,
  validateEvery: 2,
  logEvery: 2,
  learningRates: [0.02],
  batchSizes: [4],
  patience: 0,
};

export async function writeTinyStudy(
  directory: string,
  { tasks = ['copy', 'last letter', "it's"], configuration = {} }: TinyStudyOptions = {},
): Promise<void> {
  await writeTinyBackbone(join(directory, 'backbone'));
  for (const [index, task] of tasks.entries()) await writeTinyTask(join(directory, 'tasks'), task, index);
  const study = {
    version: 1,
    backbone: 'backbone',
    tasks: 'tasks',
    groups: { letters: tasks.slice(0, 2) },
    deltas: { adapter: { type: 'adapter', size: 2 } },
    lengths: { input: 24, output: 6 },
    sources: { tuning: TINY_TUNING },
    targets: { shots: 4, seeds: [7], tuning: TINY_TUNING },
    scores: { methods: ['loss', 'weight-cosine'] },
    ...configuration,
  };
  await writeFile(join(directory, 'deltaloom.json'), JSON.stringify(study, null, 2));
}

async function writeTinyBackbone(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(CONFIG));
  await writeFile(
    join(folder, 'spiece.model'),
    encodeSpiece({ pieces: ['\u2581', ...LETTERS, '[', ']', "'"] }),
  );
  const random = new Random(5);
  const weights = new Map<string, Tensor>();
  const head = ['lm_head.weight', [CONFIG.vocab_size, CONFIG.d_model]] as const;
  for (const [name, shape] of [...expectedT5Weights(parseT5Config(CONFIG, 'config.json')), head]) {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    const isNorm = name.includes('layer_norm');
    const data = Float32Array.from({ length: size }, () => (isNorm ? 1 : 0.4 * random.normal()));
    weights.set(name, { shape, data });
  }
  await writeSafetensors(join(folder, 'model.safetensors'), weights);
}

/** Every task repeats a letter of its input: the first, the second, ... */
export async function writeTinyTask(folder: string, task: string, index: number): Promise<void> {
  const random = new Random(11, index);
  await mkdir(join(folder, task), { recursive: true });
  for (const split of ['train', 'dev', 'test']) {
    const lines = Array.from({ length: split === 'train' ? 12 : 5 }, () => {
      const word = Array.from({ length: 4 }, () => LETTERS[random.below(4)] ?? 'a').join('');
      return `${word}\t${word[index % 4] ?? 'a'}`;
    });
    await writeFile(join(folder, task, `${task}_16_42_${split}.tsv`), `${lines.join('\n')}\n`);
  }
}

/**
 * Everything that a study has made, by path: bytes of checkpoints and predictions, records without what tells of the moment
 * at which they were made. Two studies made from the same inputs have the same fingerprint.
 */
export async function contentOfStudy(directory: string): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for (const folder of ['runs', 'scores', 'merges', 'checkpoints', 'predictions']) {
    const root = join(directory, '.deltaloom', folder);
    const names = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of names.filter((candidate) => candidate.isFile())) {
      const file = join(entry.parentPath, entry.name);
      const bytes = await readFile(file);
      const text = entry.name.endsWith('.json')
        ? withoutMoment(bytes.toString('utf8'))
        : bytes.toString('base64');
      content.set(file.slice(directory.length), text);
    }
  }
  return new Map([...content].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function withoutMoment(text: string): string {
  return JSON.stringify(JSON.parse(text), (name, value: unknown) =>
    name === 'time' || name === 'seconds' ? 0 : value,
  );
}

/** The inputs alone, for a second study of the same. */
export async function copyInputs(from: string, to: string): Promise<void> {
  for (const name of ['backbone', 'tasks', 'deltaloom.json']) {
    await cp(join(from, name), join(to, name), { recursive: true });
  }
}
