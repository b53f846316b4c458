import { commands, Uri, window, type LogOutputChannel, type Memento } from 'vscode';
import type { SimpleGit } from 'simple-git';
import { DeltaloomError } from '../core/errors.js';
import { findRunLog } from '../runtime/job-log.js';
import { mergeRecordPath, resolveInStudy, runRecordPath } from '../study/paths.js';
import type { MergeRecord, RunRecord } from '../study/records.js';
import { openRepository } from '../study/repository.js';
import { checkpointUri } from './checkpoint-editor/checkpoint-uri.js';
import type { CommitDocuments } from './git/commit-documents.js';
import { CHECKPOINT_EDITOR, COMMANDS } from './identifiers.js';
import type { LogDocuments } from './jobs/log-documents.js';
import type { RuntimeJobs, Services, Study, StudyRegistry } from './services.js';
import { STRINGS } from './strings.js';

interface Parts {
  readonly studies: StudyRegistry;
  readonly jobs: RuntimeJobs;
  readonly log: LogOutputChannel;
  readonly memory: Memento;
  readonly trusted: () => boolean;
  readonly logs: LogDocuments;
  readonly commits: CommitDocuments;
}

/** The services as VS Code offers them. */
export class EditorServices implements Services {
  readonly studies: StudyRegistry;
  readonly jobs: RuntimeJobs;
  readonly log: LogOutputChannel;
  readonly memory: Memento;
  readonly trusted: () => boolean;

  constructor(private readonly parts: Parts) {
    ({
      studies: this.studies,
      jobs: this.jobs,
      log: this.log,
      memory: this.memory,
      trusted: this.trusted,
    } = parts);
  }

  async openRecord(study: Study, record: RunRecord | MergeRecord): Promise<void> {
    const file =
      record.format === 'deltaloom/merge'
        ? mergeRecordPath(record.target, record.id)
        : runRecordPath(record.task, record.id);
    await window.showTextDocument(Uri.file(resolveInStudy(study.directory, file)), { preview: true });
  }

  async openCheckpoint(study: Study, path: string, compareWith?: string): Promise<void> {
    const file = resolveInStudy(study.directory, path);
    const other = compareWith === undefined ? undefined : resolveInStudy(study.directory, compareWith);
    await commands.executeCommand('vscode.openWith', checkpointUri(file, other), CHECKPOINT_EDITOR);
  }

  async openJobLog(jobId: string): Promise<void> {
    const job = this.jobs.get(jobId);
    if (job === undefined) throw new DeltaloomError('no-log', STRINGS.messages.noLog);
    await this.parts.logs.show(job.logFile);
  }

  async openRunLog(study: Study, run: RunRecord): Promise<void> {
    const file = await findRunLog(study.directory, run.task, run.id);
    if (file === null) {
      throw new DeltaloomError('no-log', STRINGS.messages.noRunLog(run.id), {
        remedy: STRINGS.messages.noRunLogRemedy,
      });
    }
    await this.parts.logs.show(file);
  }

  async openData(study: Study, task: string, split?: 'train' | 'dev' | 'test'): Promise<void> {
    const data = study.snapshot.tasks.find(({ name }) => name === task)?.data ?? [];
    const splits = split === undefined ? (['dev', 'train', 'test'] as const) : [split];
    const [file] = splits.flatMap((each) => data.flatMap(({ files }) => files[each] ?? []));
    if (file === undefined) throw new DeltaloomError('no-data', STRINGS.messages.noDataFile(task));
    await window.showTextDocument(Uri.file(resolveInStudy(study.directory, file)), { preview: true });
  }

  async openCommit(study: Study, commit: string): Promise<void> {
    await this.parts.commits.show(study.directory, commit);
  }

  async repositoryOf(study: Study): Promise<SimpleGit | undefined> {
    // A repository's own configuration can name programs that git runs.
    if (!this.trusted()) return undefined;
    try {
      return (await openRepository(study.directory)).git;
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      this.log.info(`${study.directory}: ${error.line}`);
      return undefined;
    }
  }

  showError(error: unknown, jobId?: string): void {
    const message =
      error instanceof DeltaloomError ? error.line : error instanceof Error ? error.message : String(error);
    this.log.error(error instanceof Error ? (error.stack ?? message) : message);
    const { openLog, manageTrust } = STRINGS.messages;
    const untrusted = error instanceof DeltaloomError && error.code === 'untrusted';
    void window.showErrorMessage(message, untrusted ? manageTrust : openLog).then((choice) => {
      if (choice === manageTrust) void commands.executeCommand('workbench.trust.manage');
      if (choice === openLog) void commands.executeCommand(COMMANDS.showLog, jobId);
    });
  }
}
