import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DeltaloomError } from '../src/core/errors.js';
import type { Granularity, ScoreMethod } from '../src/core/methods.js';
import { studySchema, type StudyConfiguration } from '../src/study/configuration.js';
import type { JobRequest } from '../src/study/jobs.js';
import { RECORD_FOLDERS } from '../src/study/history.js';
import { mergeChoices } from '../src/study/merge-choices.js';
import { DATA_FOLDER } from '../src/study/paths.js';
import { runRecordSchema, scoreMatrixSchema } from '../src/study/records.js';
import { argument, ConsoleJobs, flag, tellFailure } from './console-job.js';
import { SAMPLE, SampleRepository } from './sample-repository.js';

/**
 * Writes the sample study with its records as a small git repository of its own, the way such a study grows: sources tuned, scores by
 * three methods, a temperature changed, merges, results. The commit views have something to show there, and every record names
 * the commit it was computed at.
 *
 *   npx tsx scripts/sample-history.ts --out DIR             from the records that the sample carries
 *   npx tsx scripts/sample-history.ts --out DIR --compute   computes them there, stage by stage, and puts them into the sample
 *
 * The second is needed after every change of the sample's tasks, backbone or configuration: they are part of the commits
 * that the records name.
 */
const DELTA = 'adapter';
const CHECKPOINTS = join(DATA_FOLDER, 'checkpoints');
/** What the temperature of EL2N was before it was changed. */
const EARLIER_EL2N = 0.35;

interface Stage {
  readonly message: string;
  /** A file of the sample that changes with it. */
  readonly file?: string;
  readonly jobs: (configuration: StudyConfiguration) => readonly JobRequest[];
}

/** In the order of their commits. */
const STAGES = {
  sources: { message: 'Tune a delta on every source', jobs: (study) => [tune(study, 'source')] },
  loss: { message: 'Score by loss', jobs: () => [score(['loss'])] },
  el2n: { message: 'Score by EL2N', jobs: () => [score(['el2n'])] },
  grand: { message: 'Score by GraNd', jobs: () => [score(['grand'])] },
  temperature: {
    message: `Sharpen the temperature of EL2N (it was ${EARLIER_EL2N})`,
    file: 'deltaloom.json',
    jobs: () => [],
  },
  random: {
    message: 'Tune the targets from random initialisation',
    jobs: (study) => [tune(study, 'target')],
  },
  'other scores': {
    message: 'Score by the other methods',
    jobs: ({ scores }) => [score(scores.methods, scores.granularities)],
  },
  merges: {
    message: 'Merge for every target',
    jobs: (study) =>
      taskNames(study).flatMap((target) =>
        mergeChoices(study).map((by) => ({ kind: 'merge', target, deltaName: DELTA, by }) as const),
      ),
  },
  results: {
    message: 'Tune the targets from every initialisation',
    jobs: () => [{ kind: 'run', deltaNames: [DELTA] }],
  },
} satisfies Readonly<Record<string, Stage>>;
type StageName = keyof typeof STAGES;

async function main(): Promise<void> {
  const out = argument('out');
  if (out === undefined) throw new DeltaloomError('no-folder', 'Say where: --out DIR.');
  const directory = resolve(out);
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) {
    throw new DeltaloomError('folder-not-empty', `${directory} is not empty.`, {
      remedy: 'Name a folder that is new.',
    });
  }
  const repository = new SampleRepository(directory);
  await repository.begin();
  for (const part of ['tasks', 'backbone', join(DATA_FOLDER, '.gitignore')]) await repository.copy(part);
  await writeFile(join(directory, 'deltaloom.json'), await earlierConfiguration());
  await writeFile(join(directory, '.gitattributes'), '* -text\n');
  await repository.commit('Begin the study: sixteen tasks in four families');
  if (flag('compute')) {
    await compute(repository);
    await replaceRecords(directory);
  } else {
    await recreate(repository);
    // Git ignores them there, as in any study.
    await repository.copy(CHECKPOINTS);
  }
  console.log(`${repository.commits} commits in ${directory}`);
}

async function recreate(repository: SampleRepository): Promise<void> {
  const files: string[] = [];
  for (const folder of RECORD_FOLDERS) {
    for (const name of await readdir(join(SAMPLE, folder), { recursive: true })) {
      if (name.endsWith('.json')) files.push(join(folder, name));
    }
  }
  const records = await Promise.all(files.map((file) => readRecord(SAMPLE, file)));
  for (const [name, { message, file: changed }] of stages()) {
    if (changed !== undefined) await repository.copy(changed);
    const brought = records.filter(({ stage }) => stage === name);
    for (const { file } of brought) await repository.copy(file);
    await repository.commit(message, latest(brought));
  }
}

/** @throws DeltaloomError `unexpected-record` where `recreate` would bring a record with another commit */
async function compute(repository: SampleRepository): Promise<void> {
  const { directory } = repository;
  const study = studySchema.parse(JSON.parse(await readFile(join(SAMPLE, 'deltaloom.json'), 'utf8')));
  const jobs = new ConsoleJobs(Number(argument('threads') ?? 1));
  try {
    for (const [name, stage] of stages()) {
      if (stage.file !== undefined) await repository.copy(stage.file);
      for (const request of stage.jobs(study)) await jobs.run(directory, request);
      const files = (await repository.uncommitted()).filter((file) => file.startsWith(`${DATA_FOLDER}/`));
      const brought = await Promise.all(files.map((file) => readRecord(directory, file)));
      const strange = brought.find((record) => record.stage !== name);
      if (strange !== undefined) {
        throw new DeltaloomError('unexpected-record', `'${stage.message}' made ${strange.file}.`, {
          remedy: `stageOf says that '${strange.stage}' makes it: one of the two is wrong.`,
        });
      }
      await repository.commit(stage.message, latest(brought));
      console.log(`${stage.message}: ${files.length} records`);
    }
  } finally {
    await jobs.close();
  }
}

/** Puts what was computed where the sample keeps it: the records, and of the weights those of the sources. */
async function replaceRecords(directory: string): Promise<void> {
  for (const folder of [...RECORD_FOLDERS, CHECKPOINTS]) {
    await rm(join(SAMPLE, folder), { recursive: true, force: true });
  }
  for (const folder of RECORD_FOLDERS) {
    await cp(join(directory, folder), join(SAMPLE, folder), { recursive: true });
  }
  const runs = join(directory, DATA_FOLDER, 'runs');
  for (const name of await readdir(runs, { recursive: true })) {
    if (!name.endsWith('.json')) continue;
    const { role, checkpoint } = runRecordSchema.parse(JSON.parse(await readFile(join(runs, name), 'utf8')));
    if (role !== 'source' || checkpoint === null) continue;
    await cp(join(directory, checkpoint.path), join(SAMPLE, checkpoint.path));
  }
}

interface RecordFile {
  /** Relative to the study. */
  readonly file: string;
  readonly stage: StageName;
  /** When it was computed, in milliseconds. */
  readonly time: number;
}

async function readRecord(study: string, file: string): Promise<RecordFile> {
  const json: unknown = JSON.parse(await readFile(join(study, file), 'utf8'));
  return { file, stage: stageOf(file.split(/[\\/]/)[1] ?? '', json), time: timeOf(json) };
}

function stageOf(folder: string, json: unknown): StageName {
  if (folder === 'merges') return 'merges';
  if (folder === 'scores') {
    const { method, granularity } = scoreMatrixSchema.parse(json);
    const shown = (['loss', 'el2n', 'grand'] as const).find((id) => id === method && granularity === 'model');
    return shown ?? 'other scores';
  }
  const { kind, role, initialisation } = runRecordSchema.parse(json);
  if (role === 'source') return 'sources';
  if (role === 'step-k' || kind === 'evaluate') return 'other scores';
  return initialisation.kind === 'random' ? 'random' : 'results';
}

/** Runs and merges say when they were made; a matrix says it of each of its computations. */
function timeOf(json: unknown): number {
  const { provenance, provenances } = json as {
    readonly provenance?: { readonly time: string };
    readonly provenances?: readonly { readonly time: string }[];
  };
  return latest([provenance ?? [], provenances ?? []].flat().map(({ time }) => ({ time: Date.parse(time) })));
}

function latest(records: readonly { readonly time: number }[]): number {
  return Math.max(0, ...records.map(({ time }) => time));
}

function stages(): [StageName, Stage][] {
  return Object.entries(STAGES) as [StageName, Stage][];
}

function taskNames({ groups }: StudyConfiguration): string[] {
  return Object.values(groups).flat();
}

function tune(study: StudyConfiguration, role: 'source' | 'target'): JobRequest {
  return {
    kind: 'tune',
    tasks: taskNames(study),
    deltaName: DELTA,
    role,
    initialisation: { kind: 'random' },
    ...(role === 'target' ? { test: true } : {}),
  };
}

function score(
  methods: readonly ScoreMethod[],
  granularities: readonly Granularity[] = ['model'],
): JobRequest {
  return { kind: 'score', deltaName: DELTA, methods: [...methods], granularities: [...granularities] };
}

async function earlierConfiguration(): Promise<string> {
  const text = await readFile(join(SAMPLE, 'deltaloom.json'), 'utf8');
  const earlier = text.replace(/("el2n": )[\d.]+/, `$1${EARLIER_EL2N}`);
  if (earlier === text) throw new Error('deltaloom.json names no temperature of el2n.');
  return earlier;
}

await tellFailure(main);
