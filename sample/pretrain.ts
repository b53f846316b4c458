import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { DeltaTensors, Tensor } from '../src/core/tensor.js';
import { openEngine } from '../src/engine/index.js';
import type { Engine } from '../src/engine/contract.js';
import { writeFileAtomically } from '../src/formats/atomic-file.js';
import { readTensors, writeSafetensors } from '../src/formats/safetensors.js';
import { readT5Config } from '../src/formats/t5-config.js';
import { encodeWithEos, openTokenizer, type Tokenizer } from '../src/formats/tokenizer.js';
import { Random } from '../src/model/random.js';
import type { Batch, TrainingState } from '../src/study/compute/contract.js';
import { openPretraining, type Pretraining } from '../src/study/compute/index.js';
import { padBatch, type LabelledRow } from '../src/study/compute/padding.js';
import { auxiliaryExample, AUXILIARY_KINDS } from './generator/auxiliary.js';
import { GENERATOR_SEED, generateSample } from './generator/generate.js';
import { pretrainingExample, taskPair, type TextPair } from './generator/pretraining-examples.js';

/**
 * Pretrains the backbone of the sample study with the project's own engine and writes it to `sample/backbone`. The examples follow
 * from the seed and the number of the step alone, so a run that was stopped goes on where its last state was kept.
 *
 *   npx tsx sample/pretrain.ts [--threads N] [--out DIR]
 */
const SETTINGS = {
  seed: 1,
  /**
   * Where looking up and comparing are in reach of a delta but not of 16 examples. Three times as many steps make a backbone that
   * solves the study's tasks from 16 examples alone, so that there is nothing left to transfer (sample/README.md).
   */
  steps: 1000,
  batchSize: 64,
  /** Times each parameter's RMS (Adafactor with `scale_parameter`). */
  learningRate: 1e-2,
  clip: 1,
  /** Batches that are drawn together and sorted by length, so that little is padding. */
  batchesPerPool: 16,
  /** The least share of auxiliary examples that the finished backbone must answer exactly. */
  auxiliaryGate: 0.7,
} as const;
const KEEP_STATE_EVERY = 100;
const LOG_EVERY = 50;
const LONGEST = 128;

/** T5 v1.1 in the small: gated GELU, a head of its own. */
export function backboneConfiguration(vocabularySize: number): Record<string, unknown> {
  return {
    architectures: ['T5ForConditionalGeneration'],
    model_type: 't5',
    d_model: 192,
    d_kv: 32,
    d_ff: 384,
    num_heads: 6,
    num_layers: 2,
    num_decoder_layers: 2,
    feed_forward_proj: 'gated-gelu',
    relative_attention_num_buckets: 32,
    relative_attention_max_distance: 128,
    layer_norm_epsilon: 1e-6,
    dropout_rate: 0,
    tie_word_embeddings: false,
    is_encoder_decoder: true,
    decoder_start_token_id: 0,
    pad_token_id: 0,
    eos_token_id: 1,
    vocab_size: vocabularySize,
  };
}

const progressSchema = z.object({
  settings: z.string(),
  step: z.int(),
  seconds: z.number(),
  curve: z.array(z.object({ step: z.int(), loss: z.number() })),
});
type Progress = z.infer<typeof progressSchema>;

async function main(): Promise<void> {
  const option = (name: string): string | undefined => {
    const at = process.argv.indexOf(name);
    return at < 0 ? undefined : process.argv[at + 1];
  };
  const sample = import.meta.dirname;
  const backbone = option('--out') ?? join(sample, 'backbone');
  await generateSample(sample, backbone);
  const tokenizer = await openTokenizer(backbone);
  const configuration = backboneConfiguration(tokenizer.vocabularySize);
  await writeFile(join(backbone, 'config.json'), `${JSON.stringify(configuration, null, 2)}\n`);
  const config = await readT5Config(join(backbone, 'config.json'));
  const engine = await openEngine({ device: 'cpu', threads: Number(option('--threads') ?? 1), log: report });
  const pretraining = openPretraining(config, engine);
  const kept = join(sample, '..', '.cache', 'pretraining');
  const { state, progress } = await train(pretraining, tokenizer, kept);
  const auxiliary = await auxiliaryExactMatch(pretraining, tokenizer, state);
  report(`Auxiliary tasks answered exactly: ${auxiliary.mean.toFixed(3)}`);
  await writeSafetensors(join(backbone, 'model.safetensors'), state.delta, { dtype: 'F16' });
  const record = await recordOf(engine, pretraining, progress, auxiliary);
  await writeFile(join(backbone, 'pretraining.json'), `${JSON.stringify(record, null, 2)}\n`);
  await pretraining.dispose();
  await engine.dispose();
  if (auxiliary.mean < SETTINGS.auxiliaryGate) {
    throw new Error(`The backbone answers too little of the auxiliary tasks (${auxiliary.mean}).`);
  }
  await rm(kept, { recursive: true, force: true });
}

/** Trains to the end, from the state kept in `folder` if it belongs to these settings. */
async function train(
  pretraining: Pretraining,
  tokenizer: Tokenizer,
  folder: string,
): Promise<{ state: TrainingState; progress: Progress }> {
  const settings = JSON.stringify({ ...SETTINGS, generator: GENERATOR_SEED });
  const resumed = await readState(folder, settings);
  const progress: Progress = resumed?.progress ?? { settings, step: 0, seconds: 0, curve: [] };
  const training = await pretraining.train(resumed?.state ?? initialParameters(pretraining), {
    optimizer: { name: 'adafactor', clip: SETTINGS.clip, weightDecay: 0, scaleParameter: true },
    dropout: 0,
    seed: SETTINGS.seed,
  });
  let sum = 0;
  let since = performance.now();
  for (let step = training.step + 1; step <= SETTINGS.steps; step++) {
    const { loss } = await training.advance(batchOf(tokenizer, step), SETTINGS.learningRate);
    sum += loss;
    if (step % LOG_EVERY === 0) {
      const now = performance.now();
      progress.step = step;
      progress.seconds += (now - since) / 1000;
      since = now;
      progress.curve.push({ step, loss: Number((sum / LOG_EVERY).toFixed(4)) });
      sum = 0;
      report(`step ${step}: loss ${progress.curve.at(-1)?.loss ?? NaN}, ${progress.seconds.toFixed(0)} s`);
    }
    if (step % KEEP_STATE_EVERY === 0) await keepState(folder, await training.state(), progress);
  }
  const state = await training.state();
  training.dispose();
  return { state, progress };
}

/** Deviation of the relative position biases of the heads that start by looking at positions. */
const POSITION_BIAS = 3;
/** Makes the logit of equal words about 6 at the start, that of different words about 0. */
const QUERY_SCALE = 0.18;

/**
 * The engine's random start, arranged so that a small model finds in hundreds of steps how to look words up and repeat them, instead of
 * in many thousands (a mimetic initialisation: Trockman and Kolter 2023). Queries start as scaled keys, so that equal words
 * attend to each other; outputs as transposed values, so that what is attended to is passed on; half of the heads with
 * strong preferences among relative positions; the head as the scaled embedding. Everything is trained from there.
 */
function initialParameters(pretraining: Pretraining): DeltaTensors {
  const parameters = new Map(pretraining.initialParameters(SETTINGS.seed));
  const tensor = (name: string): Tensor => {
    const found = parameters.get(name);
    if (found === undefined) throw new RangeError(`The backbone has no '${name}'.`);
    return found;
  };
  const scaled = ({ shape, data }: Tensor, factor: number): Tensor => ({
    shape,
    data: data.map((value) => value * factor),
  });
  for (const name of parameters.keys()) {
    if (name.endsWith('.q.weight')) {
      parameters.set(name, scaled(tensor(name.replace('.q.', '.k.')), QUERY_SCALE));
    } else if (name.endsWith('Attention.o.weight')) {
      parameters.set(name, transposed(tensor(name.replace('.o.', '.v.'))));
    } else if (name.endsWith('relative_attention_bias.weight')) {
      const { shape, data } = tensor(name);
      const [, heads = 1] = shape;
      const random = new Random(SETTINGS.seed, 0xb, name.length);
      const isPositional = (index: number): boolean => index % heads < heads / 2;
      const biases = data.map((value, index) =>
        isPositional(index) ? random.normal() * POSITION_BIAS : value,
      );
      parameters.set(name, { shape, data: biases });
    }
  }
  const embedding = tensor('shared.weight');
  return parameters.set('lm_head.weight', scaled(embedding, (embedding.shape[1] ?? 1) ** -0.5));
}

function transposed({ shape, data }: Tensor): Tensor {
  const [rows = 1, columns = 1] = shape;
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = data[row * columns + column] ?? 0;
    }
  }
  return { shape: [columns, rows], data: result };
}

let pool: { index: number; batches: Batch[] } | undefined;

/** The batch of this step, which counts from 1. */
function batchOf(tokenizer: Tokenizer, step: number): Batch {
  const { batchSize, batchesPerPool, seed } = SETTINGS;
  const index = Math.floor((step - 1) / batchesPerPool);
  if (pool?.index !== index) {
    const random = new Random(seed, index);
    const rows = Array.from({ length: batchSize * batchesPerPool }, (_, row) =>
      rowOf(tokenizer, pretrainingExample(random), row),
    );
    rows.sort((a, b) => a.input.length - b.input.length || a.label.length - b.label.length || a.row - b.row);
    const batches = Array.from({ length: batchesPerPool }, (_, batch) =>
      padBatch(rows.slice(batch * batchSize, (batch + 1) * batchSize)),
    );
    pool = { index, batches: random.shuffle(batches) };
  }
  const batch = pool.batches[(step - 1) % batchesPerPool];
  if (batch === undefined) throw new RangeError(`Step ${step} has no batch.`);
  return batch;
}

function rowOf(tokenizer: Tokenizer, { input, target }: TextPair, row: number): LabelledRow {
  return {
    row,
    input: encodeWithEos(tokenizer, input, LONGEST),
    label: encodeWithEos(tokenizer, target, LONGEST),
  };
}

/** Exact match of greedy answers on fresh examples of every auxiliary task. */
async function auxiliaryExactMatch(
  pretraining: Pretraining,
  tokenizer: Tokenizer,
  { delta }: TrainingState,
): Promise<{ mean: number; byKind: number[] }> {
  const examples = 50;
  const byKind: number[] = [];
  for (let kind = 0; kind < AUXILIARY_KINDS; kind++) {
    const random = new Random(SETTINGS.seed, 0xa, kind);
    const rows = Array.from({ length: examples }, (_, row) => {
      const { name, input, answer } = auxiliaryExample(random, kind);
      return rowOf(tokenizer, taskPair(name, input, answer), row);
    });
    const batch = padBatch(rows);
    const answers = await pretraining.generate(delta, batch, batch.targetLength + 1);
    const exact = answers.filter((ids, row) => withoutEnd(ids) === withoutEnd(rows[row]?.label ?? [])).length;
    byKind.push(exact / examples);
  }
  return { mean: byKind.reduce((sum, value) => sum + value, 0) / byKind.length, byKind };
}

function withoutEnd(ids: ArrayLike<number>): string {
  return Array.from(ids)
    .filter((id) => id > 1)
    .join(' ');
}

async function recordOf(
  engine: Engine,
  pretraining: Pretraining,
  progress: Progress,
  auxiliary: { mean: number; byKind: number[] },
): Promise<unknown> {
  const packageFile = await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8');
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(packageFile));
  const parameters = [...pretraining.parameterShapes.values()]
    .map((shape) => shape.reduce((product, size) => product * size, 1))
    .reduce((sum, size) => sum + size, 0);
  return {
    settings: { ...SETTINGS, generatorSeed: GENERATOR_SEED },
    parameters,
    device: engine.device.title,
    versions: { deltaloom: version, ...engine.versions },
    seconds: Math.round(progress.seconds),
    auxiliaryExactMatch: auxiliary,
    curve: progress.curve,
  };
}

async function keepState(folder: string, state: TrainingState, progress: Progress): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = (part: string): string => join(folder, `${part}-${state.step}.safetensors`);
  await writeSafetensors(name('parameters'), state.delta);
  await writeSafetensors(name('optimizer'), state.optimizer);
  await writeFileAtomically(
    join(folder, 'progress.json'),
    Buffer.from(JSON.stringify({ ...progress, step: state.step })),
  );
  for (const part of ['parameters', 'optimizer']) {
    await rm(join(folder, `${part}-${state.step - KEEP_STATE_EVERY}.safetensors`), { force: true });
  }
}

async function readState(
  folder: string,
  settings: string,
): Promise<{ state: TrainingState; progress: Progress } | undefined> {
  const text = await readFile(join(folder, 'progress.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const progress = progressSchema.parse(JSON.parse(text));
  if (progress.settings !== settings) return undefined;
  report(`Going on after step ${progress.step}.`);
  const { step } = progress;
  const delta = await readTensors(join(folder, `parameters-${step}.safetensors`));
  const optimizer = await readTensors(join(folder, `optimizer-${step}.safetensors`));
  return { state: { step, delta, optimizer }, progress };
}

function report(line: string): void {
  console.log(line);
}

await main();
