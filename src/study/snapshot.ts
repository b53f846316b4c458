import type { StudyConfiguration } from './configuration.js';
import type { MergeRecord, RunRecord, ScoreMatrix } from './records.js';

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
