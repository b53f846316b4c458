import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DeltaloomError } from '../src/core/errors.js';
import type { Granularity, ScoreMethod } from '../src/core/methods.js';
import { studySchema, type StudyConfiguration } from '../src/study/configuration.js';
import { RECORD_FOLDERS } from '../src/study/history.js';
import type { JobRequest } from '../src/study/jobs.js';
import { mergeChoices } from '../src/study/merge-choices.js';
import { DATA_FOLDER } from '../src/study/paths.js';
import { runRecordSchema } from '../src/study/records.js';
import {
  beginSampleHistory,
  latestTime,
  readSampleRecord,
  recreateSampleHistory,
  SAMPLE_CHECKPOINTS,
  sampleStages,
  type SampleStageName,
} from '../src/study/sample/sample-history.js';
import { argument, ConsoleJobs, flag, tellFailure } from './console-job.js';

/**
 * Writes the sample study with its records as a small git repository of its own.
 *
 *   npx tsx scripts/sample-history.ts --out DIR             from the records that the sample carries
 *   npx tsx scripts/sample-history.ts --out DIR --compute   computes them there, stage by stage, and puts them into the sample
 *
 * The second is needed after every change of the sample's tasks, backbone or configuration: they are part of the commits
 * that the records name.
 */
const SAMPLE = join(import.meta.dirname, '..', 'sample');
const DELTA = 'adapter';

const STAGE_JOBS: Readonly<Record<SampleStageName, (study: StudyConfiguration) => readonly JobRequest[]>> = {
  sources: (study) => [tune(study, 'source')],
  loss: () => [score(['loss'])],
  el2n: () => [score(['el2n'])],
  grand: () => [score(['grand'])],
  temperature: () => [],
  random: (study) => [tune(study, 'target')],
  'other scores': ({ scores }) => [score(scores.methods, scores.granularities)],
  merges: (study) =>
    taskNames(study).flatMap((target) =>
      mergeChoices(study).map((by) => ({ kind: 'merge', target, deltaName: DELTA, by }) as const),
    ),
  results: () => [{ kind: 'run', deltaNames: [DELTA] }],
};

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
  const commits = flag('compute') ? await compute(directory) : await recreateSampleHistory(SAMPLE, directory);
  console.log(`${commits} commits in ${directory}`);
}

/** @throws DeltaloomError `unexpected-record` where `recreateSampleHistory` would bring a record with another commit */
async function compute(directory: string): Promise<number> {
  const repository = await beginSampleHistory(SAMPLE, directory);
  const study = studySchema.parse(JSON.parse(await readFile(join(SAMPLE, 'deltaloom.json'), 'utf8')));
  const jobs = new ConsoleJobs(Number(argument('threads') ?? 1));
  try {
    for (const [name, stage] of sampleStages()) {
      if (stage.file !== undefined) await repository.copy(stage.file);
      for (const request of STAGE_JOBS[name](study)) await jobs.run(directory, request);
      const files = (await repository.uncommitted()).filter((file) => file.startsWith(`${DATA_FOLDER}/`));
      const brought = await Promise.all(files.map((file) => readSampleRecord(directory, file)));
      const strange = brought.find((record) => record.stage !== name);
      if (strange !== undefined) {
        throw new DeltaloomError('unexpected-record', `'${stage.message}' made ${strange.file}.`, {
          remedy: `It belongs to '${strange.stage}': that, or what is run for '${name}', is wrong.`,
        });
      }
      await repository.commit(stage.message, latestTime(brought));
      console.log(`${stage.message}: ${files.length} records`);
    }
  } finally {
    await jobs.close();
  }
  await repository.finish();
  await replaceRecords(directory);
  return repository.commits;
}

/** Puts what was computed where the sample keeps it: the records, and of the weights those of the sources. */
async function replaceRecords(directory: string): Promise<void> {
  for (const folder of [...RECORD_FOLDERS, SAMPLE_CHECKPOINTS]) {
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

await tellFailure(main);
