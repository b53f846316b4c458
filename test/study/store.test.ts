import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { simpleGit } from 'simple-git';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileNameOf, matrixPath } from '../../src/study/paths.js';
import { gitProvenance } from '../../src/study/provenance.js';
import { recordJson } from '../../src/study/record-json.js';
import { readSnapshot } from '../../src/study/snapshot.js';
import { StudyStore, recordId } from '../../src/study/store.js';
import { aRun } from './records-for-tests.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'deltaloom-store-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('records on disk', () => {
  it('come back as they were written, and a damaged one hides no other', async () => {
    const store = new StudyStore(directory);
    const run = aRun({ task: 'it\'s a "task"? 100%', id: 'adapter.0123abcd' });
    await store.writeRun(run);
    await mkdir(join(directory, '.deltaloom/runs/bad'), { recursive: true });
    await writeFile(join(directory, '.deltaloom/runs/bad/a.json'), '{ "format": ');
    await writeFile(
      join(directory, '.deltaloom/runs/bad/b.json'),
      '{ "format": "deltaloom/run", "version": 2 }',
    );
    await writeFile(join(directory, '.deltaloom/runs/bad/c.json'), '<<<<<<< ours\n');
    const { records, problems } = await store.readRuns();
    expect(records).toEqual([run]);
    expect(problems.map(({ file }) => file)).toEqual(
      ['a', 'b', 'c'].map((name) => `.deltaloom/runs/bad/${name}.json`),
    );
    expect(problems[2]?.remedy).toMatch(/conflict/);
    expect(await store.readRun(run.task, run.id)).toEqual(run);
  });

  it('are not written over one that nobody could read', async () => {
    const store = new StudyStore(directory);
    const run = aRun({});
    const file = join(directory, await store.writeRun(run));
    for (const [text, words] of [
      ['{ "format": "deltaloom/run", "version": 2 }', /newer version/],
      ['<<<<<<< ours\n', /conflict/],
    ] as const) {
      await writeFile(file, text);
      const refusal = { code: 'record-unreadable', remedy: expect.stringMatching(words) as string };
      await expect(store.checkRunReplaceable(run.task, run.id)).rejects.toMatchObject(refusal);
      await expect(store.writeRun(run)).rejects.toMatchObject(refusal);
      expect(await readFile(file, 'utf8')).toBe(text);
    }
    await rm(file);
    await store.writeRun(run);
    const matrix = join(directory, matrixPath('adapter', 'loss', 'model'));
    await mkdir(dirname(matrix), { recursive: true });
    await writeFile(matrix, '<<<<<<< ours\n');
    expect(await store.readMatrix('adapter', 'loss', 'model')).toBeNull();
    await expect(store.readMatrixToChange('adapter', 'loss', 'model')).rejects.toMatchObject({
      code: 'record-unreadable',
    });
    expect(await store.readRun(run.task, run.id)).toEqual(run);
  });

  it('leave weights and caches out of git', async () => {
    await new StudyStore(directory).writeRun(aRun({}));
    expect(await readFile(join(directory, '.deltaloom/.gitignore'), 'utf8')).toContain('checkpoints/\n');
  });

  it('sweeps up after killed writers', async () => {
    const store = new StudyStore(directory);
    await store.writeRun(aRun({}));
    const left = join(directory, '.deltaloom/runs/boolq/.x.json.123-0a1b2c3d.tmp');
    await writeFile(left, 'half');
    await store.sweepLeftovers();
    await expect(readFile(left)).rejects.toThrow('ENOENT');
    expect((await store.readRuns()).records).toHaveLength(1);
  });
});

describe('the snapshot', () => {
  it('of an empty folder says what is missing and has no record', async () => {
    const snapshot = await readSnapshot(directory);
    expect(snapshot.configuration).toBeNull();
    expect(snapshot.problems).toMatchObject([{ code: 'study-missing' }]);
    expect(snapshot.runs).toEqual([]);
  });

  it('lists tasks with metric and groups, and what does not fit them', async () => {
    for (const name of ['boolq', 'my task']) {
      await mkdir(join(directory, 'tasks', name), { recursive: true });
      for (const split of ['train', 'dev', 'test']) {
        await writeFile(join(directory, 'tasks', name, `${name}_16_42_${split}.tsv`), 'a\tb\n');
      }
    }
    await writeFile(
      join(directory, 'deltaloom.json'),
      `{ "version": 1, "backbone": "b", "tasks": "tasks",
        "groups": { "qa": ["boolq", "my tusk"] },
        "targets": { "shots": 64 } }`,
    );
    const { tasks, problems } = await readSnapshot(directory);
    expect(tasks.map(({ name, metric, groups }) => [name, metric, groups])).toEqual([
      ['boolq', 'ACC', ['qa']],
      ['my task', 'EM', []],
    ]);
    expect(tasks[0]?.data).toEqual([
      {
        shots: 16,
        seed: 42,
        files: {
          train: 'tasks/boolq/boolq_16_42_train.tsv',
          dev: 'tasks/boolq/boolq_16_42_dev.tsv',
          test: 'tasks/boolq/boolq_16_42_test.tsv',
        },
      },
    ]);
    expect(problems.map(({ code, line }) => [code, line])).toEqual([
      ['task-unknown', 2],
      ['group-of-one', 2],
      ['task-shots-missing', 3],
      ['task-shots-missing', 3],
    ]);
    expect(problems[0]?.remedy).toBe("Did you mean 'my task'?");
  });
});

describe('git provenance', () => {
  it('is empty outside a repository and in one without a commit', async () => {
    expect(await gitProvenance(directory)).toEqual({ commit: null, branch: null, dirty: false });
    await simpleGit(directory).raw(['init', '-b', 'main']);
    expect(await gitProvenance(directory)).toMatchObject({ commit: null, branch: 'main' });
  });

  it('does not call its own records dirt', async () => {
    const git = simpleGit(directory);
    await git.raw(['init', '-b', 'main']);
    await git.raw(['config', 'user.email', 'someone@example.org']);
    await git.raw(['config', 'user.name', 'Someone']);
    await writeFile(join(directory, 'notes.txt'), 'one');
    await git.raw(['add', '.']);
    await git.raw(['commit', '-m', 'Begin']);
    await new StudyStore(directory).writeRun(aRun({}));
    const clean = await gitProvenance(directory);
    expect(clean).toMatchObject({ branch: 'main', dirty: false });
    expect(clean.commit).toMatch(/^[0-9a-f]{40}$/);
    await writeFile(join(directory, 'notes.txt'), 'two');
    expect((await gitProvenance(directory)).dirty).toBe(true);
  });
});

it('names that some system refuses are escaped, others stay', () => {
  expect(fileNameOf('glue-sst2')).toBe('glue-sst2');
  expect(fileNameOf('a/b:c')).toBe('a%2Fb%3Ac');
  expect(fileNameOf('..')).toBe('%2E%2E');
  expect(fileNameOf('con')).toBe('%con');
  expect(recordId(['adapter', 'best source', 7], 'f'.repeat(64))).toBe('adapter.best-source.7.ffffffff');
});

it('record JSON is JSON, one property a line at the top and short things on one line', () => {
  const value = {
    a: [1, 2],
    b: { c: null, d: undefined, e: 'x' },
    f: Array.from({ length: 100 }, () => 0.123),
  };
  const text = recordJson(value);
  expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
  expect(text).toContain('  "a": [1, 2],\n  "b": { "c": null, "e": "x" },\n');
});
