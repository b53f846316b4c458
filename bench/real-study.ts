// A whole study on real tasks with the sample's backbone, end to end through the command line, twice: the second run must do no
// work. Every method, every baseline.
//   npm run build && npx tsx bench/real-study.ts [--tasks 8] [--steps 30] [--examples 100] [--threads N] [--study DIR] [--out FILE]
// Needs ../shared/tasks.
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SCORE_METHODS } from '../src/core/methods.js';
import { runCli, type Ended } from '../test/support/killed-runs.js';

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '8' },
    steps: { type: 'string', default: '30' },
    examples: { type: 'string', default: '100' },
    threads: { type: 'string', default: '0' },
    study: { type: 'string' },
    out: { type: 'string' },
  },
});
const shared = fileURLToPath(new URL('../../shared/tasks/', import.meta.url));
const backbone = fileURLToPath(new URL('../sample/backbone/', import.meta.url));
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const TASKS = [
  'blimp-anaphor_gender_agreement',
  'blimp-ellipsis_n_bar_1',
  'blimp-ellipsis_n_bar_2',
  'boolq',
  'crows_pairs',
  'commonsense_qa',
  'web_questions',
  'limit',
].slice(0, Number(values.tasks));

/** Every file of a task, of the test splits the first lines: they are long. */
async function copyTasks(folder: string): Promise<void> {
  for (const task of TASKS) {
    await mkdir(join(folder, task), { recursive: true });
    for (const name of await readdir(join(shared, task))) {
      const lines = (await readFile(join(shared, task, name), 'utf8')).split('\n');
      const kept = name.endsWith('_test.tsv') ? lines.slice(0, Number(values.examples)) : lines;
      await writeFile(join(folder, task, name), `${kept.join('\n').trimEnd()}\n`);
    }
  }
}

if (!existsSync(shared)) throw new Error(`There are no tasks in ${shared}.`);
const study = values.study ?? (await mkdtemp(join(tmpdir(), 'deltaloom-real-')));
try {
  await cp(backbone, join(study, 'backbone'), { recursive: true });
  await copyTasks(join(study, 'tasks'));
  const steps = Number(values.steps);
  const tuning = { validateEvery: 10_000, learningRates: [0.003], clip: 0, dropout: 0, logEvery: 10 };
  const configuration = {
    version: 1,
    backbone: 'backbone',
    tasks: 'tasks',
    groups: {
      blimp: TASKS.slice(0, 3),
      questions: TASKS.slice(3).filter((name) => /boolq|qa|quest/.test(name)),
    },
    deltas: { adapter: { type: 'adapter' } },
    lengths: { input: 128, output: 16 },
    sources: { shots: 64, tuning: { ...tuning, steps: 2 * steps } },
    targets: { shots: 16, seeds: [42], tuning: { ...tuning, steps } },
    scores: { methods: SCORE_METHODS, granularities: ['model', 'block'], steps: 10 },
  };
  await writeFile(join(study, 'deltaloom.json'), JSON.stringify(configuration, null, 2));
  const check = await runCli(cli, ['check', '--study', study]);
  console.log(check.stdout.trim());
  const device = ['--device', 'cpu', ...(values.threads === '0' ? [] : ['--threads', values.threads])];
  const run = async (): Promise<Ended & { summary: string }> => {
    const ended = await runCli(cli, ['run', '--study', study, ...device, '--json']);
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
      `\`npx tsx bench/real-study.ts --tasks ${values.tasks} --steps ${values.steps} --examples ${values.examples}\` on ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}.`,
      '',
      `${TASKS.length} real tasks of CrossFit, the sample's backbone (2.1 million parameters), adapters, sources on 64 examples, targets on 16, all ${SCORE_METHODS.length} methods and three baselines, ${2 * steps} steps a source, ${steps} a target, ${values.examples} test examples a task. \`deltaloom run\` in the folder, then the same again:`,
      '',
      `- first run: ${(first.milliseconds / 1000).toFixed(1)} s. ${first.summary}`,
      `- second run: ${(second.milliseconds / 1000).toFixed(1)} s. ${second.summary}`,
      '',
      'The accuracy is poor, as it must be: the backbone knows 600 words of its own world and reads everything else letter by letter, cut at 128 tokens. What the study shows is that real tasks (several answers, answers outside the vocabulary, long inputs, other metrics) go through the whole pipeline without special cases.',
      '',
      '```',
      results.stdout.trim(),
      '```',
      '',
    ];
    await writeFile(values.out, lines.join('\n'));
  }
} finally {
  if (values.study === undefined) await rm(study, { recursive: true, force: true });
}
