import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '../../src/model/random.js';
import type { SampleTask, TaskExample } from './tasks.js';

/** Examples of every split, as the issue of the sample study asks. */
export const FULL_SEED = 42;
export const FULL_SIZES = { train: 3000, dev: 100, test: 500 } as const;
export const FEW_SHOTS = [16, 64] as const;
export const FEW_SHOT_SEEDS = [13, 21, 42, 87, 100] as const;
/** Dev examples of a few-shot sample. */
export const FEW_SHOT_DEV = 32;

/**
 * Writes one task as CrossFit files into `folder/NAME/`. Test and dev examples never occur in any train file of the task. Few-shot
 * samples have no test file of their own: the test split is that of the full data.
 */
export async function writeTask(folder: string, task: SampleTask, seed: number): Promise<void> {
  const random = new Random(seed, hashOf(task.name));
  const used = new Set<string>();
  const directory = join(folder, task.name);
  await mkdir(directory, { recursive: true });
  const write = async (sample: string, split: string, examples: readonly TaskExample[]): Promise<void> => {
    const text = examples.map(({ input, answer }) => `${input}\t${answer}\n`).join('');
    await writeFile(join(directory, `${task.name}_${sample}_${split}.tsv`), text);
  };
  for (const split of ['test', 'dev', 'train'] as const) {
    await write(`full_${FULL_SEED}`, split, sampleOf(task, random, FULL_SIZES[split], used));
  }
  for (const shots of FEW_SHOTS) {
    for (const sampleSeed of FEW_SHOT_SEEDS) {
      const sampleRandom = new Random(seed, hashOf(task.name), shots, sampleSeed);
      // Few-shot samples may repeat an example of the full training data or of one another, never of dev or test.
      const taken = new Set(used);
      for (const [split, size] of [['train', shots] as const, ['dev', FEW_SHOT_DEV] as const]) {
        await write(`${shots}_${sampleSeed}`, split, sampleOf(task, sampleRandom, size, taken));
      }
    }
  }
}

/** Different examples, none of them in `used`; they are added to it. Labels occur equally often, in random order. */
export function sampleOf(task: SampleTask, random: Random, size: number, used: Set<string>): TaskExample[] {
  const examples: TaskExample[] = [];
  for (let attempts = 0; examples.length < size; attempts++) {
    if (attempts > size * 200) throw new Error(`${task.name} has too few different examples.`);
    const label = task.labels?.[examples.length % 2] ?? '';
    const example = task.example(random, label);
    if (used.has(example.input)) continue;
    used.add(example.input);
    examples.push(example);
  }
  return random.shuffle(examples);
}

function hashOf(text: string): number {
  let hash = 2166136261;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 16777619);
  }
  return hash >>> 0;
}
