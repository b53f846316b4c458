import type { SimpleGit } from 'simple-git';
import type { Event, LogOutputChannel, Memento, Uri } from 'vscode';
import type { ClientState } from '../runtime/client-options.js';
import type {
  CheckpointSummary,
  DeviceSettings,
  InspectParams,
  JobPriority,
  JobView,
} from '../runtime/protocol.js';
import type { DeviceReport } from '../engine/contract.js';
import type { JobRequest } from '../study/jobs.js';
import type { MergeRecord, RunRecord } from '../study/records.js';
import type { StudyProblem, StudySnapshot } from '../study/snapshot.js';
import type { StaleRecords } from '../study/staleness.js';

/** What the composition root offers to every part of the extension, the panels included. */

/** A study folder of this workspace with what was last read from it. */
export interface Study {
  /** Absolute path; what jobs and git are given. */
  readonly directory: string;
  readonly uri: Uri;
  /** The study's own name, or its folder's. */
  readonly name: string;
  readonly snapshot: StudySnapshot;
  /** What no longer follows from the study, and why; found out after its records are shown. */
  readonly stale: StaleRecords;
}

export interface StudyRegistry {
  /** In the order of their paths. Empty until the first reading has ended. */
  readonly studies: readonly Study[];
  /** false until the workspace has been looked through once. */
  readonly ready: boolean;
  /** Resolves when it has been; the first who asks begins. Rejects where a folder can't be searched. */
  whenReady(): Promise<void>;
  /** The study of this folder, or that a file lies in. */
  find(fileOrDirectory: string): Study | undefined;
  /** Reads anew; without a directory all of them. Watchers do it by themselves when files change. */
  refresh(directory?: string): Promise<void>;
  /** Directory of the study that was read anew, appeared or disappeared; '' once the workspace has been looked through first. */
  readonly onDidChange: Event<string>;
}

export type RuntimeState = ClientState;

export interface SubmitOptions {
  readonly priority?: JobPriority;
  /** Shown until the first progress arrives; default made from the request. */
  readonly title?: string;
  /** Default: the user's settings. */
  readonly compute?: DeviceSettings;
  /** true: the result is on screen anyway, so that its end is not announced. */
  readonly quiet?: boolean;
}

export interface RuntimeJobs {
  /** Jobs of this session and of the runtime that was joined, oldest first, ended ones included. */
  list(): readonly JobView[];
  get(id: string): JobView | undefined;
  /** Starts the runtime on first need. The same work asked for twice is one job. Rejects when not trusted. */
  submit(studyDirectory: string, request: JobRequest, options?: SubmitOptions): Promise<JobView>;
  /** Returns false if there was nothing to cancel. A cancelled tuning keeps its last validated checkpoint. */
  cancel(id: string): Promise<boolean>;
  /** Resolves when the job has ended, in whatever state. */
  finished(id: string): Promise<JobView>;
  readonly onDidUpdate: Event<JobView>;
  readonly state: RuntimeState;
  readonly onDidChangeState: Event<RuntimeState>;
  /** What the last engine opened; null before. */
  readonly device: DeviceReport | null;
  devices(): Promise<readonly DeviceReport[]>;
  check(studyDirectory: string): Promise<readonly StudyProblem[]>;
  inspect(params: InspectParams): Promise<CheckpointSummary>;
}

export interface Services {
  readonly studies: StudyRegistry;
  readonly jobs: RuntimeJobs;
  readonly log: LogOutputChannel;
  /** What people arranged, per workspace. Keys are in identifiers.ts. */
  readonly memory: Memento;
  readonly trusted: () => boolean;
  /** Opens the JSON of a record. */
  openRecord(study: Study, record: RunRecord | MergeRecord): Promise<void>;
  /** Opens a checkpoint in its viewer, compared with another if given. Paths relative to the study, or absolute. */
  openCheckpoint(study: Study, path: string, compareWith?: string): Promise<void>;
  /** Opens the log of a job, following it while it runs. */
  openJobLog(jobId: string): Promise<void>;
  /** Opens the log of the job that did a run, in this window or another. */
  openRunLog(study: Study, run: RunRecord): Promise<void>;
  /** Opens the data file of a task's split. */
  openData(study: Study, task: string, split?: 'train' | 'dev' | 'test'): Promise<void>;
  /** Shows a commit (message and diff) as a read-only document. */
  openCommit(study: Study, commit: string): Promise<void>;
  /** The repository the study lies in; undefined without one, without git or in an untrusted workspace. */
  repositoryOf(study: Study): Promise<SimpleGit | undefined>;
  /** Shows an error with its remedy and a way to the log, and logs it. */
  showError(error: unknown, jobId?: string): void;
}
