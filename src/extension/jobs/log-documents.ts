import {
  EventEmitter,
  Uri,
  window,
  workspace,
  type Disposable,
  type TextDocumentContentProvider,
} from 'vscode';
import { STRINGS } from '../strings.js';
import { readEnd } from './read-end.js';

const SCHEME = 'deltaloom-log';
/** Of a longer log the end is shown: that is where what happened stands. */
const SHOWN_BYTES = 2 * 1024 * 1024;
const FOLLOW_MS = 400;

/** The log of a job as a read-only document that follows the file while it grows. */
export class LogDocuments implements TextDocumentContentProvider, Disposable {
  private readonly changed = new EventEmitter<Uri>();
  private readonly disposables: { dispose(): unknown }[] = [
    this.changed,
    workspace.registerTextDocumentContentProvider(SCHEME, this),
  ];
  private readonly pending = new Map<string, NodeJS.Timeout>();
  readonly onDidChange = this.changed.event;

  /** A line was written: an open document is read again soon. */
  grew(file: string): void {
    if (this.pending.has(file)) return;
    this.pending.set(
      file,
      setTimeout(() => {
        this.pending.delete(file);
        this.changed.fire(logUri(file));
      }, FOLLOW_MS),
    );
  }

  async show(file: string): Promise<void> {
    const document = await workspace.openTextDocument(logUri(file));
    await window.showTextDocument(document, { preview: true });
  }

  async provideTextDocumentContent(uri: Uri): Promise<string> {
    const text = await readEnd(uri.query === '' ? uri.fsPath : uri.query, SHOWN_BYTES);
    // The first line makes the file, and the document is read again then.
    return text ?? STRINGS.jobs.nothingLogged;
  }

  dispose(): void {
    for (const timer of this.pending.values()) clearTimeout(timer);
    for (const disposable of this.disposables) disposable.dispose();
  }
}

/** The file's own path stands in the query, so that a Windows path survives as it is. */
function logUri(file: string): Uri {
  const name = file.split(/[\\/]/).at(-1) ?? 'job.log';
  return Uri.from({ scheme: SCHEME, path: `/${name}`, query: file });
}

export function isLogInView(file: string): boolean {
  const uri = logUri(file).toString();
  return window.visibleTextEditors.some(({ document }) => document.uri.toString() === uri);
}
