import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HistoryView } from '../../../src/extension/panels/messages.js';
import { StudyViews } from '../../../src/extension/panels/study-views.js';
import type { Study } from '../../../src/extension/services.js';
import { readSnapshot } from '../../../src/study/snapshot.js';
import { beginRepository, commitAllIn, gitIn } from '../../support/commands.js';
import { exampleStudy, matrixFile, writeJson, writeStudy } from '../../support/example-study.js';
import { repositoryNotice } from '../../../webview/models/provenance.js';

/** What a panel shows, and says, in whatever state git is: from the repository to the words on the page. */

let folder: string;
let repository: string;
const example = exampleStudy({ tasks: 4, methods: ['loss', 'el2n'] });
const [loss = ''] = example.matrices.map(matrixFile);
const views = new StudyViews(() => true);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-repositories-'));
  repository = path.join(folder, 'repository');
  await mkdir(repository);
  beginRepository(repository);
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function git(...args: string[]): string {
  return gitIn(repository, ...args);
}

function commitAll(message: string): string {
  return commitAllIn(repository, message);
}

/** Two commits, by the second of which the loss was computed anew. */
async function scored(directory = repository): Promise<[string, string]> {
  await writeStudy(directory, example);
  const first = commitAll('Score');
  const [again] = exampleStudy({ tasks: 4, methods: ['loss', 'el2n'], seed: 5 }).matrices;
  await writeJson(directory, loss, again);
  return [first, commitAll('Score again')];
}

async function studyIn(directory: string): Promise<Study> {
  // The views read the directory and the snapshot; an address in VS Code they need not.
  const uri = null as unknown as Study['uri'];
  return { directory, uri, name: 'Example', snapshot: await readSnapshot(directory), stale: new Map() };
}

async function historyIn(directory: string): Promise<HistoryView & { notice: string | null }> {
  const history = await views.history(await studyIn(directory), { paths: [loss], target: null, hashes: [] });
  return { ...history, notice: repositoryNotice(history.repository) };
}

const subjects = ({ commits }: HistoryView) => commits.map(({ subject }) => subject);

async function valuesAt(directory: string, version: string): Promise<Float64Array> {
  return (await views.matrix(await studyIn(directory), version, 'adapter/loss.model')).values.values;
}

describe('a panel of a study', () => {
  it('without a repository says how to have one', async () => {
    const outside = path.join(folder, 'outside');
    await writeStudy(outside, example);
    expect((await historyIn(outside)).notice).toBe(
      'The study is not in a git repository. Run git init in the study folder to keep the history of its records.',
    );
  });

  it('in a repository without a commit offers the working tree and what is to be committed', async () => {
    await writeStudy(repository, example);
    const history = await historyIn(repository);
    expect(history.notice).toBe('This repository has no commit yet.');
    expect(history.commits).toEqual([]);
    expect(history.uncommitted).toBe(example.runs.length + example.matrices.length);
  });

  it('on a detached HEAD shows the commits up to there, and says what a commit would mean', async () => {
    const [first] = await scored();
    git('checkout', '--quiet', first);
    const history = await historyIn(repository);
    expect(history.notice).toBe(
      `HEAD is detached at ${first.slice(0, 7)}: a commit made now is on no branch.`,
    );
    expect(subjects(history)).toEqual(['Score']);
  });

  it('in the middle of a rebase reads on, and says when results can be committed', async () => {
    const [first, second] = await scored();
    git('checkout', '--quiet', '-b', 'side', first);
    await writeJson(repository, loss, { format: 'other' });
    commitAll('Break');
    expect(() => git('rebase', 'main')).toThrow();
    const history = await historyIn(repository);
    expect(history.notice).toBe('A rebase is in progress: results can be committed when it has ended.');
    expect(history.repository).toMatchObject({ operation: 'rebase' });
    expect(await valuesAt(repository, second)).not.toEqual(await valuesAt(repository, first));
  });

  it('in a shallow clone says that older commits are missing, and of one of them how to get it', async () => {
    const [first] = await scored();
    gitIn(folder, 'clone', '--quiet', '--depth=1', `file://${repository}`, 'shallow');
    const shallow = path.join(folder, 'shallow');
    const history = await historyIn(shallow);
    expect(history.notice).toBe(
      'This is a shallow clone: older commits are missing (git fetch --unshallow).',
    );
    expect(subjects(history)).toEqual(['Score again']);
    await expect(valuesAt(shallow, first)).rejects.toMatchObject({
      remedy: expect.stringContaining('git fetch --unshallow') as string,
    });
  });

  it('whose folder was renamed keeps its commits and the scores of then', async () => {
    await mkdir(path.join(repository, 'old'));
    const [first] = await scored(path.join(repository, 'old'));
    await rename(path.join(repository, 'old'), path.join(repository, 'new'));
    commitAll('Rename the study');
    const history = await historyIn(path.join(repository, 'new'));
    expect(history.notice).toBeNull();
    expect(subjects(history)).toEqual(['Rename the study', 'Score again', 'Score']);
    expect(await valuesAt(path.join(repository, 'new'), first)).not.toEqual(
      await valuesAt(path.join(repository, 'new'), 'HEAD'),
    );
  });

  it('in a submodule shows the history of the submodule', async () => {
    await scored();
    const outer = path.join(folder, 'outer');
    await mkdir(outer);
    gitIn(outer, 'init', '--quiet');
    await writeFile(path.join(outer, 'paper.tex'), '\n');
    gitIn(outer, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', repository, 'study');
    const history = await historyIn(path.join(outer, 'study'));
    expect(history.notice).toBeNull();
    expect(subjects(history)).toEqual(['Score again', 'Score']);
    expect(history.uncommitted).toBe(0);
  });

  it('in a linked work tree is on its own branch, with its own uncommitted records', async () => {
    const [first] = await scored();
    const linked = path.join(folder, 'linked');
    git('worktree', 'add', '--quiet', '-b', 'other', linked, first);
    await rm(path.join(linked, loss));
    const history = await historyIn(linked);
    expect(history).toMatchObject({ notice: null, uncommitted: 1, changedHere: true });
    expect(history.repository).toMatchObject({ branch: 'other', operation: null });
    expect(subjects(history)).toEqual(['Score']);
    expect((await historyIn(repository)).uncommitted).toBe(0);
  });
});
