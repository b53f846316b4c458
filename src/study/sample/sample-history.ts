import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RECORD_FOLDERS } from '../history.js';
import { DATA_FOLDER } from '../paths.js';
import { runRecordSchema, scoreMatrixSchema } from '../records.js';
import { SampleRepository } from './sample-repository.js';

/**
 * The history of the sample study, the way such a study grows: sources tuned, scores by three methods, a temperature changed,
 * merges, results. The commit views have something to show there, and every record names the commit it was computed at.
 */

/** Weights, which git ignores there as in any study. */
export const SAMPLE_CHECKPOINTS = join(DATA_FOLDER, 'checkpoints');
/** What the temperature of EL2N was before it was changed. */
const EARLIER_EL2N = 0.35;

interface SampleStage {
  readonly message: string;
  /** A file of the sample that changes with it. */
  readonly file?: string;
}

/** In the order of their commits. */
const STAGES = {
  sources: { message: 'Tune a delta on every source' },
  loss: { message: 'Score by loss' },
  el2n: { message: 'Score by EL2N' },
  grand: { message: 'Score by GraNd' },
  temperature: {
    message: `Sharpen the temperature of EL2N (it was ${EARLIER_EL2N})`,
    file: 'deltaloom.json',
  },
  random: { message: 'Tune the targets from random initialisation' },
  'other scores': { message: 'Score by the other methods' },
  merges: { message: 'Merge for every target' },
  results: { message: 'Tune the targets from every initialisation' },
} satisfies Readonly<Record<string, SampleStage>>;
export type SampleStageName = keyof typeof STAGES;

export function sampleStages(): [SampleStageName, SampleStage][] {
  return Object.entries(STAGES) as [SampleStageName, SampleStage][];
}

/**
 * Writes the sample study with its records as a git repository of its own, about two seconds of git's work.
 *
 * @param sample the folder that the product carries
 * @param directory an empty folder
 * @returns the number of commits
 */
export async function recreateSampleHistory(sample: string, directory: string): Promise<number> {
  const repository = await beginSampleHistory(sample, directory);
  const files: string[] = [];
  for (const folder of RECORD_FOLDERS) {
    for (const name of await readdir(join(sample, folder), { recursive: true })) {
      if (name.endsWith('.json')) files.push(join(folder, name));
    }
  }
  const records: SampleRecord[] = [];
  // One after the other: an editor may be doing other things beside it.
  for (const file of files) records.push(await readSampleRecord(sample, file));
  for (const [name, { message, file: changed }] of sampleStages()) {
    if (changed !== undefined) await repository.copy(changed);
    const brought = records.filter(({ stage }) => stage === name);
    for (const { file } of brought) await repository.copy(file);
    await repository.commit(message, latestTime(brought));
  }
  await repository.copy(SAMPLE_CHECKPOINTS);
  await repository.finish();
  return repository.commits;
}

/** The first commit: tasks, backbone and configuration, nothing computed. */
export async function beginSampleHistory(sample: string, directory: string): Promise<SampleRepository> {
  const repository = await SampleRepository.begin(sample, directory);
  for (const part of ['tasks', 'backbone', join(DATA_FOLDER, '.gitignore')]) await repository.copy(part);
  await writeFile(join(directory, 'deltaloom.json'), await earlierConfiguration(sample));
  await writeFile(join(directory, '.gitattributes'), '* -text\n');
  await repository.commit('Begin the study: sixteen tasks in four families');
  return repository;
}

export interface SampleRecord {
  /** Relative to the study. */
  readonly file: string;
  readonly stage: SampleStageName;
  /** When it was computed, in milliseconds. */
  readonly time: number;
}

export async function readSampleRecord(study: string, file: string): Promise<SampleRecord> {
  const json: unknown = JSON.parse(await readFile(join(study, file), 'utf8'));
  return { file, stage: stageOf(file.split(/[\\/]/)[1] ?? '', json), time: timeOf(json) };
}

/** 0 of none. */
export function latestTime(records: readonly { readonly time: number }[]): number {
  return Math.max(0, ...records.map(({ time }) => time));
}

function stageOf(folder: string, json: unknown): SampleStageName {
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
  return latestTime(
    [provenance ?? [], provenances ?? []].flat().map(({ time }) => ({ time: Date.parse(time) })),
  );
}

async function earlierConfiguration(sample: string): Promise<string> {
  const text = await readFile(join(sample, 'deltaloom.json'), 'utf8');
  const earlier = text.replace(/("el2n": )[\d.]+/, `$1${EARLIER_EL2N}`);
  if (earlier === text) throw new Error('deltaloom.json names no temperature of el2n.');
  return earlier;
}
