import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { FEW_SHOT_SEEDS } from '../sample/generator/task-files.js';
import { describeResults, resultsOf } from '../src/cli/results-text.js';
import { studySchema } from '../src/study/configuration.js';
import { studyReport } from '../src/study/report/report.js';
import { readSnapshot } from '../src/study/snapshot.js';
import { argument, ConsoleJobs, flag } from './console-job.js';

/**
 * The whole sample study from nothing: tunes the sources, scores by every method, merges, tunes the few-shot targets from every
 * initialisation, prints the results and writes the report.
 *
 *   npm run demo                    adapters, 16 shots, 3 seeds, all sources, two targets of every family: some ten minutes
 *   npm run demo -- --full          three deltas, 16 and 64 shots, 5 seeds, every task as a target: some hours
 *   npm run demo -- --out DIR       writes there (default: .cache/demo); what DIR has on record is not done again
 *   npm run demo -- --threads N     threads of the engine
 */
const SAMPLE = join(import.meta.dirname, '..', 'sample');
const SEEDS = { default: 3, full: 5 } as const;
const TARGETS_OF_A_FAMILY = 2;

async function main(): Promise<void> {
  const started = performance.now();
  const full = flag('full');
  const directory = resolve(argument('out') ?? join(SAMPLE, '..', '.cache', 'demo'));
  const threads = argument('threads');
  const jobs = new ConsoleJobs(threads === undefined ? undefined : Number(threads));
  try {
    await copyStudy(directory);
    for (const shots of full ? [16, 64] : [16]) {
      await configure(directory, shots, full);
      const { summary } = await jobs.run(directory, {
        kind: 'run',
        ...(full ? {} : { deltaNames: ['adapter'] }),
      });
      console.log(`${shots} shots: ${summary}`);
    }
  } finally {
    await jobs.close();
  }
  const snapshot = await readSnapshot(directory);
  for (const table of resultsOf(snapshot, 'test')) console.log(`\n${describeResults(table)}`);
  const report = join(directory, 'report.html');
  await writeFile(report, studyReport(snapshot));
  const seconds = (performance.now() - started) / 1000;
  console.log(`\n${(seconds / 60).toFixed(1)} minutes. Report: ${relative(process.cwd(), report)}`);
}

/** Configuration, tasks and backbone; the committed records stay behind, so that everything is computed here. */
async function copyStudy(directory: string): Promise<void> {
  if (directory === resolve(SAMPLE))
    throw new Error('Choose another folder: the sample holds its own records.');
  await mkdir(directory, { recursive: true });
  for (const part of ['tasks', 'backbone']) {
    await rm(join(directory, part), { recursive: true, force: true });
    await cp(join(SAMPLE, part), join(directory, part), { recursive: true });
  }
}

async function configure(directory: string, shots: number, full: boolean): Promise<void> {
  const study = studySchema.parse(JSON.parse(await readFile(join(SAMPLE, 'deltaloom.json'), 'utf8')));
  const tasks = Object.values(study.groups).flatMap((members) => members.slice(-TARGETS_OF_A_FAMILY));
  const targets = {
    ...study.targets,
    shots,
    seeds: FEW_SHOT_SEEDS.slice(0, full ? SEEDS.full : SEEDS.default),
    ...(full ? {} : { tasks }),
  };
  await writeFile(join(directory, 'deltaloom.json'), `${JSON.stringify({ ...study, targets }, null, 2)}\n`);
}

await main();
