import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { matrixPath, mergeRecordPath, runRecordPath } from '../../src/study/paths.js';
import { readSnapshot, type StudySnapshot } from '../../src/study/snapshot.js';
import { staleRecords } from '../../src/study/staleness.js';
import { studyStatus } from '../../src/study/status.js';
import { StudyFiles } from '../../src/study/study-files.js';
import { gitIn, writeSampleStudy } from '../support/commands.js';

/** The records of the sample name commits of a repository that is made from them: each must be the one it was computed at. */
describe('the history of the sample study', () => {
  let folder: string;
  let study: string;
  let snapshot: StudySnapshot;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-history-'));
    study = path.join(folder, 'sample');
    writeSampleStudy(study);
    snapshot = await readSnapshot(study);
  }, 120_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is clean, and tells how the study grew', () => {
    expect(gitIn(study, 'status', '--porcelain')).toBe('');
    expect(gitIn(study, 'log', '--reverse', '--format=%s').split('\n')).toEqual([
      'Begin the study: sixteen tasks in four families',
      'Tune a delta on every source',
      'Score by loss',
      'Score by EL2N',
      'Score by GraNd',
      'Sharpen the temperature of EL2N (it was 0.35)',
      'Tune the targets from random initialisation',
      'Score by the other methods',
      'Merge for every target',
      'Tune the targets from every initialisation',
    ]);
  });

  it('has every record in the commit after the one that the record names', () => {
    const after = new Map(
      gitIn(study, 'log', '--format=%P %H', '--min-parents=1')
        .split('\n')
        .map((line) => line.split(' ') as [string, string]),
    );
    const added = new Map<string, string>();
    let commit = '';
    for (const line of gitIn(study, 'log', '--format=>%H', '--name-only', '--diff-filter=A').split('\n')) {
      if (line.startsWith('>')) commit = line.slice(1);
      else if (line !== '') added.set(line, commit);
    }
    const named = [
      ...snapshot.runs.map(({ task, id, provenance }) => ({
        file: runRecordPath(task, id),
        provenance,
      })),
      ...snapshot.merges.map(({ target, id, provenance }) => ({
        file: mergeRecordPath(target, id),
        provenance,
      })),
      ...snapshot.matrices.flatMap(({ deltaName, method, granularity, provenances }) =>
        provenances.map((provenance) => ({
          file: matrixPath(deltaName, method, granularity),
          provenance,
        })),
      ),
    ];
    expect(named.length).toBeGreaterThan(1800);
    const wrong = named.filter(
      ({ file, provenance: { commit: at, branch, dirty } }) =>
        branch !== 'main' || dirty || after.get(at ?? '') !== added.get(file),
    );
    expect(wrong).toEqual([]);
  });

  it('is of a study in which nothing is stale', async () => {
    expect(await staleRecords(await StudyFiles.read(study), snapshot)).toEqual(new Map());
    // Nor for the command line, though the weights of few-shot runs are not among the files.
    const [adapter] = (await studyStatus(study)).deltas;
    expect(
      adapter?.pieces.filter(({ counts: { done, ...others } }) => done === 0 || sum(others) > 0),
    ).toEqual([]);
    expect(snapshot.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  });
});

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
