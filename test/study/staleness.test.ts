import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergeRecordPath, runRecordPath } from '../../src/study/paths.js';
import { planTune } from '../../src/study/plan-tune.js';
import { stepTune } from '../../src/study/planned-runs.js';
import type { MergeRecord, RunRecord } from '../../src/study/records.js';
import { readSnapshot } from '../../src/study/snapshot.js';
import { staleRecords } from '../../src/study/staleness.js';
import { studyStatus } from '../../src/study/status.js';
import { StudyFiles } from '../../src/study/study-files.js';
import {
  QUICK_SETTINGS,
  makeMerge,
  makeRecords,
  writeStudy,
  writeTinyBackbone,
} from '../extension/make-study.js';

const project = path.resolve(import.meta.dirname, '..', '..');
let study: string;

beforeEach(async () => {
  study = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-stale-'));
  await writeTinyBackbone(project, study);
  await writeStudy(study, makeRecords(), QUICK_SETTINGS);
});
afterEach(() => rm(study, { recursive: true, force: true }));

async function judge(): Promise<Record<string, string>> {
  const files = await StudyFiles.read(study);
  return Object.fromEntries(await staleRecords(files, await readSnapshot(study)));
}

/** What `deltaloom status` calls stale of the adapter, scores aside. */
async function staleByStatus(): Promise<string[]> {
  const { deltas } = await studyStatus(study);
  const pieces = deltas.find(({ deltaName }) => deltaName === 'adapter')?.pieces ?? [];
  return pieces
    .filter(({ kind }) => !kind.startsWith('cells'))
    .flatMap(({ details }) => details.filter(({ state }) => state === 'stale').map(({ reason }) => reason));
}

async function change(edit: (study: Record<string, unknown>) => Record<string, unknown>): Promise<void> {
  const file = path.join(study, 'deltaloom.json');
  await writeFile(
    file,
    JSON.stringify(edit(JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>)),
  );
}

const LORA = { [runRecordPath('movies', 'lora-source-old')]: "the settings of the delta 'lora' changed" };

describe('records of a study', () => {
  it('are fresh while nothing changed but the settings of one delta', async () => {
    expect(await judge()).toEqual(LORA);
    expect(await staleByStatus()).toEqual([]);
  });

  it('are stale when their data changed, and no others', async () => {
    await appendFile(path.join(study, 'tasks/movies/movies_64_42_train.tsv'), 'another\tgood\n');
    const stale = await judge();
    const paths = Object.keys(stale).filter((record) => !(record in LORA));
    expect(paths).toHaveLength(1);
    expect(paths[0]).toMatch(/runs\/movies\/.*source/);
    expect(stale[paths[0] ?? '']).toBe('the train data changed');
    expect(await staleByStatus()).toEqual(['the train data changed']);
  });

  it('are stale when the backbone changed', async () => {
    const config = path.join(study, 'backbone', 'config.json');
    await writeFile(config, `${await readFile(config, 'utf8')}\n`);
    const stale = await judge();
    const { runs } = await readSnapshot(study);
    const tuned = runs.filter(({ status }) => status === 'done');
    expect(Object.keys(stale).filter((record) => record.includes('/runs/'))).toHaveLength(tuned.length);
    expect(new Set(await staleByStatus())).toEqual(new Set(['the backbone changed']));
  });

  it('are stale when they are asked for with other settings, but not when they were never asked for', async () => {
    await change((configuration) => ({
      ...configuration,
      targets: { ...QUICK_SETTINGS.targets, tuning: { ...QUICK_SETTINGS.targets.tuning, steps: 50 } },
    }));
    const stale = await judge();
    const reasons = Object.entries(stale).filter(([record]) => !(record in LORA));
    // Seed 42 is not among the study's seeds, and runs from merges follow their merge.
    expect(reasons.map(([, reason]) => reason)).toEqual(Array(4).fill('the tuning settings changed'));
    expect(reasons.every(([record]) => record.includes('seed-13'))).toBe(true);
    expect(await staleByStatus()).toEqual(reasons.map(([, reason]) => reason));
  });

  it('are fresh when another number of shots is asked for: theirs is another experiment', async () => {
    await change((configuration) => ({
      ...configuration,
      targets: { ...QUICK_SETTINGS.targets, shots: 64 },
    }));
    expect(await judge()).toEqual(LORA);
    expect(await staleByStatus()).toEqual([]);
  });

  it('are stale when lengths changed, which no record names', async () => {
    await change((configuration) => ({ ...configuration, lengths: { input: 16, output: 8 } }));
    const stale = await judge();
    const random = Object.entries(stale).filter(([record]) => record.includes('seed-13.random'));
    expect(random).toHaveLength(4);
    expect(new Set(random.map(([, reason]) => reason))).toEqual(new Set(['its inputs changed']));
  });

  it('are stale when the delta has gone from deltaloom.json', async () => {
    await change((configuration) => ({ ...configuration, deltas: { lora: { type: 'lora', rank: 4 } } }));
    const reasons = new Set(Object.values(await judge()));
    expect(reasons).toContain("deltaloom.json has no delta 'adapter' any more");
  });

  it('make merges stale when a source is another one by now', async () => {
    const { runs } = await readSnapshot(study);
    const source = runs.find(
      ({ task, role, deltaName }) => task === 'hotels' && role === 'source' && deltaName === 'adapter',
    );
    const weights = runs.find(({ task }) => task === 'phones')?.checkpoint;
    if (source === undefined || weights == null) throw new Error('The study lacks its sources.');
    const retuned: RunRecord = { ...source, checkpoint: weights };
    await writeFile(path.join(study, runRecordPath(source.task, source.id)), JSON.stringify(retuned));
    const stale = await judge();
    const merges = Object.entries(stale).filter(([record]) => record.includes('/merges/'));
    // Every target but hotels itself was merged from it.
    expect(merges.map(([, reason]) => reason)).toEqual(
      Array(4).fill("the source 'hotels' was tuned anew since"),
    );
    expect(await staleByStatus()).toEqual(merges.map(([, reason]) => reason));
  });

  it('are fresh where a merge by performance is of sources after some steps, until the sources change', async () => {
    const files = await StudyFiles.read(study);
    const { runs } = await readSnapshot(study);
    const source = runs.find(({ task, deltaName }) => task === 'hotels' && deltaName === 'adapter');
    if (source?.checkpoint == null) throw new Error('The study lacks its source.');
    const { id: start, task, checkpoint } = source;
    const plan = await planTune(files, stepTune(files, { ...source, checkpoint }, 'movies'));
    const { id, key, inputs, request } = plan;
    const probe: RunRecord = {
      ...source,
      ...{ id, key, inputs, task: 'movies', role: 'step-k', dataSeed: plan.data.data.seed },
      ...{ seed: request.seed, shots: request.shots, tuning: request.tuning },
      initialisation: { kind: 'checkpoint', id: start, task, sha256: checkpoint.sha256 },
    };
    const merge: MergeRecord = {
      ...makeMerge('movies', [{ ...probe, task }], 'performance'),
      score: 'performance',
    };
    const mergePath = mergeRecordPath(merge.target, merge.id);
    await mkdir(path.join(study, path.dirname(mergePath)), { recursive: true });
    await writeFile(path.join(study, runRecordPath('movies', id)), JSON.stringify(probe));
    await writeFile(path.join(study, mergePath), JSON.stringify(merge));
    expect(await judge()).toEqual(LORA);

    const weights = runs.find(({ task: name }) => name === 'phones')?.checkpoint;
    const retuned: RunRecord = { ...source, checkpoint: weights ?? null };
    await writeFile(path.join(study, runRecordPath(task, start)), JSON.stringify(retuned));
    expect(await judge()).toMatchObject({
      [runRecordPath('movies', id)]: 'its initialisation changed',
      [mergePath]: "the source 'hotels' was tuned anew since",
    });
  });

  it('are not judged where their inputs can not be read', async () => {
    await rm(path.join(study, 'backbone'), { recursive: true });
    expect(Object.values(await judge()).filter((reason) => !reason.includes('no delta'))).toEqual([]);
  });
});
