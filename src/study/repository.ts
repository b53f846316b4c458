import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import type { SimpleGit } from 'simple-git';
import { DeltaloomError } from '../core/errors.js';

/** What git is in the middle of. Committing part of the tree is impossible or unwise then. */
export type GitOperation = 'rebase' | 'merge' | 'cherry-pick' | 'revert' | 'bisect';

/** The repository a study lies in, as it is now. */
export interface RepositoryState {
  /** Top folder of the work tree, absolute. */
  readonly root: string;
  /** The study's folder inside it with forward slashes; '' when the study is the top folder. */
  readonly prefix: string;
  /** null: no commit yet. */
  readonly head: string | null;
  /** null: detached HEAD. */
  readonly branch: string | null;
  readonly operation: GitOperation | null;
  /** History ends early because the clone was made with a depth. */
  readonly shallow: boolean;
}

export interface StudyRepository {
  readonly git: SimpleGit;
  readonly state: RepositoryState;
}

/**
 * Finds the repository of a study folder; submodules and linked work trees are repositories like any other.
 *
 * @throws DeltaloomError `git-missing`, `repository-missing`, `repository-not-owned`, `repository-unreadable`
 */
export async function openRepository(studyDirectory: string): Promise<StudyRepository> {
  // Loaded with the first need of a repository: it is no part of opening a window.
  const { simpleGit } = await import('simple-git');
  const directory = await realpath(studyDirectory);
  const outside = simpleGit({ baseDir: directory });
  let lines: string[];
  try {
    const text = await outside.raw([
      'rev-parse',
      '--show-toplevel',
      '--is-shallow-repository',
      '--show-prefix',
    ]);
    lines = text.split('\n');
  } catch (error) {
    throw explain(error, studyDirectory);
  }
  const root = path.resolve(lines[0] ?? directory);
  const git = simpleGit({ baseDir: root });
  const [head, branch, operation] = await Promise.all([
    quietly(git, ['rev-parse', '--verify', '--quiet', 'HEAD']),
    quietly(git, ['symbolic-ref', '--short', '--quiet', 'HEAD']),
    operationIn(git, root),
  ]);
  return {
    git,
    state: {
      root,
      prefix: (lines[2] ?? '').replace(/\/$/, ''),
      head,
      branch,
      operation,
      shallow: lines[1] === 'true',
    },
  };
}

/** What stands in the way of a commit, or null. */
export function obstacleToCommit(state: RepositoryState): DeltaloomError | null {
  if (state.operation === null) return null;
  return new DeltaloomError(
    'git-operation-in-progress',
    `A ${state.operation} is in progress in ${state.root}: results are not committed in the middle of it.`,
    { remedy: `Finish it (git ${state.operation} --continue) or abort it, then commit the results.` },
  );
}

async function operationIn(git: SimpleGit, root: string): Promise<GitOperation | null> {
  const marks: [string, GitOperation][] = [
    ['rebase-merge', 'rebase'],
    ['rebase-apply', 'rebase'],
    ['MERGE_HEAD', 'merge'],
    ['CHERRY_PICK_HEAD', 'cherry-pick'],
    ['REVERT_HEAD', 'revert'],
    ['BISECT_LOG', 'bisect'],
  ];
  const places = await git.raw(['rev-parse', ...marks.flatMap(([mark]) => ['--git-path', mark])]);
  const index = places
    .trim()
    .split('\n')
    .findIndex((place) => existsSync(path.resolve(root, place)));
  return marks[index]?.[1] ?? null;
}

async function quietly(git: SimpleGit, command: string[]): Promise<string | null> {
  const text = await git.raw(command).catch(() => '');
  return text.trim() === '' ? null : text.trim();
}

function explain(error: unknown, directory: string): DeltaloomError {
  const said = error instanceof Error ? error.message : String(error);
  const place = { file: directory };
  if (said.includes('ENOENT')) {
    return new DeltaloomError('git-missing', 'The program git was not found.', {
      place,
      remedy: 'Install git to see the history of the records.',
      cause: error,
    });
  }
  if (said.includes('not a git repository')) {
    return new DeltaloomError('repository-missing', 'The study is not in a git repository.', {
      place,
      remedy: 'Run git init in the study folder to keep the history of its records.',
      cause: error,
    });
  }
  if (said.includes('dubious ownership')) {
    return new DeltaloomError(
      'repository-not-owned',
      'The repository belongs to another user, so git refuses to read it.',
      {
        place,
        remedy: `If you trust it: git config --global --add safe.directory '${directory}'.`,
        cause: error,
      },
    );
  }
  if (said.includes('must be run in a work tree')) {
    return new DeltaloomError(
      'repository-missing',
      'The study lies inside the administrative files of a repository.',
      {
        place,
        remedy: 'Move the study into a work tree.',
        cause: error,
      },
    );
  }
  return new DeltaloomError('repository-unreadable', `git could not read the repository: ${said.trim()}`, {
    place,
    remedy: 'See what git status says in the study folder.',
    cause: error,
  });
}
