import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { DeltaSettings } from '../../src/core/delta-settings.js';
import { metricOfTask, type MetricName } from '../../src/core/metric-names.js';
import type { DeltaTensors, Tensor } from '../../src/core/tensor.js';
import { readCrossFitFile } from '../../src/formats/crossfit.js';
import { readJsonFile } from '../../src/formats/text-file.js';
import type { Batch } from '../../src/study/compute/contract.js';
import { padBatch } from '../../src/study/compute/padding.js';

/** What the checks read of a golden folder. Settings, tasks and lengths come from the folder, never from here. */

export const GOLDEN_MODELS = ['modelA', 'modelB'] as const;
export const GOLDEN_DELTA_TYPES = ['adapter', 'lora', 'prefix'] as const;

const ids = z.array(z.array(z.int()));
const batchSchema = z.object({ input_ids: ids, labels: ids });
const generationSchema = z.object({
  generated_ids: z.array(ids),
  decoded_stripped: z.array(z.string()),
  metrics: z.record(z.string(), z.number()),
  'steps_with_margin_below_1e-3_[row,step,margin]': z.array(z.tuple([z.number(), z.number(), z.number()])),
});
export const expectedSchema = z.object({
  args: z.object({
    learning_rate_list: z.array(z.number()).optional(),
    learning_rate: z.number(),
    max_grad_norm: z.number(),
    adapter_size: z.number(),
    lora_r: z.number().nullable(),
    lora_alpha: z.number().nullable(),
    prefix_num: z.number(),
    prefix_r: z.number(),
  }),
  dev_batch: batchSchema,
  forward: z.object({ loss: z.number() }),
  gradient: z.object({
    loss: z.number(),
    per_tensor_norm: z.record(z.string(), z.number()),
    global_norm: z.number(),
  }),
  training: z.object({
    batches: z.array(batchSchema),
    losses_before_step: z.array(z.number()),
    global_grad_norm_before_clip: z.array(z.number()),
    lr: z.number(),
    max_grad_norm: z.number(),
  }),
  generation: generationSchema.extend({ batch_size: z.int(), max_length: z.int() }),
  generation_scaled_delta: z.array(generationSchema.extend({ every_delta_tensor_multiplied_by: z.number() })),
  target_task: z.string(),
  initial_delta: z.string(),
});
export type Expected = z.infer<typeof expectedSchema>;

export const baseExpectedSchema = z.object({
  task: z.string(),
  rows: z.array(z.int()),
  loss_reference: z.number(),
  greedy_ids_reference_class: ids,
});

const splitSchema = z.object({
  input_ids: ids,
  output_ids_flattened_over_all_answers: ids,
  metadata: z.array(z.tuple([z.int(), z.int()])),
});
export const tokenizedSchema = z.object({
  max_input_length: z.int(),
  max_output_length: z.int(),
  tasks: z.record(z.string(), z.record(z.string(), splitSchema)),
});
export type TokenizedSplit = z.infer<typeof splitSchema>;

export async function readGolden<T>(schema: z.ZodType<T>, ...path: string[]): Promise<T> {
  return schema.parse(await readJsonFile(join(...path)));
}

/** The settings that the reference's arguments name. */
export function settingsOf(type: (typeof GOLDEN_DELTA_TYPES)[number], { args }: Expected): DeltaSettings {
  switch (type) {
    case 'adapter':
      return {
        type,
        size: args.adapter_size,
        nonlinearity: 'silu',
        placement: ['self-attention', 'cross-attention', 'feed-forward'],
      };
    case 'lora':
      return { type, rank: args.lora_r ?? 0, alpha: args.lora_alpha ?? 0, targetModules: ['q', 'v'] };
    case 'prefix':
      return { type, length: args.prefix_num, hiddenSize: args.prefix_r };
  }
}

export function batchOf({ input_ids, labels }: z.infer<typeof batchSchema>): Batch {
  return padBatch(
    input_ids.map((input, row) => ({
      row,
      input: Int32Array.from(input),
      label: Int32Array.from(labels[row] ?? []),
    })),
  );
}

/** The dev lines of a task, with its metric. */
export async function devSplit(
  folder: string,
  task: string,
): Promise<{ inputs: string[]; answers: (readonly string[])[]; metric: MetricName }> {
  const { examples } = await readCrossFitFile(splitFile(folder, task, 'dev'));
  return {
    inputs: examples.map(({ input }) => input),
    answers: examples.map(({ answers }) => answers),
    metric: metricOfTask(task) ?? 'EM',
  };
}

/** Whatever the number of shots and the seed in its name. */
export function splitFile(folder: string, task: string, split: string): string {
  const directory = join(folder, 'data', task);
  const found = readdirSync(directory).filter((name) => name.endsWith(`_${split}.tsv`));
  const [file] = found;
  if (file === undefined || found.length > 1) {
    throw new Error(`${directory} has ${found.length} ${split} files instead of one`);
  }
  return join(directory, file);
}

/** The largest absolute difference; not a number where the sizes differ. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number> | undefined): number {
  if (b?.length !== a.length) return Number.NaN;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] ?? 0) - (b[i] ?? 0));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

/** The largest difference over tensors; with `relative`, each in units of the expected tensor's largest value. */
export function tensorsDifference(
  computed: DeltaTensors,
  expected: ReadonlyMap<string, Tensor>,
  options: { readonly relative?: boolean; readonly prefix?: string } = {},
): number {
  let largest = 0;
  for (const [name, { data }] of computed) {
    const reference = expected.get(`${options.prefix ?? ''}${name}`)?.data;
    const scale = options.relative === true ? largestDifference(zeros(data.length), reference) : 1;
    const difference = largestDifference(data, reference) / (scale === 0 ? 1 : scale);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

function zeros(length: number): Float32Array {
  return new Float32Array(length);
}
