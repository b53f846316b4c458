import { randomBytes } from 'node:crypto';
import path from 'node:path';
import {
  window,
  workspace,
  RelativePattern,
  Uri,
  type CustomDocument,
  type CustomReadonlyEditorProvider,
  type Disposable,
  type WebviewPanel,
} from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import { relativeToStudy } from '../../study/paths.js';
import type { MergeRecord, RunRecord } from '../../study/records.js';
import { CHECKPOINT_EDITOR } from '../identifiers.js';
import type { Services } from '../services.js';
import { STRINGS } from '../strings.js';
import { comparedWith } from './checkpoint-uri.js';
import { withLocalFile } from './local-file.js';
import { renderMessage, renderPage, renderRecord } from './page.js';

/** Shows a delta checkpoint read-only. The file is read in the runtime: norms of millions of numbers are work. */
export class CheckpointEditor implements CustomReadonlyEditorProvider {
  constructor(private readonly services: Services) {}

  static register(services: Services): Disposable {
    return window.registerCustomEditorProvider(CHECKPOINT_EDITOR, new CheckpointEditor(services), {
      supportsMultipleEditorsPerDocument: true,
      webviewOptions: { enableFindWidget: true },
    });
  }

  openCustomDocument(uri: Uri): CustomDocument {
    return { uri, dispose: () => undefined };
  }

  async resolveCustomEditor({ uri }: CustomDocument, panel: WebviewPanel): Promise<void> {
    panel.webview.options = { enableScripts: false, localResourceRoots: [] };
    const show = (): Promise<void> => this.show(uri, panel);
    const folder = Uri.file(path.dirname(uri.fsPath));
    const watcher = workspace.createFileSystemWatcher(new RelativePattern(folder, path.basename(uri.fsPath)));
    watcher.onDidChange(() => void show());
    watcher.onDidCreate(() => void show());
    const trusted = workspace.onDidGrantWorkspaceTrust(() => void show());
    panel.onDidDispose(() => {
      watcher.dispose();
      trusted.dispose();
    });
    await show();
  }

  private async show(uri: Uri, panel: WebviewPanel): Promise<void> {
    const { webview } = panel;
    const nonce = randomBytes(16).toString('base64');
    const fileName = path.basename(uri.fsPath);
    const other = comparedWith(uri);
    // An editor that comes back with the window is asked before the records are read.
    await this.services.studies.whenReady().catch(() => undefined);
    if (!this.services.trusted()) {
      // What the study's records say can be browsed; reading the file needs the runtime process.
      webview.html = renderRecord(fileName, this.recordOf(uri), STRINGS.editor.untrusted, nonce);
      return;
    }
    webview.html = renderMessage(fileName, STRINGS.editor.reading, nonce);
    try {
      const summary = await withLocalFile(uri, (file) =>
        this.services.jobs.inspect({ file, ...(other === undefined ? {} : { compareWith: other }) }),
      );
      webview.html = renderPage(
        {
          summary,
          record: this.recordOf(uri),
          fileName,
          otherName: other === undefined ? undefined : path.basename(other),
        },
        nonce,
      );
    } catch (error) {
      this.services.log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
      const message = error instanceof DeltaloomError ? error.line : String(error);
      webview.html = renderMessage(fileName, message, nonce);
    }
  }

  /** A record is about the file that is there now, not about an earlier version of it. */
  private recordOf({ scheme, fsPath }: Uri): RunRecord | MergeRecord | undefined {
    const study = scheme === 'file' ? this.services.studies.find(fsPath) : undefined;
    if (study === undefined) return undefined;
    const relative = relativeToStudy(study.directory, fsPath);
    const { runs, merges } = study.snapshot;
    return (
      runs.find(({ kind, checkpoint }) => kind === 'tune' && checkpoint?.path === relative) ??
      merges.find(({ checkpoint }) => checkpoint.path === relative)
    );
  }
}
