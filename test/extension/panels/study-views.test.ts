import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StudyViews } from '../../../src/extension/panels/study-views.js';
import type { Study } from '../../../src/extension/services.js';
import { mergeRecordPath } from '../../../src/study/paths.js';
import { readSnapshot } from '../../../src/study/snapshot.js';
import { beginRepository, commitAllIn, gitIn } from '../../support/commands.js';
import { exampleStudy, matrixFile, writeJson, writeStudy } from '../../support/example-study.js';

let folder: string;
const example = exampleStudy({ tasks: 4, methods: ['loss', 'el2n'] });
const [loss, el2n] = example.matrices.map(matrixFile);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-views-'));
  await writeStudy(folder, example);
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function git(...args: string[]): string {
  return gitIn(folder, ...args);
}

function begin(): string {
  beginRepository(folder);
  return commitAllIn(folder, 'Score');
}

async function study(): Promise<Study> {
  // The views read the directory and the snapshot; an address in VS Code they need not.
  const uri = null as unknown as Study['uri'];
  return { directory: folder, uri, name: 'Example', snapshot: await readSnapshot(folder), stale: new Map() };
}

async function recompute(seed: number): Promise<void> {
  const [, matrix] = exampleStudy({ tasks: 4, methods: ['loss', 'el2n'], seed }).matrices;
  await writeJson(folder, el2n ?? '', matrix);
}

function wanted(paths: string[], hashes: string[] = []) {
  return { paths, hashes, target: null };
}

describe('the history that a panel gets', () => {
  it('tells what changed among the files on screen from what changed elsewhere', async () => {
    const hash = begin();
    const views = new StudyViews(() => true);
    await recompute(3);
    const there = await views.history(await study(), wanted([el2n ?? '']));
    expect(there).toMatchObject({ uncommitted: 1, changedHere: true });
    expect(there.commits.map((commit) => commit.hash)).toEqual([hash]);
    expect(await views.history(await study(), wanted([loss ?? '']))).toMatchObject({
      uncommitted: 1,
      changedHere: false,
    });
    expect((await views.history(await study(), wanted(['.deltaloom/scores']))).changedHere).toBe(true);
  });

  it('names commits that did not change these files, and not those that this clone lacks', async () => {
    begin();
    await recompute(3);
    git('commit', '--all', '--quiet', '--message', 'Score by EL2N again');
    const views = new StudyViews(() => true);
    const history = await views.history(
      await study(),
      wanted([loss ?? ''], [git('rev-parse', 'HEAD'), 'f'.repeat(40)]),
    );
    expect(history.commits.map(({ subject }) => subject)).toEqual(['Score']);
    expect(history.named.map(({ subject }) => subject)).toEqual(['Score by EL2N again']);
  });

  it('lists merges of the target among the commits of its weights, and those of no other', async () => {
    const scored = begin();
    const names = ['compare_00', 'odd?name'] as const;
    const hashes: string[] = [];
    for (const target of names) {
      await writeJson(folder, mergeRecordPath(target, 'adapter.loss'), {});
      hashes.push(commitAllIn(folder, `Merge for ${target}`));
    }
    const views = new StudyViews(() => true);
    for (const [i, target] of names.entries()) {
      const { commits } = await views.history(await study(), { ...wanted([loss ?? '']), target });
      expect(commits.map(({ hash, here }) => [hash, here])).toEqual([
        [hashes[i], false],
        [scored, true],
      ]);
    }
  });

  it('says why there is none, and shows the working tree all the same', async () => {
    const views = new StudyViews(() => true);
    expect((await views.history(await study(), wanted([]))).repository).toMatchObject({
      kind: 'none',
      reason: 'The study is not in a git repository.',
    });
    expect((await views.study(await study(), null)).matrices).toHaveLength(2);
    await expect(views.study(await study(), 'a'.repeat(40))).rejects.toMatchObject({
      code: 'repository-missing',
    });
  });

  it('is not read in an untrusted workspace', async () => {
    begin();
    const views = new StudyViews(() => false);
    expect((await views.history(await study(), wanted([]))).repository).toMatchObject({
      kind: 'none',
      remedy: 'Trust the workspace to see it.',
    });
  });
});

describe('a study as of a commit', () => {
  it('has the scores of then, and the working tree those of now', async () => {
    const hash = begin();
    const views = new StudyViews(() => true);
    const before = (await views.matrix(await study(), null, 'adapter/el2n.model')).values.values;
    await recompute(3);
    const then = (await views.matrix(await study(), hash, 'adapter/el2n.model')).values.values;
    const now = (await views.matrix(await study(), null, 'adapter/el2n.model')).values.values;
    expect(then).toEqual(before);
    expect(now).not.toEqual(before);
    await expect(views.matrix(await study(), hash, 'adapter/grand.model')).rejects.toMatchObject({
      code: 'matrix-missing',
    });
  });
});
