import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { FEW_SHOT_SEEDS } from '../sample/generator/task-files.js';
import { DeltaloomError } from '../src/core/errors.js';
import { describeResults, resultsOf } from '../src/cli/results-text.js';
import { studySchema, type StudyConfiguration } from '../src/study/configuration.js';
import type { JobRequest } from '../src/study/jobs.js';
import { studyReport } from '../src/study/report/report.js';
import { readJudgedSnapshot } from '../src/study/judged-snapshot.js';
import { readSnapshot } from '../src/study/snapshot.js';
import { StudyStore } from '../src/study/store.js';
import { argument, flag, tellFailure } from './console-job.js';

/**
 * The whole sample study from nothing: tunes the sources, scores by every method, merges, tunes the few-shot targets from every
 * initialisation, prints the results and writes the report. Every number of shots has a folder of its own, since scores
 * read the shots; two of them are computed side by side, and where there is only one, two processes share its sources.
 *
 *   npm run demo                    adapters, 16 shots, 3 seeds, all sources, five targets: less than ten minutes
 *   npm run demo -- --full          three deltas, 16 and 64 shots, 5 seeds, every task as a target: about two hours
 *   npm run demo -- --full --delta lora --shots 64      a part of it
 *   npm run demo -- --out DIR       writes there (default: .cache/demo); what DIR has on record is not done again
 *   npm run demo -- --threads N     threads of the engine for each number of shots, 1 if none are named
 */
const SAMPLE = join(import.meta.dirname, '..', 'sample');
/** At this size a second thread costs more in decoding than it gains in tuning (measured: 2.1 s a target with two, 1.5 s with one). */
const THREADS = 1;
/** Beside the first of every family: its family misleads it. More targets than these take more than ten minutes on two slow cores. */
const NEGATIVE_TARGET = 'who_has_fewer';
/** Tunes half of the sources where there is one study only, and is gone when they are tuned: no name that a person would give. */
const SECOND_WORKER = '.deltaloom-demo-second-worker';
/** No target is tuned there: any number that the sample has. */
const SOURCES_ONLY = 16;

interface StudyJob {
  readonly study: string;
  readonly request: JobRequest;
}

async function main(): Promise<void> {
  const started = performance.now();
  const full = flag('full');
  const out = resolve(argument('out') ?? join(SAMPLE, '..', '.cache', 'demo'));
  const chosen = argument('delta');
  const shots = argument('shots');
  const sample = studySchema.parse(JSON.parse(await readFile(join(SAMPLE, 'deltaloom.json'), 'utf8')));
  const deltaNames = chosen !== undefined ? [chosen] : full ? Object.keys(sample.deltas) : ['adapter'];
  const counts = shots !== undefined ? [Number(shots)] : full ? [16, 64] : [16];
  const studies = counts.map((count) => join(out, `${count}-shots`));
  const workers = studies.length > 1 ? studies : [...studies, join(out, SECOND_WORKER)];
  for (const [index, study] of workers.entries()) {
    await copyInputs(study);
    await configure(study, sample, counts[index] ?? SOURCES_ONLY, full);
  }
  await tuneSources(workers, Object.values(sample.groups).flat(), deltaNames);
  await rm(join(out, SECOND_WORKER), { recursive: true, force: true });
  await sideBySide(studies.map((study) => [{ study, request: { kind: 'run', deltaNames } }]));
  for (const study of studies) {
    const snapshot = await readJudgedSnapshot(study);
    for (const table of resultsOf(snapshot, 'test')) console.log(`\n${describeResults(table)}`);
    const report = join(study, 'report.html');
    await writeFile(report, studyReport(snapshot));
    console.log(`Report: ${relative(process.cwd(), report)}`);
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(`\n${(seconds / 60).toFixed(1)} minutes.`);
}

/** Sources are the same whatever the targets' shots: every study tunes some of them and gets the others'. */
async function tuneSources(
  studies: readonly string[],
  tasks: readonly string[],
  deltaNames: readonly string[],
): Promise<void> {
  const share = async (): Promise<void> => {
    for (const from of studies) {
      for (const to of studies) if (to !== from) await copySources(from, to);
    }
  };
  // What one of them has on record from an earlier time.
  await share();
  await sideBySide(
    studies.map((study, index) =>
      deltaNames.map((deltaName) => ({
        study,
        request: {
          kind: 'tune',
          tasks: tasks.filter((_, at) => at % studies.length === index),
          deltaName,
          role: 'source',
          initialisation: { kind: 'random' },
        },
      })),
    ),
  );
  await share();
}

/** Does the jobs of every list in a process of its own, the lists at the same time. */
async function sideBySide(lists: readonly (readonly StudyJob[])[]): Promise<void> {
  const threads = argument('threads') ?? String(THREADS);
  const started: ChildProcess[] = [];
  // Ctrl+C reaches the children too: they end between two steps, and are waited for.
  process.once('SIGINT', () => undefined);
  await Promise.all(
    lists.map(async (jobs) => {
      for (const { study, request } of jobs) {
        const words = ['--study', study, '--job', JSON.stringify(request), '--threads', threads];
        const child = fork(join(import.meta.dirname, 'study-job.ts'), words);
        started.push(child);
        const [code] = (await once(child, 'exit')) as [number | null];
        if (code === 0) continue;
        for (const other of started) other.kill('SIGINT');
        throw new DeltaloomError('demo-incomplete', `${relative(process.cwd(), study)} is not complete.`, {
          remedy: 'What it has on record is kept: the same command goes on from there.',
        });
      }
    }),
  );
}

/** Tasks and backbone; the committed records stay behind, so that everything is computed here. */
async function copyInputs(study: string): Promise<void> {
  await mkdir(study, { recursive: true });
  for (const part of ['tasks', 'backbone']) {
    await rm(join(study, part), { recursive: true, force: true });
    await cp(join(SAMPLE, part), join(study, part), { recursive: true });
  }
}

async function configure(
  study: string,
  sample: StudyConfiguration,
  shots: number,
  full: boolean,
): Promise<void> {
  const targets = { ...sample.targets, shots, seeds: [...FEW_SHOT_SEEDS] };
  if (!full) {
    targets.seeds = targets.seeds.slice(0, 3);
    const first = Object.values(sample.groups).flatMap((members) => members.slice(0, 1));
    targets.tasks = [...first, NEGATIVE_TARGET];
  }
  await writeFile(join(study, 'deltaloom.json'), `${JSON.stringify({ ...sample, targets }, null, 2)}\n`);
}

/** Sources are the same whatever the targets' shots: they need not be tuned twice. */
async function copySources(from: string, to: string): Promise<void> {
  const store = new StudyStore(to);
  const { runs } = await readSnapshot(from);
  for (const run of runs) {
    if (run.role !== 'source' || run.status !== 'done' || run.checkpoint === null) continue;
    await cp(join(from, run.checkpoint.path), join(to, run.checkpoint.path), { recursive: true });
    await store.writeRun(run);
  }
}

await tellFailure(main);
