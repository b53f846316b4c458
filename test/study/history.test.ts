import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitResults, proposeCommit } from '../../src/study/commit-results.js';
import { StudyHistory } from '../../src/study/history.js';
import { openRepository } from '../../src/study/repository.js';
import { beginRepository, commitAllIn, gitIn } from '../support/commands.js';
import {
  exampleRun,
  exampleStudy,
  matrixFile,
  writeJson,
  writeStudy,
  type ExampleStudy,
} from '../support/example-study.js';

let folder: string;
let repository: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-history-'));
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

/** A study with its scores committed, then computed anew with other values and committed again. */
async function committedStudy(directory = repository): Promise<{ study: ExampleStudy; hashes: string[] }> {
  const study = exampleStudy({ tasks: 4, methods: ['loss', 'el2n'] });
  await writeStudy(directory, study);
  const first = commitAll('Tune and score');
  const again = exampleStudy({ tasks: 4, methods: ['loss'], seed: 2 });
  const [loss] = again.matrices;
  if (loss === undefined) throw new Error('no matrix');
  await writeJson(directory, matrixFile(loss), loss);
  const second = commitAll('Score by loss on other examples');
  await writeFile(path.join(directory, 'notes.md'), 'nothing of ours\n');
  commitAll('Take notes');
  return { study, hashes: [first, second] };
}

describe('history of records', () => {
  it('lists the commits in which a record changed, as git log does', async () => {
    const { hashes } = await committedStudy();
    const history = new StudyHistory(repository);
    const commits = await history.commits(['.deltaloom/scores/adapter/loss.model.json']);
    expect(commits.map(({ hash }) => hash)).toEqual([...hashes].reverse());
    expect(commits.map(({ hash }) => hash)).toEqual(
      git('log', '--format=%H', '--', '.deltaloom/scores/adapter/loss.model.json').split('\n'),
    );
    expect(commits[0]).toMatchObject({ author: 'Ada Lovelace', subject: 'Score by loss on other examples' });
    expect(await history.commits(['.deltaloom/scores/adapter/el2n.model.json'])).toHaveLength(1);
  });

  it('reads all records as of a commit without touching the work tree', async () => {
    const { study, hashes } = await committedStudy();
    const history = new StudyHistory(repository);
    const then = await history.at(hashes[0] ?? '');
    expect(then.problems).toEqual([]);
    expect(then.runs).toHaveLength(study.runs.length);
    expect(then.matrices.find(({ method }) => method === 'loss')).toEqual(study.matrices[0]);
    const now = await history.at('HEAD');
    expect(now.matrices.find(({ method }) => method === 'loss')).not.toEqual(study.matrices[0]);
    expect(git('status', '--porcelain')).toBe('');
  });

  it('makes a problem of a record that cannot be understood', async () => {
    await committedStudy();
    await writeJson(repository, '.deltaloom/scores/adapter/loss.model.json', { format: 'other' });
    commitAll('Break');
    const then = await new StudyHistory(repository).at('HEAD');
    expect(then.problems.map(({ file }) => file)).toEqual(['.deltaloom/scores/adapter/loss.model.json']);
    expect(then.matrices.map(({ method }) => method)).toEqual(['el2n']);
  });

  it('says who made a commit, and leaves out what this clone lacks', async () => {
    const { hashes } = await committedStudy();
    const described = await new StudyHistory(repository).describe([hashes[0] ?? '', 'f'.repeat(40)]);
    expect(described.map(({ hash, author }) => [hash, author])).toEqual([[hashes[0], 'Ada Lovelace']]);
  });

  it('names an unknown commit', async () => {
    await committedStudy();
    await expect(new StudyHistory(repository).at('f'.repeat(40))).rejects.toMatchObject({
      code: 'commit-unknown',
    });
  });
});

describe('unusual repositories', () => {
  it('says that there is none', async () => {
    const outside = path.join(folder, 'outside');
    await mkdir(outside);
    await expect(new StudyHistory(outside).commits()).rejects.toMatchObject({ code: 'repository-missing' });
  });

  it('has no commits in an empty repository, and makes the first', async () => {
    const study = exampleStudy({ tasks: 3 });
    await writeStudy(repository, study);
    const history = new StudyHistory(repository);
    expect((await openRepository(repository)).state).toMatchObject({
      head: null,
      branch: 'main',
      operation: null,
    });
    expect(await history.commits()).toEqual([]);
    const hash = await commitResults(repository, 'First records');
    expect((await history.commits()).map((commit) => commit.hash)).toEqual([hash]);
    // The configuration is the person's own to commit.
    expect(git('status', '--porcelain')).toBe('?? deltaloom.json');
    expect((await history.at(hash)).runs).toHaveLength(study.runs.length);
  });

  it('works on a detached HEAD', async () => {
    const { hashes } = await committedStudy();
    git('checkout', '--quiet', hashes[0] ?? '');
    const history = new StudyHistory(repository);
    expect((await openRepository(repository)).state).toMatchObject({ branch: null, head: hashes[0] });
    expect(await history.commits()).toHaveLength(1);
  });

  it('reads but does not commit during a rebase', async () => {
    const { hashes } = await committedStudy();
    git('checkout', '--quiet', '-b', 'side', hashes[0] ?? '');
    await writeFile(path.join(repository, 'notes.md'), 'something else\n');
    commitAll('Other notes');
    expect(() => git('rebase', 'main')).toThrow();
    const history = new StudyHistory(repository);
    expect((await openRepository(repository)).state).toMatchObject({ operation: 'rebase', branch: null });
    expect((await history.at('main')).matrices).toHaveLength(2);
    await expect(commitResults(repository, 'No')).rejects.toMatchObject({
      code: 'git-operation-in-progress',
    });
  });

  it('knows a shallow clone and names the remedy beyond its depth', async () => {
    const { hashes } = await committedStudy();
    gitIn(folder, 'clone', '--quiet', '--depth=1', `file://${repository}`, 'shallow');
    const history = new StudyHistory(path.join(folder, 'shallow'));
    expect((await openRepository(path.join(folder, 'shallow'))).state).toMatchObject({ shallow: true });
    expect(await history.commits()).toHaveLength(1);
    await expect(history.at(hashes[0] ?? '')).rejects.toMatchObject({
      code: 'commit-unknown',
      remedy: expect.stringContaining('--unshallow') as string,
    });
  });

  it('follows a study folder that was renamed, twice', async () => {
    await mkdir(path.join(repository, 'one'));
    const { hashes, study } = await committedStudy(path.join(repository, 'one'));
    await rename(path.join(repository, 'one'), path.join(repository, 'two'));
    commitAll('Rename the study');
    await mkdir(path.join(repository, 'deep'));
    await rename(path.join(repository, 'two'), path.join(repository, 'deep', 'third folder'));
    commitAll('Rename it again');
    const history = new StudyHistory(path.join(repository, 'deep', 'third folder'));
    const commits = await history.commits(['.deltaloom/scores/adapter/loss.model.json']);
    expect(commits.map(({ subject }) => subject)).toEqual([
      'Rename it again',
      'Rename the study',
      'Score by loss on other examples',
      'Tune and score',
    ]);
    expect((await history.at(hashes[0] ?? '')).matrices[1]).toEqual(study.matrices[0]);
  });

  it('works in a submodule and in a linked work tree', async () => {
    const { hashes } = await committedStudy();
    const outer = path.join(folder, 'outer');
    await mkdir(outer);
    gitIn(outer, 'init', '--quiet');
    gitIn(outer, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', repository, 'inner');
    const inner = new StudyHistory(path.join(outer, 'inner'));
    expect((await inner.commits()).map(({ hash }) => hash)).toEqual([...hashes].reverse());
    git('worktree', 'add', '--quiet', '-b', 'other', path.join(folder, 'linked'));
    const linked = path.join(folder, 'linked');
    expect((await openRepository(linked)).state).toMatchObject({ branch: 'other', prefix: '' });
    await rm(path.join(linked, '.deltaloom/scores/adapter/el2n.model.json'));
    await commitResults(linked, 'Remove');
    expect(await new StudyHistory(linked).commits()).toHaveLength(3);
    expect(await new StudyHistory(repository).commits()).toHaveLength(2);
  });
});

const FRESH = new Map<string, string>();
const NOTHING = { configuration: null, runs: [], merges: [], matrices: [] };

describe('commit results', () => {
  it('proposes a message that says what changed, with the mean gain', async () => {
    const study = exampleStudy({ tasks: 4, methods: ['loss', 'el2n'] });
    await writeStudy(repository, { ...study, runs: [], matrices: [] });
    commitAll('Begin');
    await writeStudy(repository, study);
    const proposal = await proposeCommit(repository, { ...NOTHING, runs: study.runs }, study.tasks, FRESH);
    expect(proposal.subject).toBe('Tune 4 sources; score 4 tasks by Loss and EL2N; tune 4 targets (60 runs)');
    expect(proposal.body).toMatch(
      /^Mean gain over random \(adapter, 16 shots, test\):\n- average: \+\d\.\d points over 4 tasks\n- group: \+1\d\.\d points/,
    );
    expect(proposal.changes).toHaveLength(study.runs.length + study.matrices.length);
  });

  it('names a few tasks and methods instead of counting them', async () => {
    const { study } = await committedStudy();
    const targets = study.runs.filter(({ role }) => role === 'target');
    const again = targets.filter(({ task }, i) => task === study.tasks[1] && i % 2 === 0);
    for (const run of again) {
      await writeJson(repository, `.deltaloom/runs/${run.task}/${run.id}.json`, {
        ...run,
        id: `${run.id}-again`,
      });
    }
    const { subject } = await proposeCommit(repository, NOTHING, [], FRESH);
    expect(subject).toBe(`Tune ${study.tasks[1]} (${again.length} runs)`);
  });

  it('names of a matrix only the rows in which something changed', async () => {
    const { study } = await committedStudy();
    const matrix = study.matrices.find(({ method }) => method === 'el2n');
    if (matrix === undefined) throw new Error('no matrix');
    const target = study.tasks[2] ?? '';
    await writeJson(repository, matrixFile(matrix), {
      ...matrix,
      cells: matrix.cells.map((cell) =>
        cell.target === target ? { ...cell, values: cell.values.map(() => 0.5) } : cell,
      ),
    });
    expect((await proposeCommit(repository, NOTHING, [], FRESH)).subject).toBe(`Score ${target} by EL2N`);
  });

  it('says what git says when it does not know who commits', async () => {
    await committedStudy();
    git('config', 'user.useConfigOnly', 'true');
    git('config', '--unset', 'user.email');
    await rm(path.join(repository, '.deltaloom/scores/adapter/el2n.model.json'));
    const identity = ['GIT_AUTHOR_EMAIL', 'GIT_COMMITTER_EMAIL', 'EMAIL', 'HOME', 'XDG_CONFIG_HOME'] as const;
    const before = identity.map((name) => [name, process.env[name]] as const);
    try {
      for (const name of identity) Reflect.deleteProperty(process.env, name);
      await expect(commitResults(repository, 'Remove')).rejects.toMatchObject({
        code: 'commit-failed',
        message: expect.stringMatching(/user\.email|email/) as string,
      });
    } finally {
      for (const [name, value] of before) if (value !== undefined) process.env[name] = value;
    }
  });

  it('commits only records: other files stay as they were, staged or not', async () => {
    const { study } = await committedStudy();
    await writeFile(path.join(repository, 'code.py'), 'print()\n');
    git('add', 'code.py');
    await writeFile(path.join(repository, 'notes.md'), 'changed\n');
    await writeJson(repository, '.deltaloom/checkpoints/a/b.safetensors', 'weights');
    const [matrix] = exampleStudy({ tasks: 4, methods: ['loss'], seed: 3 }).matrices;
    if (matrix === undefined) throw new Error('no matrix');
    await writeJson(repository, matrixFile(matrix), matrix);
    const [removed] = study.runs;
    await rm(path.join(repository, `.deltaloom/runs/${removed?.task}/${removed?.id}.json`));
    await commitResults(repository, 'Score again\n\nBody');
    expect(git('show', '--format=%B', '--name-only', 'HEAD')).toBe(
      `Score again\n\nBody\n\n\n.deltaloom/runs/${removed?.task}/${removed?.id}.json\n.deltaloom/scores/adapter/loss.model.json`,
    );
    expect(git('status', '--porcelain').split('\n')).toEqual(
      ['A  code.py', 'M notes.md', '?? .deltaloom/checkpoints/'].map((line, i) =>
        i === 1 ? ` ${line}` : line,
      ),
    );
  });

  it('adds weights only when asked, ignored or not', async () => {
    await writeFile(path.join(repository, '.gitignore'), '.deltaloom/checkpoints/\n');
    await committedStudy();
    await writeJson(repository, '.deltaloom/checkpoints/a/b.safetensors', 'weights');
    await expect(commitResults(repository, 'No')).rejects.toMatchObject({ code: 'nothing-to-commit' });
    await commitResults(repository, 'With weights', { includeWeights: true });
    expect(git('show', '--format=', '--name-only', 'HEAD')).toBe('.deltaloom/checkpoints/a/b.safetensors');
  });

  it('says so when git ignores the records', async () => {
    await writeFile(path.join(repository, '.gitignore'), '.deltaloom/\n');
    await writeStudy(repository, exampleStudy({ tasks: 3 }));
    await expect(proposeCommit(repository, NOTHING, [], FRESH)).rejects.toMatchObject({
      code: 'records-ignored',
    });
  });

  it("passes on a hook's refusal in its own words", async () => {
    await committedStudy();
    await writeFile(
      path.join(repository, '.git/hooks/pre-commit'),
      '#!/bin/sh\necho no results on Fridays >&2\nexit 1\n',
      {
        mode: 0o755,
      },
    );
    const run = exampleRun({
      task: 'late',
      role: 'source',
      initialisation: 'random',
      provenance: {
        commit: null,
        branch: null,
        dirty: true,
        time: '2026-01-01T00:00:00Z',
        seconds: 1,
        device: 'cpu',
        versions: {},
      },
    });
    await writeJson(repository, `.deltaloom/runs/late/${run.id}.json`, run);
    await expect(commitResults(repository, 'Try')).rejects.toThrow(/no results on Fridays/);
  });

  it('commits thousands of records at once', async () => {
    const study = exampleStudy({ tasks: 40, methods: ['loss', 'el2n', 'grand', 'kl-divergence'] });
    await writeStudy(repository, study);
    const hash = await commitResults(repository, 'Many');
    const then = await new StudyHistory(repository).at(hash);
    expect(then.runs).toHaveLength(880);
    expect((await openRepository(repository)).state.head).toBe(hash);
  });
});
