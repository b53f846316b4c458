import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  commands,
  ProgressLocation,
  TabInputWebview,
  Uri,
  window,
  workspace,
  type ExtensionContext,
  type LogOutputChannel,
  type TreeItem,
} from 'vscode';
import { reviveError } from '../runtime/job-error.js';
import { hasEnded, type JobView } from '../runtime/protocol.js';
import type { StudyProblem } from '../study/snapshot.js';
import { CheckpointEditor } from './checkpoint-editor/editor.js';
import { dropOnto } from './commands/checkpoints.js';
import type { CommandEnvironment } from './commands/environment.js';
import { registerCommands } from './commands/register.js';
import { ContextKeys } from './context-keys.js';
import { EditorServices } from './editor-services.js';
import { CommitDocuments } from './git/commit-documents.js';
import { COMMANDS, MEMORY, SETTINGS, VIEWS, WALKTHROUGH } from './identifiers.js';
import { announcementOf } from './jobs/announcements.js';
import { percentOf } from './jobs/job-lines.js';
import { isLogInView, LogDocuments } from './jobs/log-documents.js';
import { EditorJobs } from './jobs/runtime-jobs.js';
import { StatusItem } from './jobs/status-item.js';
import { CheckedProblems, readingOf } from './problems/checked.js';
import { StudyDiagnostics } from './problems/diagnostics.js';
import type { Services, Study } from './services.js';
import { affects, readSettings } from './settings.js';
import { STRINGS } from './strings.js';
import { Arrival } from './studies/arrival.js';
import { WorkspaceStudies } from './studies/registry.js';
import { StalenessJudge } from './studies/staleness.js';
import { rowDecorations } from './tree/decorations.js';
import type { IndexedStudy } from './tree/nodes.js';
import { StudyView } from './tree/view.js';

/** How long a word in passing stands in the status bar. */
const IN_PASSING_MS = 8000;

/** The composition root: builds every part, connects them, and lets them go. */
export class DeltaloomExtension {
  readonly services: Services;
  private readonly log: LogOutputChannel;
  private readonly studies: WorkspaceStudies;
  private readonly jobs: EditorJobs;
  private readonly view: StudyView;
  private readonly status: StatusItem;
  private readonly contextKeys: ContextKeys;
  private readonly arrival: Arrival;
  private readonly diagnostics = new StudyDiagnostics();
  private readonly checked = new CheckedProblems();

  constructor(private readonly context: ExtensionContext) {
    const trusted = (): boolean => workspace.isTrusted;
    this.log = window.createOutputChannel(STRINGS.product, { log: true });
    const judge = new StalenessJudge(
      Uri.joinPath(context.extensionUri, 'dist', 'staleness.cjs').fsPath,
      trusted,
    );
    this.studies = new WorkspaceStudies(
      // Not with the activation's first turn: see `addPanels`.
      async (directory) => (await import('../study/snapshot.js')).readSnapshot(directory),
      (directory) => judge.judge(directory),
      (line) => this.log.debug(line),
    );
    this.jobs = new EditorJobs({
      runtimeFile: Uri.joinPath(context.extensionUri, 'dist', 'runtime.js').fsPath,
      studies: this.studies,
      trusted,
      memory: context.workspaceState,
      log: (level, line) => this.log[level](line),
    });
    const logs = new LogDocuments();
    const commits = new CommitDocuments(trusted);
    this.services = new EditorServices({
      studies: this.studies,
      jobs: this.jobs,
      log: this.log,
      memory: context.workspaceState,
      trusted,
      logs,
      commits,
    });
    this.contextKeys = new ContextKeys(context.workspaceState);
    this.arrival = new Arrival(context.globalStorageUri.fsPath);
    this.status = new StatusItem(this.jobs, trusted);
    this.view = new StudyView(
      this.studies,
      this.jobs,
      context.workspaceState,
      () => this.situationChanged(),
      (dragged, target) =>
        dropOnto(environment, dragged, target).catch((error: unknown) => this.services.showError(error)),
    );
    const environment: CommandEnvironment = {
      services: this.services,
      studies: this.studies,
      jobs: this.jobs,
      view: this.view,
      extensionUri: context.extensionUri,
      arrival: this.arrival,
      sourcesInUse: (directory, deltaName, tasks) => judge.sourcesInUse(directory, deltaName, tasks),
      checkStudy: (study) => this.check(study),
    };
    context.subscriptions.push(
      this.log,
      judge,
      this.studies,
      this.jobs,
      this.view,
      this.status,
      this.diagnostics,
      logs,
      commits,
      window.registerFileDecorationProvider(rowDecorations),
      // Empty on purpose: its welcome texts are the view.
      window.registerTreeDataProvider(VIEWS.nextStep, {
        getChildren: () => [],
        getTreeItem: (item: TreeItem) => item,
      }),
      CheckpointEditor.register(this.services),
      ...registerCommands(environment),
      this.studies.onDidChange((directory) => this.studyChanged(directory)),
      this.jobs.onDidUpdate((job) => this.jobUpdated(job)),
      this.jobs.onDidChangeState((state) => {
        if (state.kind === 'broken') this.log.error(state.reason);
        this.situationChanged();
      }),
      this.jobs.onDidLog(({ id, line }) => {
        this.log.info(`[${id}] ${line}`);
        const job = this.jobs.get(id);
        if (job !== undefined) logs.grew(job.logFile);
      }),
      window.tabGroups.onDidChangeTabs(({ opened }) => {
        if (opened.length > 0) this.tabsOpened();
      }),
      workspace.onDidGrantWorkspaceTrust(() => {
        this.situationChanged();
        void this.join();
      }),
      workspace.onDidSaveTextDocument(({ fileName }) => {
        const study = fileName.endsWith('deltaloom.json') ? this.studies.find(fileName) : undefined;
        if (study !== undefined && trusted())
          void this.checkSaved(study).catch((error: unknown) => this.log.warn(String(error)));
      }),
      workspace.onDidChangeConfiguration((event) => {
        if (affects(event, SETTINGS.studyFolder)) void this.studies.refresh();
        if (affects(event, SETTINGS.outliveWindow) || affects(event, SETTINGS.memoryLimit)) {
          void this.jobs.settingsChanged();
        }
      }),
    );
    this.tabsOpened();
    void this.begin();
  }

  /** In turns of their own: the schemas of records and panels with the rest would hold the editor for too long. */
  async addPanels(): Promise<void> {
    await nextTurn();
    await import('../study/snapshot.js');
    await nextTurn();
    const { registerPanels } = await import('./panels/index.js');
    registerPanels(this.context, this.services);
  }

  end(): Promise<void> {
    return this.jobs.end();
  }

  /** What may take its time: `activate` does not wait for it. */
  private async begin(): Promise<void> {
    try {
      await this.studies.whenReady();
      const folders = (workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
      if (await this.arrival.claim(folders)) await this.showStart();
      await this.join();
    } catch (error) {
      this.log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  /** To somebody who has just opened the sample study: the tasks, and what to do with them. */
  private async showStart(): Promise<void> {
    await commands.executeCommand(`${VIEWS.studies}.focus`);
    await commands.executeCommand('workbench.action.openWalkthrough', WALKTHROUGH);
  }

  /** A runtime that outlived the last window is joined; none is started. */
  private async join(): Promise<void> {
    if (workspace.isTrusted) await this.jobs.joinIfRunning();
  }

  private async check({ directory }: Study): Promise<readonly StudyProblem[]> {
    const before = this.indexed(directory);
    let problems = await this.jobs.check(directory);
    let now = this.indexed(directory);
    if (before !== undefined && now !== undefined && readingOf(before) !== readingOf(now)) {
      // Of a study that has changed meanwhile it would bring back what was mended.
      problems = await this.jobs.check(directory);
      now = this.indexed(directory);
    }
    if (now !== undefined) {
      await this.checked.remember(now, problems);
      await this.showProblems(directory);
    }
    return problems;
  }

  /** What was saved is read first: read later, it would look as if it had changed since the check. */
  private async checkSaved(study: Study): Promise<void> {
    await this.studies.refresh(study.directory);
    await this.check(study);
  }

  private async showProblems(directory: string): Promise<void> {
    const owner = this.indexed(directory);
    if (owner === undefined) return;
    const checked = await this.checked.current(owner);
    const { study } = owner;
    // What was read anew meanwhile is shown by its own turn; what has gone is not shown any more.
    if (this.indexed(directory)?.study !== study) return;
    await this.diagnostics.update(study, merged(study.snapshot.problems, checked));
  }

  private indexed(directory: string): IndexedStudy | undefined {
    return this.view.indexed().find(({ study }) => study.directory === directory);
  }

  private studyChanged(directory: string): void {
    if (this.indexed(directory) === undefined) {
      this.checked.forget(directory);
      this.diagnostics.forget(directory);
    } else {
      void this.showProblems(directory);
    }
    this.situationChanged();
  }

  private tabsOpened(): void {
    this.situationChanged();
    // A walkthrough is one of the editors that the API does not name.
    const unnamed = window.tabGroups.all.some(({ tabs }) => tabs.some(({ input }) => input === undefined));
    if (unnamed) this.contextKeys.walkthroughOpened();
  }

  private situationChanged(): void {
    const studies = this.view.indexed();
    this.contextKeys.update({
      folders: workspace.workspaceFolders?.length ?? 0,
      ready: this.studies.ready,
      studies,
      backboneFound: (directory) => this.studies.backboneFound(directory),
      jobs: this.jobs.list(),
      state: this.jobs.state,
      arrangement: this.view.arrangement,
      checked: this.view.checkedCheckpoints().length,
      panels: openPanels(),
      remembersTuning: this.context.workspaceState.get(MEMORY.lastTuning) !== undefined,
    });
    this.status.update(studies.length > 0 || this.jobs.list().length > 0);
  }

  private jobUpdated(job: JobView): void {
    if (hasEnded(job.state)) {
      // The watcher would notice too, a moment later; a person who waits should not.
      void this.studies.refresh(job.study);
      this.announce(job);
      this.situationChanged();
    } else if (job.state === 'queued' || job.progress === null) {
      this.followShort(job);
      this.situationChanged();
    } else {
      this.status.update(true);
    }
  }

  private readonly followed = new Set<string>();

  /**
   * Short work shows its progress where the person is, with a way to cancel. Long work shows in tree, badge and status bar:
   * a progress of the view would hide the number on the badge.
   */
  private followShort(job: JobView): void {
    const { kind } = job.request;
    const short = kind === 'merge' || kind === 'evaluate';
    if (!short || this.followed.has(job.id) || !this.jobs.isAnnounced(job.id)) return;
    this.followed.add(job.id);
    void window.withProgress(
      { location: ProgressLocation.Notification, title: job.title, cancellable: true },
      async (progress, token) => {
        token.onCancellationRequested(() => void this.jobs.cancel(job.id));
        let shown = 0;
        const listening = this.jobs.onDidUpdate((view) => {
          if (view.id !== job.id) return;
          const percent = percentOf(view) ?? 0;
          progress.report({ message: view.progress?.label ?? '', increment: Math.max(0, percent - shown) });
          shown = Math.max(shown, percent);
        });
        await this.jobs.finished(job.id);
        listening.dispose();
      },
    );
  }

  private announce(job: JobView): void {
    const kind = announcementOf(job, {
      startedHere: this.jobs.isAnnounced(job.id),
      looking: window.state.focused && this.view.view.visible,
      reading: window.state.focused && isLogInView(job.logFile),
      level: readSettings().notifications,
    });
    const { openLog, reveal, failed, done } = STRINGS.messages;
    if (kind === 'failed' && job.error !== null) {
      const text = failed(job.title, reviveError(job.error).line);
      void window.showErrorMessage(text, openLog).then((choice) => {
        if (choice === openLog) void commands.executeCommand(COMMANDS.showLog, job.id);
      });
    } else if (kind === 'on-record') {
      window.setStatusBarMessage(done(job.title, job.outcome?.summary ?? ''), IN_PASSING_MS);
    } else if (kind === 'done') {
      const text = done(job.title, job.outcome?.summary ?? '');
      void window.showInformationMessage(text, reveal, openLog).then((choice) => {
        if (choice === openLog) void commands.executeCommand(COMMANDS.showLog, job.id);
        if (choice === reveal) void this.reveal(job);
      });
    }
  }

  private async reveal(job: JobView): Promise<void> {
    const { request } = job;
    const task =
      request.kind === 'tune' ? request.tasks[0] : 'target' in request ? request.target : undefined;
    await commands.executeCommand(`${VIEWS.studies}.focus`);
    if (task !== undefined) await this.view.revealTask(job.study, task);
  }
}

/** Kinds of the panels that stand in some tab. */
function openPanels(): string[] {
  const inputs = window.tabGroups.all.flatMap(({ tabs }) => tabs.map(({ input }) => input));
  return inputs.flatMap((input) =>
    input instanceof TabInputWebview ? (/deltaloom\.(\w+)$/.exec(input.viewType)?.[1] ?? []) : [],
  );
}

/** A finding that both the snapshot and the check have is shown once. */
function merged(snapshot: readonly StudyProblem[], checked: readonly StudyProblem[]): StudyProblem[] {
  const byKey = new Map(
    [...snapshot, ...checked].map((problem) => [
      `${problem.file}\n${problem.line ?? ''}\n${problem.code}\n${problem.message}`,
      problem,
    ]),
  );
  return [...byKey.values()];
}
