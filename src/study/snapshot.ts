import { DeltaloomError } from '../core/errors.js';
import { readCatalogue } from './catalogue.js';
import type { StudyConfiguration } from './configuration.js';
import { configurationProblems } from './configuration-problems.js';
import { readStudyFile } from './load.js';
import { STUDY_FILE } from './paths.js';
import type { MergeRecord, RunRecord, ScoreMatrix } from './records.js';
import { StudyStore } from './store.js';

/** A finding of the preflight or of reading a record: shown by `deltaloom check`, in the Problems panel and in the tree. */
export interface StudyProblem {
  readonly severity: 'error' | 'warning';
  /** Stable and machine-readable, in kebab case. */
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  /** Relative to the study folder. */
  readonly file: string;
  /** 1-based; undefined: the whole file. */
  readonly line?: number;
  /** For `deltaloom.json`: the path of the property, for example ['deltas', 'adapter', 'size']. */
  readonly path?: readonly (string | number)[];
}

export interface TaskData {
  readonly shots: number | 'full';
  readonly seed: number;
  /** Files relative to the study folder; a split that is absent is missing here. */
  readonly files: Readonly<Partial<Record<'train' | 'dev' | 'test', string>>>;
}

export interface TaskEntry {
  readonly name: string;
  /** Names of the groups that hold it. */
  readonly groups: readonly string[];
  readonly metric: string;
  readonly data: readonly TaskData[];
}

/**
 * Everything on disk that people look at, read without computing anything: cheap enough for the extension host
 * (asynchronous reads, no hashing, no model). A record that can't be read becomes a problem, never an exception.
 */
export interface StudySnapshot {
  readonly directory: string;
  /** null when `deltaloom.json` can't be understood; the problems say why. */
  readonly configuration: StudyConfiguration | null;
  readonly problems: readonly StudyProblem[];
  readonly tasks: readonly TaskEntry[];
  readonly runs: readonly RunRecord[];
  readonly matrices: readonly ScoreMatrix[];
  readonly merges: readonly MergeRecord[];
}

/** Reads a study folder as it is now. */
export async function readSnapshot(directory: string): Promise<StudySnapshot> {
  const store = new StudyStore(directory);
  const [file, runs, matrices, merges] = await Promise.all([
    readStudyFile(directory),
    store.readRuns(),
    store.readMatrices(),
    store.readMerges(),
  ]);
  const problems = [...file.problems, ...runs.problems, ...matrices.problems, ...merges.problems];
  let tasks: TaskEntry[] = [];
  if (file.configuration !== null) {
    try {
      tasks = await readCatalogue(directory, file.configuration);
      problems.push(...configurationProblems(file.configuration, tasks, file.lineOf));
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      problems.push({
        severity: 'error',
        code: 'tasks-folder-missing',
        message: `The tasks folder '${file.configuration.tasks}' can't be read.`,
        remedy: "Correct 'tasks', or create the folder.",
        file: STUDY_FILE,
        line: file.lineOf(['tasks']),
        path: ['tasks'],
      });
    }
  }
  return {
    directory,
    configuration: file.configuration,
    problems,
    tasks,
    runs: runs.records,
    matrices: matrices.records,
    merges: merges.records,
  };
}
