import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import { explainReadError } from './binary-file.js';
import { pythonTrim } from './python-strip.js';
import { readTextFile } from './text-file.js';

/** One line of a CrossFit file: an input and its accepted answers, at least one. */
export interface CrossFitExample {
  readonly input: string;
  readonly answers: readonly string[];
}

export interface CrossFitFile {
  readonly examples: readonly CrossFitExample[];
  /** What was tolerated, for people: skipped empty lines, a byte order mark. */
  readonly warnings: readonly string[];
}

export const CROSSFIT_SPLITS = ['train', 'dev', 'test'] as const;
export type CrossFitSplit = (typeof CROSSFIT_SPLITS)[number];

/** The files of one sampling of a task: `NAME_{shots}_{seed}_{split}.tsv`. */
export interface CrossFitSampling {
  /** Examples per class or in all, as the file's name says. */
  readonly shots: number | 'full';
  readonly seed: number;
  /** Paths of the splits that exist; each may be absent. */
  readonly files: Readonly<Partial<Record<CrossFitSplit, string>>>;
}

export interface CrossFitTask {
  readonly name: string;
  readonly directory: string;
  /** By shots (`full` last), then seed. */
  readonly samplings: readonly CrossFitSampling[];
}

const LINES_NAMED_IN_WARNING = 5;

/**
 * Reads `input<TAB>answer[<TAB>answer ...]` lines as CrossFit does: `line.strip().split("\t")`, lines ended by LF, CRLF or CR.
 * Empty lines are skipped with a warning, as is a byte order mark.
 * Throws `task-line-without-answer` (with the line), `task-file-empty`, `text-not-utf8` (with the line), `file-missing`.
 */
export async function readCrossFitFile(file: string): Promise<CrossFitFile> {
  const { text, hasByteOrderMark } = await readTextFile(file);
  return parseCrossFit(text, file, hasByteOrderMark);
}

/** The same on a text in memory; `file` is for messages. */
export function parseCrossFit(text: string, file: string, hasByteOrderMark = false): CrossFitFile {
  const examples: CrossFitExample[] = [];
  const emptyLines: number[] = [];
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  for (const [index, raw] of lines.entries()) {
    const line = pythonTrim(raw);
    if (line === '') {
      emptyLines.push(index + 1);
      continue;
    }
    const [input = '', ...answers] = line.split('\t');
    if (answers.length === 0) {
      const message = raw.includes('\t')
        ? 'The line has a tab, but an empty input or no answer beside it.'
        : 'The line has no tab, so no answer.';
      throw new DeltaloomError('task-line-without-answer', message, {
        place: { file, line: index + 1 },
        remedy: 'Write input, a tab, and one or more answers separated by tabs.',
      });
    }
    examples.push({ input, answers });
  }
  if (examples.length === 0) {
    throw new DeltaloomError('task-file-empty', 'The task file has no example.', {
      place: { file },
      remedy: 'Write one example a line: input, a tab, and one or more answers separated by tabs.',
    });
  }
  const warnings: string[] = [];
  if (hasByteOrderMark) warnings.push(`${file}: a byte order mark at the start was ignored.`);
  if (emptyLines.length > 0) warnings.push(`${file}: ${describeEmptyLines(emptyLines)}`);
  return { examples, warnings };
}

function describeEmptyLines(lines: readonly number[]): string {
  const named = lines.slice(0, LINES_NAMED_IN_WARNING).join(', ');
  const more = lines.length > LINES_NAMED_IN_WARNING ? ', ...' : '';
  return lines.length === 1
    ? `empty line ${named} was skipped.`
    : `${lines.length} empty lines were skipped (${named}${more}).`;
}

/**
 * Finds the tasks of a folder: every sub-folder NAME that holds files NAME_{shots}_{seed}_{train,dev,test}.tsv, in the order of
 * their names. Sub-folders without such a file are no tasks. Names may hold spaces, quotes or any other character.
 * Throws `folder-missing` where the folder cannot be listed.
 */
export async function listCrossFitTasks(folder: string): Promise<CrossFitTask[]> {
  const tasks: CrossFitTask[] = [];
  for (const entry of await listFolder(folder)) {
    if (entry.name.startsWith('.') || entry.isFile()) continue;
    const directory = join(folder, entry.name);
    const samplings =
      entry.isDirectory() || entry.isSymbolicLink() ? await listSamplings(directory, entry.name) : [];
    if (samplings.length > 0) tasks.push({ name: entry.name, directory, samplings });
  }
  return tasks.sort((a, b) => compareCodeUnits(a.name, b.name));
}

async function listFolder(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const explained = explainReadError(error, folder);
    if (explained instanceof DeltaloomError) {
      throw new DeltaloomError('folder-missing', 'The folder does not exist or cannot be read.', {
        place: { file: folder },
        remedy: 'Create it, or correct the path that names it.',
        cause: error,
      });
    }
    throw explained;
  }
}

async function listSamplings(directory: string, name: string): Promise<CrossFitSampling[]> {
  const found = new Map<
    string,
    { shots: number | 'full'; seed: number; files: Partial<Record<CrossFitSplit, string>> }
  >();
  let names: string[];
  try {
    names = await readdir(directory);
  } catch {
    // A link to a file or to nowhere: not a task.
    return [];
  }
  for (const fileName of names) {
    if (!fileName.startsWith(`${name}_`)) continue;
    const match = /^(\d{1,9}|full)_(\d{1,15})_(train|dev|test)\.tsv$/.exec(fileName.slice(name.length + 1));
    if (match === null) continue;
    const shots = match[1] === 'full' ? 'full' : Number(match[1]);
    const seed = Number(match[2]);
    const key = `${shots}_${seed}`;
    const sampling = found.get(key) ?? { shots, seed, files: {} };
    sampling.files[match[3] as CrossFitSplit] = join(directory, fileName);
    found.set(key, sampling);
  }
  const rank = (shots: number | 'full'): number => (shots === 'full' ? Infinity : shots);
  return [...found.values()].sort((a, b) =>
    a.shots === b.shots ? a.seed - b.seed : rank(a.shots) - rank(b.shots),
  );
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
