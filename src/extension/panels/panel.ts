import type { Disposable } from 'vscode';
import { ViewColumn, window, type Uri, type WebviewPanel } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import type { Services, Study } from '../services.js';
import { STRINGS } from '../strings.js';
import { answerRequest } from './answers.js';
import type { Arrangements } from './arrangements.js';
import { jobStatus } from './job-status.js';
import type { LiveCurves } from './live-curves.js';
import {
  pageMessageSchema,
  REQUESTS,
  type Arrangement,
  type Failure,
  type HostMessage,
  type PanelKind,
  type RequestKind,
} from './messages.js';
import { panelPage } from './page.js';
import type { StudyViews } from './study-views.js';

export interface PanelSurroundings {
  readonly extension: Uri;
  readonly services: Services;
  readonly views: StudyViews;
  readonly curves: LiveCurves;
  readonly arrangements: Arrangements;
  /** Where documents are opened from a panel. */
  readonly beside?: ViewColumn;
  /** Opens another panel of the same study. */
  readonly open: (kind: PanelKind, study: Study, patch: Partial<Arrangement>) => void;
}

/** One panel: its page, the study it shows, and what is pushed to it. */
export class Panel implements Disposable {
  private ready = false;
  private readonly pending: Partial<Arrangement>[] = [];
  private readonly disposables: Disposable[] = [];

  /**
   * @param directory of the study; null: the first there is, once studies have been looked for
   * @param restored how it was arranged before a restart
   */
  constructor(
    readonly kind: PanelKind,
    private readonly panel: WebviewPanel,
    public directory: string | null,
    private readonly around: PanelSurroundings,
    private restored: Arrangement | null = null,
  ) {
    const { services, extension, curves } = around;
    // One that comes back before the studies have been read has kept its title.
    if (this.study !== undefined) panel.title = this.title;
    panel.webview.options = { enableScripts: true, localResourceRoots: [extension] };
    this.disposables.push(
      panel.webview.onDidReceiveMessage((message: unknown) => {
        void this.receive(message).catch((error: unknown) => services.showError(error));
      }),
      services.studies.onDidChange((directory) => {
        // A panel that came back before the studies had been read waits for the first look, which names none.
        if (this.directory === null || ['', this.directory].includes(directory)) void this.pushStudy();
      }),
      services.jobs.onDidUpdate((job) => {
        if (job.study !== this.directory) return;
        this.post({ type: 'job', job: jobStatus(job) });
        const curve =
          this.kind === 'curves'
            ? curves.of(job.study).find(({ id }) => id.endsWith(`/${job.progress?.runId}`))
            : undefined;
        if (curve !== undefined) this.post({ type: 'curve', curve });
      }),
      panel.onDidChangeViewState(() => {
        // Commits may have been made elsewhere meanwhile. The page of a hidden panel is gone, and what is posted to it too.
        if (panel.visible) void this.pushStudy();
        else this.ready = false;
      }),
    );
    panel.webview.html = panelPage(panel.webview, extension, kind, this.title);
  }

  /** @param beside another panel, in whose group this one opens; undefined: beside the code */
  static open(kind: PanelKind, directory: string, around: PanelSurroundings, beside?: Panel): Panel {
    // Beside without an editor would open an empty group and the panel right of it.
    const nothingOpen = window.tabGroups.all.every(({ tabs }) => tabs.length === 0);
    const column = beside?.panel.viewColumn ?? (nothingOpen ? ViewColumn.Active : ViewColumn.Beside);
    // The whole title at once: after a reload VS Code shows the one that the panel was made with until it is looked at.
    const study = around.services.studies.studies.find((each) => each.directory === directory);
    const panel = window.createWebviewPanel(viewType(kind), titleOf(kind, study), column, {
      enableScripts: true,
    });
    return new Panel(kind, panel, directory, around);
  }

  /** Shows the panel, with parts of its arrangement changed. */
  show(patch: Partial<Arrangement>): void {
    this.panel.reveal(undefined, true);
    if (this.ready) this.post({ type: 'arrange', patch });
    else this.pending.push(patch);
  }

  onDidDispose(listener: () => void): void {
    this.panel.onDidDispose(() => {
      this.dispose();
      listener();
    });
  }

  dispose(): void {
    this.ready = false;
    for (const disposable of this.disposables.splice(0)) disposable.dispose();
  }

  /** The person is on it. */
  get active(): boolean {
    return this.panel.active;
  }

  /** false: closed or behind another tab of its group. */
  get visible(): boolean {
    return this.panel.visible;
  }

  private get title(): string {
    return titleOf(this.kind, this.study);
  }

  private get study(): Study | undefined {
    const { studies } = this.around.services.studies;
    if (this.directory === null) return studies[0];
    return studies.find(({ directory }) => directory === this.directory);
  }

  private post(message: HostMessage): void {
    if (this.ready) void this.panel.webview.postMessage(message);
  }

  private async receive(raw: unknown): Promise<void> {
    const message = pageMessageSchema.parse(raw);
    switch (message.type) {
      case 'ready':
        // A page that was hidden starts anew: everything is sent again.
        this.ready = true;
        if (this.restored !== null) this.post({ type: 'restore', arrangement: this.restored });
        this.restored = null;
        await this.pushStudy();
        for (const patch of this.pending.splice(0)) this.post({ type: 'arrange', patch });
        for (const job of this.around.services.jobs.list()) {
          if (job.study === this.directory) this.post({ type: 'job', job: jobStatus(job) });
        }
        break;
      case 'arranged':
        await this.around.arrangements.keep(this.kind, message.arrangement);
        break;
      case 'request':
        await this.answer(message.id, message.kind, message.parameters);
        break;
    }
  }

  private async answer(id: number, kind: string, parameters: unknown): Promise<void> {
    try {
      if (!Object.hasOwn(REQUESTS, kind))
        throw new Error(`The panel asked for '${kind}', which nobody offers.`);
      const study = this.study;
      if (study === undefined) {
        throw new DeltaloomError('study-gone', 'The study of this panel is no longer in the workspace.', {
          remedy: 'Open its folder again.',
        });
      }
      // What is opened from here must not cover the panel.
      const beside = this.panel.viewColumn === ViewColumn.One ? ViewColumn.Beside : ViewColumn.One;
      const value = await answerRequest(kind as RequestKind, parameters, study, { ...this.around, beside });
      this.post({ type: 'answer', id, ok: true, value });
    } catch (error) {
      this.post({ type: 'answer', id, ok: false, error: failure(error) });
      if (!(error instanceof DeltaloomError))
        this.around.services.log.error(error instanceof Error ? error : String(error));
    }
  }

  /** Sends the study as it is now, and with it the wish to ask for the history again. */
  async pushStudy(): Promise<void> {
    const { services, views } = this.around;
    if (!services.studies.ready) return;
    const study = this.study;
    if (study !== undefined) {
      this.directory = study.directory;
      this.panel.title = this.title;
    }
    // Hidden again before its page was there: it will say so when it is looked at.
    if (!this.ready) return;
    this.post({ type: 'study', study: study === undefined ? null : await views.study(study, null) });
  }
}

function titleOf(kind: PanelKind, study: Study | undefined): string {
  const title = STRINGS.panels.titles[kind];
  return study === undefined ? title : `${title}: ${study.name}`;
}

export function viewType(kind: PanelKind): string {
  return `deltaloom.${kind}`;
}

function failure(error: unknown): Failure {
  if (error instanceof DeltaloomError) {
    const { code, message, remedy } = error;
    return { code, message, ...(remedy === undefined ? {} : { remedy }) };
  }
  return {
    code: 'unexpected',
    message: error instanceof Error ? error.message : String(error),
    remedy: STRINGS.panels.unexpectedRemedy,
  };
}
