import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CheckedProblems } from '../../src/extension/problems/checked.js';
import type { Study } from '../../src/extension/services.js';
import type { IndexedStudy } from '../../src/extension/tree/nodes.js';
import { collectStudyIndex } from '../../src/extension/tree/study-index.js';
import type { StudyProblem } from '../../src/study/snapshot.js';
import { makeRecords, makeSnapshot, weightsOnDisk, type MadeStudy } from './make-study.js';

describe('what a check of a study found', () => {
  let directory: string;
  const checked = new CheckedProblems();

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-checked-'));
    await writeFile(path.join(directory, 'deltaloom.json'), '{}');
    await writeFile(path.join(directory, 'movies.tsv'), 'one line');
  });
  afterEach(() => rm(directory, { recursive: true }));

  function problem(file: string, place?: string): StudyProblem {
    const common = { severity: 'error', code: 'wrong', message: file, remedy: 'Mend it.', file } as const;
    return place === undefined ? common : { ...common, message: place, path: [place] };
  }

  function owner(records: MadeStudy = makeRecords(), weights = weightsOnDisk(records)): IndexedStudy {
    const snapshot = makeSnapshot(records, directory);
    const study = { directory, name: 'Two families', snapshot } as unknown as Study;
    return { study, index: collectStudyIndex(snapshot, weights) };
  }

  async function told(now = owner()): Promise<string[]> {
    return (await checked.current(now)).map(({ message }) => message);
  }

  it('stays while nothing changes, however often the study is read', async () => {
    expect(await told()).toEqual([]);
    await checked.remember(owner(), [problem('movies.tsv'), problem('gone.tsv')]);
    expect(await told()).toEqual(['movies.tsv', 'gone.tsv']);
    expect(await told()).toEqual(['movies.tsv', 'gone.tsv']);
    checked.forget(directory);
    expect(await told()).toEqual([]);
  });

  it('leaves with the file that it speaks of, once that changes or appears, and does not come back', async () => {
    await checked.remember(owner(), [problem('movies.tsv'), problem('gone.tsv'), problem('deltaloom.json')]);
    await writeFile(path.join(directory, 'movies.tsv'), 'a line that is mended');
    expect(await told()).toEqual(['gone.tsv', 'deltaloom.json']);
    await writeFile(path.join(directory, 'movies.tsv'), 'one line');
    await writeFile(path.join(directory, 'gone.tsv'), 'there again');
    expect(await told()).toEqual(['deltaloom.json']);
  });

  it('of the backbone leaves when something is put into its folder', async () => {
    await mkdir(path.join(directory, 'backbone'));
    await checked.remember(owner(), [
      problem('deltaloom.json', 'backbone'),
      problem('deltaloom.json', 'tasks'),
    ]);
    expect(await told()).toEqual(['backbone', 'tasks']);
    // Two hours later, as it were: a file system's own times may be too coarse for a test.
    const later = new Date(Date.now() + 7_200_000);
    await utimes(path.join(directory, 'backbone'), later, later);
    expect(await told()).toEqual(['tasks']);
  });

  it('leaves altogether where the study reads differently', async () => {
    const records = makeRecords();
    const different = [
      owner({ ...records, runs: records.runs.slice(1) }),
      owner({ ...records, tasks: records.tasks.slice(1) }),
      owner(records, new Set()),
    ];
    for (const other of different) {
      await checked.remember(owner(), [problem('movies.tsv')]);
      expect(await told(other)).toEqual([]);
      expect(await told()).toEqual([]);
    }
  });
});
