import type { EditorJobs } from '../jobs/runtime-jobs.js';
import type { Services, Study } from '../services.js';
import type { StudyProblem } from '../../study/snapshot.js';
import type { Arrival } from '../studies/arrival.js';
import type { WorkspaceStudies } from '../studies/registry.js';
import type { StudyView } from '../tree/view.js';
import type { Uri } from 'vscode';

/** What the commands work with: the services, and what only the extension itself uses. */
export interface CommandEnvironment {
  readonly services: Services;
  readonly studies: WorkspaceStudies;
  readonly jobs: EditorJobs;
  readonly view: StudyView;
  readonly extensionUri: Uri;
  readonly arrival: Arrival;
  /** Ids of the runs that a merge takes as the sources of these tasks. */
  readonly sourcesInUse: (
    directory: string,
    deltaName: string,
    tasks: readonly string[],
  ) => Promise<ReadonlyMap<string, string>>;
  /** Runs the whole preflight in the runtime and shows what it finds. */
  readonly checkStudy: (study: Study) => Promise<readonly StudyProblem[]>;
}

/** A command's work; arguments are those of a tree's context menu: the row, and all selected rows. */
export type CommandHandler = (first?: unknown, others?: unknown) => Promise<unknown>;
export type CommandTable = Readonly<Record<string, CommandHandler>>;
