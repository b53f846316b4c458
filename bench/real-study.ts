// A whole study on real tasks with a small random backbone, end to end through the command line, twice: the second run must
// do no work. Every method, every baseline.
//   npm run build && npx tsx bench/real-study.ts [--tasks 8] [--steps 30] [--examples 100] [--out FILE]
// Needs ../shared/tasks and ../shared/models/t5-tokenizer.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SCORE_METHODS } from '../src/core/methods.js';
import type { Tensor } from '../src/core/tensor.js';
import { writeSafetensors } from '../src/formats/safetensors.js';
import { parseT5Config } from '../src/formats/t5-config.js';
import { expectedT5Weights } from '../src/formats/t5-weights.js';
import { Random } from '../src/model/random.js';
import { runCli, type Ended } from '../test/support/killed-runs.js';

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '8' },
    steps: { type: 'string', default: '30' },
    examples: { type: 'string', default: '100' },
    out: { type: 'string' },
  },
});
const shared = fileURLToPath(new URL('../../shared/', import.meta.url));
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const TASKS = [
  'blimp-anaphor_gender_agreement',
  'blimp-ellipsis_n_bar_1',
  'blimp-ellipsis_n_bar_2',
  'crows_pairs',
  'codah',
  'commonsense_qa',
  'web_questions',
  'limit',
].slice(0, Number(values.tasks));
const CONFIG = {
  model_type: 't5',
  architectures: ['T5ForConditionalGeneration'],
  vocab_size: 32128,
  d_model: 32,
  d_kv: 8,
  d_ff: 64,
  num_heads: 4,
  num_layers: 2,
  feed_forward_proj: 'gated-gelu',
  tie_word_embeddings: false,
};

async function writeBackbone(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(CONFIG));
  await copyFile(join(shared, 'models/t5-tokenizer/spiece.model'), join(folder, 'spiece.model'));
  const random = new Random(1);
  const head = ['lm_head.weight', [CONFIG.vocab_size, CONFIG.d_model]] as const;
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of [...expectedT5Weights(parseT5Config(CONFIG, 'config.json')), head]) {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    const isNorm = name.includes('layer_norm');
    const data = Float32Array.from({ length: size }, () => (isNorm ? 1 : 0.2 * random.normal()));
    weights.set(name, { shape, data });
  }
  await writeSafetensors(join(folder, 'model.safetensors'), weights);
}

/** The first lines of the test files: the whole of them says no more about a random backbone. */
async function copyTasks(folder: string): Promise<void> {
  for (const task of TASKS) {
    await mkdir(join(folder, task), { recursive: true });
    const shots = existsSync(join(shared, 'tasks', task, `${task}_16_42_train.tsv`)) ? 16 : 32;
    for (const split of ['train', 'dev', 'test']) {
      const name = `${task}_${shots}_42_${split}.tsv`;
      const lines = (await readFile(join(shared, 'tasks', task, name), 'utf8')).split('\n');
      const kept = split === 'test' ? lines.slice(0, Number(values.examples)) : lines;
      await writeFile(join(folder, task, name), `${kept.join('\n').trimEnd()}\n`);
    }
  }
}

const study = await mkdtemp(join(tmpdir(), 'deltaloom-real-'));
try {
  await writeBackbone(join(study, 'backbone'));
  await copyTasks(join(study, 'tasks'));
  const steps = Number(values.steps);
  const tuning = { steps, validateEvery: steps, learningRates: [0.01], logEvery: 10 };
  const configuration = {
    version: 1,
    backbone: 'backbone',
    tasks: 'tasks',
    groups: { blimp: TASKS.slice(0, 3) },
    deltas: { adapter: { type: 'adapter' } },
    lengths: { input: 128, output: 12 },
    sources: { tuning },
    targets: { shots: 16, seeds: [42], tuning },
    scores: { methods: SCORE_METHODS, granularities: ['model', 'block'], steps: 10 },
  };
  await writeFile(join(study, 'deltaloom.json'), JSON.stringify(configuration));
  const check = await runCli(cli, ['check', '--study', study]);
  console.log(check.stdout.trim());
  const run = async (): Promise<Ended & { summary: string }> => {
    const ended = await runCli(cli, ['run', '--study', study, '--device', 'cpu', '--json']);
    if (ended.code !== 0) throw new Error(ended.stderr);
    const { summary } = JSON.parse(ended.stdout) as { summary: string };
    console.log(`${(ended.milliseconds / 1000).toFixed(1)} s: ${summary}`);
    return { ...ended, summary };
  };
  const [first, second] = [await run(), await run()];
  if (!second.summary.includes('no work was done')) throw new Error('the second run did work');
  const results = await runCli(cli, ['results', '--study', study]);
  console.log(results.stdout);
  if (values.out !== undefined) {
    const lines = [
      '# A real study, twice',
      '',
      `\`npx tsx bench/real-study.ts ${process.argv.slice(2).join(' ')}\` on ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}.`,
      `${TASKS.length} real tasks, a random T5 of 2+2 blocks with the published vocabulary, all ${SCORE_METHODS.length} methods and three baselines, ${steps} steps a tuning, ${values.examples} test examples a task. The numbers in the table say nothing about the methods: the backbone knows no language.`,
      '',
      `- first run: ${(first.milliseconds / 1000).toFixed(1)} s. ${first.summary}`,
      `- second run: ${(second.milliseconds / 1000).toFixed(1)} s. ${second.summary}`,
      '',
      '```',
      results.stdout.trim(),
      '```',
      '',
    ];
    await writeFile(values.out, lines.join('\n'));
  }
} finally {
  await rm(study, { recursive: true, force: true });
}
