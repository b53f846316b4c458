import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SimpleGit } from 'simple-git';
import { counted } from '../core/counted.js';
import { DeltaloomError } from '../core/errors.js';
import { SCORE_METHODS, SCORE_METHOD_INFO } from '../core/methods.js';
import { collectResults } from '../core/results.js';
import { RECORD_FOLDERS, type RecordChange } from './history.js';
import {
  mergeRecordSchema,
  runRecordSchema,
  scoreMatrixSchema,
  type RunRecord,
  type ScoreMatrix,
} from './records.js';
import { obstacleToCommit, openRepository, type RepositoryState } from './repository.js';
import type { StaleRecords } from './staleness.js';
import type { ResultRecords } from './standings.js';
import { targetResults } from './target-results.js';

/** More tasks or methods than these are counted in a message's first line. */
const MOST_NAMED = 3;

/** What 'Commit results' would do. */
export interface CommitProposal {
  readonly changes: readonly RecordChange[];
  /** Weights that `includeWeights` would add, relative to the study. */
  readonly weights: readonly string[];
  readonly subject: string;
  /** After an empty line; may be ''. */
  readonly body: string;
}

/**
 * Looks at what changed in the records since the last commit and words a message for it.
 *
 * @param study its present records and configuration, for the mean gain
 * @param stale records that no longer follow from the study, as far as is known
 * @throws DeltaloomError `git-operation-in-progress`, `nothing-to-commit`, and as `openRepository` does
 */
export async function proposeCommit(
  studyDirectory: string,
  study: ResultRecords,
  taskOrder: readonly string[],
  stale: StaleRecords,
): Promise<CommitProposal> {
  const { git, state } = await openRepository(studyDirectory);
  const obstacle = obstacleToCommit(state);
  if (obstacle !== null) throw obstacle;
  const changes = await recordChanges(git, state);
  if (changes.length === 0) throw await nothingToCommit(git, state);
  const words = await describe(studyDirectory, changes, (file) =>
    git.raw(['show', `HEAD:${inRepository(state, file)}`]),
  );
  return {
    changes,
    weights: await uncommittedWeights(git, state),
    subject: words.length === 0 ? `Record ${counted(changes.length, 'change')}` : words.join('; '),
    body: gains(study, changes, taskOrder, stale),
  };
}

/**
 * Commits exactly the changed records (and weights if asked for); whatever else is staged stays staged.
 *
 * @returns the new commit's hash
 * @throws DeltaloomError as `proposeCommit` does, `commit-failed` with git's own words (a hook, no identity, a lock)
 */
export async function commitResults(
  studyDirectory: string,
  message: string,
  options: { readonly includeWeights: boolean } = { includeWeights: false },
): Promise<string> {
  const { git, state } = await openRepository(studyDirectory);
  const obstacle = obstacleToCommit(state);
  if (obstacle !== null) throw obstacle;
  const changes = await recordChanges(git, state);
  const weights = options.includeWeights ? await uncommittedWeights(git, state) : [];
  if (changes.length + weights.length === 0) throw await nothingToCommit(git, state);
  const specs = [...changes.map((change) => change.path), ...weights].map((file) =>
    inRepository(state, file),
  );
  const folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-commit-'));
  try {
    // A file of paths: thousands of records don't fit on a command line.
    const list = path.join(folder, 'paths');
    await writeFile(list, specs.map(literal).join('\0'));
    const paths = [`--pathspec-from-file=${list}`, '--pathspec-file-nul'];
    // Weights are usually ignored: asked for, they need force.
    await git.raw(['add', ...(weights.length > 0 ? ['--force'] : []), '--all', ...paths]);
    await git.raw(['commit', '--message', message, '--only', ...paths]);
  } catch (error) {
    throw new DeltaloomError(
      'commit-failed',
      `git did not commit the results: ${(error instanceof Error ? error.message : String(error)).trim()}`,
      {
        remedy: 'The records are untouched and staged. Mend what git complains about and commit again.',
        cause: error,
      },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return (await git.raw(['rev-parse', 'HEAD'])).trim();
}

/** Records that differ from the last commit, staged or not. */
export async function recordChanges(git: SimpleGit, state: RepositoryState): Promise<RecordChange[]> {
  const specs = RECORD_FOLDERS.map((folder) => literal(inRepository(state, folder)));
  const text = await git.raw([
    'status',
    '--porcelain=v1',
    '-z',
    '--untracked-files=all',
    '--no-renames',
    '--',
    ...specs,
  ]);
  return text
    .split('\0')
    .filter((line) => line.endsWith('.json'))
    .map((line) => {
      const flags = line.slice(0, 2);
      const change = flags.includes('D') ? 'deleted' : /[?A]/.test(flags) ? 'added' : 'modified';
      return { path: inStudy(state, line.slice(3)), change };
    });
}

async function uncommittedWeights(git: SimpleGit, state: RepositoryState): Promise<string[]> {
  const folder = literal(inRepository(state, '.deltaloom/checkpoints'));
  const text = await git.raw(['ls-files', '-z', '--others', '--modified', '--', folder]);
  return text
    .split('\0')
    .filter((file) => file.endsWith('.safetensors'))
    .map((file) => inStudy(state, file));
}

async function nothingToCommit(git: SimpleGit, state: RepositoryState): Promise<DeltaloomError> {
  const probe = inRepository(state, '.deltaloom/runs/task/record.json');
  const ignored = await git.raw(['check-ignore', '--', probe]).catch(() => '');
  return ignored.trim() === ''
    ? new DeltaloomError('nothing-to-commit', 'All records are committed already.', {
        remedy: 'Tune, score or merge something first.',
      })
    : new DeltaloomError('records-ignored', 'git ignores the records of this study.', {
        place: { file: '.gitignore' },
        remedy:
          'Let .gitignore leave out only .deltaloom/checkpoints, .deltaloom/predictions and .deltaloom/cache.',
      });
}

/** @param committed the text of a record as of the last commit, by its path in the study */
async function describe(
  studyDirectory: string,
  changes: readonly RecordChange[],
  committed: (file: string) => Promise<string>,
): Promise<string[]> {
  const present = changes.filter(({ change }) => change !== 'deleted');
  const contents = await Promise.all(
    present.map(({ path: file }) => jsonOf(readFile(path.join(studyDirectory, file), 'utf8'))),
  );
  const runs = contents.flatMap((json) => runRecordSchema.safeParse(json).data ?? []);
  const merges = contents.flatMap((json) => mergeRecordSchema.safeParse(json).data ?? []);
  const words: string[] = [];
  const tuned = (role: RunRecord['role']) => runs.filter((run) => run.kind === 'tune' && run.role === role);
  const sources = tuned('source');
  if (sources.length > 0)
    words.push(
      `tune ${named(
        sources.map(({ task }) => task),
        'source',
      )}`,
    );
  const scored = (
    await Promise.all(
      present.map(async ({ path: file, change }, index) => {
        const { data: matrix } = scoreMatrixSchema.safeParse(contents[index]);
        if (matrix === undefined) return [];
        const before = change === 'added' ? null : await jsonOf(committed(file));
        return [
          {
            method: matrix.method,
            targets: changedTargets(scoreMatrixSchema.safeParse(before).data, matrix),
          },
        ];
      }),
    )
  ).flat();
  if (scored.length > 0) {
    const methods = SCORE_METHODS.filter((id) => scored.some(({ method }) => method === id)).map(
      (id) => SCORE_METHOD_INFO[id].title,
    );
    const targets = scored.flatMap((one) => one.targets);
    words.push(`score ${named(targets, 'task')} by ${list(methods)}`);
  }
  if (merges.length > 0) {
    const by = [
      ...new Set(merges.map(({ score, label }) => (score === null ? label : SCORE_METHOD_INFO[score].title))),
    ];
    const targets = merges.map(({ target }) => target);
    words.push(`merge for ${named(targets, 'target')}${by.length > MOST_NAMED ? '' : ` by ${list(by)}`}`);
  }
  const targets = tuned('target');
  if (targets.length > 0) {
    words.push(
      `tune ${named(
        targets.map(({ task }) => task),
        'target',
      )} (${counted(targets.length, 'run')})`,
    );
  }
  const evaluations = runs.filter(({ kind }) => kind === 'evaluate').length;
  if (evaluations > 0) words.push(counted(evaluations, 'evaluation'));
  const removed = changes.length - present.length;
  if (removed > 0) words.push(`remove ${counted(removed, 'record')}`);
  const [first, ...rest] = words;
  return first === undefined ? [] : [first.charAt(0).toUpperCase() + first.slice(1), ...rest];
}

/**
 * Targets of which a cell has come, gone or another value. A record that changed otherwise, by its study's order or its
 * provenance, is about all of its targets.
 */
function changedTargets(before: ScoreMatrix | undefined, now: ScoreMatrix): readonly string[] {
  const cells = (matrix: ScoreMatrix | undefined) =>
    new Map(
      (matrix?.cells ?? []).map((cell) => [
        JSON.stringify([cell.target, cell.source]),
        JSON.stringify(cell.values),
      ]),
    );
  const [earlier, later] = [cells(before), cells(now)];
  const changed = now.targets.filter((target) =>
    now.sources.some((source) => {
      const key = JSON.stringify([target, source]);
      return earlier.get(key) !== later.get(key);
    }),
  );
  return changed.length > 0 ? changed : now.targets;
}

/** undefined where it can't be read or is no JSON. */
async function jsonOf(reading: Promise<string>): Promise<unknown> {
  try {
    return JSON.parse(await reading);
  } catch {
    return undefined;
  }
}

/** Mean gains over random of the tables that the commit changes. */
function gains(
  study: ResultRecords,
  changes: readonly RecordChange[],
  taskOrder: readonly string[],
  stale: StaleRecords,
): string {
  const changed = study.runs.filter((run) =>
    changes.some(({ path: file }) => file.endsWith(`/${run.task}/${run.id}.json`)),
  );
  const touched = new Set(changed.map(({ deltaName, shots }) => `${deltaName} ${shots}`));
  return collectResults(targetResults(study, taskOrder, stale), taskOrder)
    .filter(({ deltaName, shots }) => touched.has(`${deltaName} ${shots}`))
    .flatMap((table) => {
      const lines = table.columns.flatMap(({ initialisation, gainOverRandom, tasks }) =>
        initialisation === 'random' || gainOverRandom === null
          ? []
          : [`- ${initialisation}: ${points(gainOverRandom)} over ${counted(tasks, 'task')}`],
      );
      return lines.length === 0
        ? []
        : [`Mean gain over random (${table.deltaName}, ${table.shots} shots, test):`, ...lines];
    })
    .join('\n');
}

function points(gain: number): string {
  return `${gain < 0 ? '' : '+'}${(100 * gain).toFixed(1)} points`;
}

/** A few are named, many are counted: `film_reviews and where_is`, `16 targets`. */
function named(names: readonly string[], what: string): string {
  const distinct = [...new Set(names)];
  return distinct.length > MOST_NAMED ? counted(distinct.length, what) : list(distinct);
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}

function literal(file: string): string {
  return `:(top,literal)${file}`;
}

function inRepository(state: RepositoryState, file: string): string {
  return state.prefix === '' ? file : `${state.prefix}/${file}`;
}

function inStudy(state: RepositoryState, file: string): string {
  return state.prefix === '' ? file : file.slice(state.prefix.length + 1);
}
