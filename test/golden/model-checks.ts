import { join } from 'node:path';
import { evaluateMetric } from '../../src/core/metrics.js';
import type { DeltaTensors, Tensor } from '../../src/core/tensor.js';
import type { Engine } from '../../src/engine/contract.js';
import { readTensors } from '../../src/formats/safetensors.js';
import type { Batch, Model } from '../../src/study/compute/contract.js';
import { openBackbone, openModel, type OpenedBackbone } from '../../src/study/compute/index.js';
import { inputText } from '../../src/study/examples.js';
import { padBatch } from '../../src/study/compute/padding.js';
import {
  baseExpectedSchema,
  batchOf,
  devSplit,
  expectedSchema,
  GOLDEN_DELTA_TYPES,
  GOLDEN_MODELS,
  largestDifference,
  readGolden,
  settingsOf,
  tensorsDifference,
  tokenizedSchema,
  type Expected,
} from './golden-folder.js';
import type { Comparison } from './study-checks.js';

/** Tolerances of the golden folder's README. Gradients and optimizer states are relative to the tensor's largest value. */
const TOLERANCE = {
  loss: 1e-5,
  logits: 5e-5,
  hidden: 5e-5,
  gradient: 1e-4,
  norm: 1e-4,
  step: 2e-5,
  state: 3e-4,
} as const;

export interface ModelCheckOptions {
  /**
   * Multiplies the tolerances on devices whose arithmetic is not IEEE float32 throughout. There, tokens whose two best logits are
   * closer than 1e-3 may come out either way; elsewhere every id must agree.
   */
  readonly looseness?: number;
  readonly models?: readonly (typeof GOLDEN_MODELS)[number][];
  readonly deltas?: readonly (typeof GOLDEN_DELTA_TYPES)[number][];
  /** Told the part that is checked next, for example `modelA/lora gradients`. */
  readonly begun?: (part: string) => void;
}

type Add = (quantity: string, difference: number, tolerance: number) => void;

/** Forward passes, gradients, optimizer steps and generation, for both models and all deltas. */
export async function checkModels(
  folder: string,
  engine: Engine,
  {
    looseness = 1,
    models = GOLDEN_MODELS,
    deltas = GOLDEN_DELTA_TYPES,
    begun = () => undefined,
  }: ModelCheckOptions = {},
): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const name of models) {
    const backbone = await openBackbone(join(folder, name), {
      tokenizerDirectory: join(folder, 'tokenizer'),
    });
    const adder =
      (part: string): Add =>
      (quantity, difference, tolerance) =>
        comparisons.push({
          name: `${name}/${part}/${quantity}`,
          difference,
          tolerance: tolerance * looseness,
        });
    begun(`${name}/base`);
    await checkBase(folder, backbone, engine, adder('base'));
    for (const type of deltas) {
      const directory = join(folder, name, type);
      const expected = await readGolden(expectedSchema, directory, 'expected.json');
      const model = await openModel(backbone, settingsOf(type, expected), engine);
      const add = adder(type);
      const delta = await readTensors(join(directory, expected.initial_delta));
      const tensors = await readTensors(join(directory, 'expected.safetensors'));
      begun(`${name}/${type} forward`);
      await checkForward(model, delta, expected, tensors, add);
      begun(`${name}/${type} gradients`);
      await checkGradients(model, delta, expected, tensors, add);
      begun(`${name}/${type} training`);
      await checkTraining(directory, model, delta, expected, add);
      begun(`${name}/${type} generation`);
      await checkGeneration(folder, backbone, model, delta, expected, looseness > 1, add);
      await model.dispose();
    }
  }
  return comparisons;
}

async function checkBase(folder: string, backbone: OpenedBackbone, engine: Engine, add: Add): Promise<void> {
  const expected = await readGolden(baseExpectedSchema, backbone.directory, 'base_expected.json');
  const { tasks } = await readGolden(tokenizedSchema, folder, 'data', 'tokenized.json');
  const dev = tasks[expected.task]?.['dev'];
  const batch = padBatch(
    expected.rows.map((row) => ({
      row,
      input: Int32Array.from(dev?.input_ids[row] ?? []),
      // Row i is labelled with flattened answer i: the reference's evaluation does so.
      label: Int32Array.from(dev?.output_ids_flattened_over_all_answers[row] ?? []),
    })),
  );
  const model = await openModel(backbone, null, engine);
  const { loss, logits } = await model.logits(null, batch);
  add('loss', Math.abs(loss - expected.loss_reference), TOLERANCE.loss);
  const tensors = await readTensors(join(backbone.directory, 'base_expected.safetensors'));
  add('logits', logitsDifference(batch, logits, tensors.get('logits')), TOLERANCE.logits);
  const greedy = expected.greedy_ids_reference_class;
  const generated = await model.generate(null, batch, 16);
  add('generated ids', rowsThatDiffer(generated, greedy), 0);
  await model.dispose();
}

async function checkForward(
  model: Model,
  delta: DeltaTensors,
  expected: Expected,
  tensors: ReadonlyMap<string, Tensor>,
  add: Add,
): Promise<void> {
  const batch = batchOf(expected.dev_batch);
  const { loss, logits, encoderLastHiddenState } = await model.logits(delta, batch);
  add('loss', Math.abs(loss - expected.forward.loss), TOLERANCE.loss);
  add('logits', logitsDifference(batch, logits, tensors.get('forward.logits')), TOLERANCE.logits);
  const hidden = tensors.get('forward.encoder_last_hidden_state')?.data;
  const firstRow = encoderLastHiddenState.data.subarray(0, hidden?.length ?? 0);
  add('encoder last hidden state', largestDifference(firstRow, hidden), TOLERANCE.hidden);
}

async function checkGradients(
  model: Model,
  delta: DeltaTensors,
  expected: Expected,
  tensors: ReadonlyMap<string, Tensor>,
  add: Add,
): Promise<void> {
  const batch = batchOf(expected.dev_batch);
  const { per_tensor_norm: norms, global_norm: globalNorm, loss } = expected.gradient;
  const computed = await model.gradients(delta, batch);
  add('gradient loss', Math.abs(computed.loss - loss), TOLERANCE.loss);
  add(
    'gradients (relative)',
    tensorsDifference(computed.gradients, tensors, { relative: true, prefix: 'grad.' }),
    TOLERANCE.gradient,
  );
  const { squaredNorms } = await model.gradientNorms(delta, batch);
  let total = 0;
  let worst = 0;
  for (const [name, squared] of squaredNorms) {
    total += squared;
    const norm = norms[name] ?? Number.NaN;
    const difference = Math.abs(Math.sqrt(squared) - norm) / Math.max(norm, 1e-12);
    if (!(difference <= worst)) worst = difference;
  }
  add('gradient norms (relative)', worst, TOLERANCE.norm);
  add(
    'global gradient norm (relative)',
    Math.abs(Math.sqrt(total) - globalNorm) / globalNorm,
    TOLERANCE.norm,
  );
}

async function checkTraining(
  directory: string,
  model: Model,
  delta: DeltaTensors,
  { training: expected }: Expected,
  add: Add,
): Promise<void> {
  const training = await model.train(delta, {
    optimizer: { name: 'adafactor', clip: expected.max_grad_norm, weightDecay: 0 },
    dropout: 0,
    seed: 1,
  });
  let [lossDifference, normDifference] = [0, 0];
  for (const [index, batch] of expected.batches.entries()) {
    const { loss, gradientNorm } = await training.advance(batchOf(batch), expected.lr);
    const norm = expected.global_grad_norm_before_clip[index] ?? Number.NaN;
    lossDifference = Math.max(
      lossDifference,
      Math.abs(loss - (expected.losses_before_step[index] ?? Number.NaN)),
    );
    normDifference = Math.max(normDifference, Math.abs(gradientNorm - norm) / norm);
    const step = index + 1;
    if (step !== 1 && step !== 2 && step !== 5) continue;
    const after = await readTensors(join(directory, `delta_after_step_${step}.safetensors`));
    const state = await training.state();
    add(`delta after step ${step}`, tensorsDifference(state.delta, after), TOLERANCE.step);
    if (step === 2) continue;
    add(
      `optimizer state after step ${step} (relative)`,
      tensorsDifference(state.optimizer, after, { relative: true, prefix: 'optimizer.' }),
      TOLERANCE.state,
    );
  }
  training.dispose();
  add('training losses', lossDifference, TOLERANCE.loss);
  add('training gradient norms (relative)', normDifference, TOLERANCE.norm);
}

async function checkGeneration(
  folder: string,
  backbone: OpenedBackbone,
  model: Model,
  delta: DeltaTensors,
  expected: Expected,
  forgivesCloseCalls: boolean,
  add: Add,
): Promise<void> {
  const { batch_size: batchSize, max_length: maxLength } = expected.generation;
  const task = expected.target_task;
  const { max_input_length: maxInput } = await readGolden(tokenizedSchema, folder, 'data', 'tokenized.json');
  const { inputs, answers, metric } = await devSplit(folder, task);
  const encoded = inputs.map((text) => backbone.encode(inputText(task, text), maxInput));
  const runs = [
    { ...expected.generation, factor: 1, part: 'generation' },
    ...expected.generation_scaled_delta.map((run) => ({
      ...run,
      factor: run.every_delta_tensor_multiplied_by,
      part: `generation, delta x ${run.every_delta_tensor_multiplied_by}`,
    })),
  ];
  for (const run of runs) {
    const generated: Int32Array[] = [];
    for (let start = 0; start < encoded.length; start += batchSize) {
      const rows = encoded.slice(start, start + batchSize);
      const batch = padBatch(
        rows.map((input, i) => ({ row: start + i, input, label: Int32Array.of(backbone.config.eosId) })),
      );
      generated.push(...(await model.generate(scaled(delta, run.factor), batch, maxLength)));
    }
    const closeRows = run['steps_with_margin_below_1e-3_[row,step,margin]'].map(([row]) => row);
    const forgiven = new Set(forgivesCloseCalls ? closeRows : []);
    add(`${run.part}: ids`, rowsThatDiffer(generated, run.generated_ids.flat(), forgiven), 0);
    if (forgiven.size > 0) continue;
    const texts = generated.map((ids) => backbone.decode(ids).trim());
    add(`${run.part}: texts`, texts.filter((text, i) => text !== run.decoded_stripped[i]).length, 0);
    const value = evaluateMetric(metric, texts, answers);
    add(`${run.part}: ${metric}`, Math.abs(value - (run.metrics[metric] ?? Number.NaN)), 1e-12);
  }
}

function scaled(delta: DeltaTensors, factor: number): DeltaTensors {
  return new Map(
    [...delta].map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => x * factor) }]),
  );
}

/**
 * At label positions only. Beyond a row's label the reference's decoder hides the padding from itself, and here it does not:
 * nothing reads those logits.
 */
function logitsDifference(batch: Batch, computed: Tensor, expected: Tensor | undefined): number {
  if (expected?.shape.join() !== computed.shape.join()) return Number.NaN;
  const vocabulary = computed.shape[2] ?? 0;
  let largest = 0;
  batch.labels.forEach((label, position) => {
    if (label < 0) return;
    const range = [position * vocabulary, (position + 1) * vocabulary] as const;
    const difference = largestDifference(computed.data.subarray(...range), expected.data.subarray(...range));
    if (!(difference <= largest)) largest = difference;
  });
  return largest;
}

/** `expected` rows hold the start token, and end with eos and padding or at the maximal length. */
function rowsThatDiffer(
  generated: readonly Int32Array[],
  expected: readonly (readonly number[])[],
  forgiven: ReadonlySet<number> = new Set(),
): number {
  const different = generated.filter((ids, row) => {
    const reference = (expected[row] ?? []).slice(1);
    const end = reference.indexOf(1);
    return !forgiven.has(row) && [...ids].join() !== reference.slice(0, end < 0 ? undefined : end).join();
  });
  return different.length + Math.abs(generated.length - expected.length);
}
