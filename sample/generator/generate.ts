import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeTask } from './task-files.js';
import { SAMPLE_TASKS } from './tasks.js';
import { sampleTokenizer } from './tokenizer.js';

/** The seed of everything generated. */
export const GENERATOR_SEED = 2023;

/** Writes the tasks of the sample folder and the tokenizer of its backbone anew. */
export async function generateSample(sample: string, backbone: string): Promise<void> {
  const tasks = join(sample, 'tasks');
  await rm(tasks, { recursive: true, force: true });
  for (const task of SAMPLE_TASKS) await writeTask(tasks, task, GENERATOR_SEED);
  await mkdir(backbone, { recursive: true });
  await writeFile(join(backbone, 'tokenizer.json'), `${JSON.stringify(sampleTokenizer(), null, 1)}\n`);
  const settings = {
    tokenizer_class: 'T5Tokenizer',
    eos_token: '</s>',
    pad_token: '<pad>',
    unk_token: '<unk>',
  };
  await writeFile(join(backbone, 'tokenizer_config.json'), `${JSON.stringify(settings, null, 2)}\n`);
}
