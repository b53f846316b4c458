import type { SimpleGit } from 'simple-git';
import { Uri, window, workspace, type Disposable, type TextDocumentContentProvider } from 'vscode';

const SCHEME = 'deltaloom-commit';

/** A commit, message and changes, as a read-only document that VS Code colours as a diff. */
export class CommitDocuments implements TextDocumentContentProvider, Disposable {
  private readonly texts = new Map<string, string>();
  private readonly registration = workspace.registerTextDocumentContentProvider(SCHEME, this);

  async show(git: SimpleGit, commit: string): Promise<void> {
    // '--end-of-options': what a record says is a commit must never be read as an option.
    const text = await git.raw(['show', '--stat', '--patch', '--no-color', '--end-of-options', commit]);
    const uri = Uri.from({ scheme: SCHEME, path: `/${commit.slice(0, 7)}.diff` });
    this.texts.set(uri.toString(), text);
    await window.showTextDocument(await workspace.openTextDocument(uri), { preview: true });
  }

  provideTextDocumentContent(uri: Uri): string {
    return this.texts.get(uri.toString()) ?? '';
  }

  dispose(): void {
    this.registration.dispose();
  }
}
