import { Uri, window, workspace, type Disposable, type TextDocumentContentProvider } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import { openRepository } from '../../study/repository.js';
import { STRINGS } from '../strings.js';

const SCHEME = 'deltaloom-commit';

/** A commit, message and changes, as a read-only document that VS Code colours as a diff. */
export class CommitDocuments implements TextDocumentContentProvider, Disposable {
  /** Of the documents that are being opened. */
  private readonly texts = new Map<string, string>();
  private readonly registration = workspace.registerTextDocumentContentProvider(SCHEME, this);

  constructor(private readonly trusted: () => boolean) {}

  /**
   * @param directory of a study in the commit's repository
   * @throws DeltaloomError where there is no repository, or none that may be read
   */
  async show(directory: string, commit: string): Promise<void> {
    const uri = commitUri({ directory, commit });
    // Read here, where an error can still be told as one.
    this.texts.set(uri.toString(), await this.read(directory, commit));
    try {
      await window.showTextDocument(await workspace.openTextDocument(uri), { preview: true });
    } finally {
      this.texts.delete(uri.toString());
    }
  }

  async provideTextDocumentContent(uri: Uri): Promise<string> {
    const known = this.texts.get(uri.toString());
    if (known !== undefined) return known;
    // It came back with the window.
    const { directory, commit } = commitIn(uri);
    try {
      return await this.read(directory, commit);
    } catch (error) {
      return error instanceof DeltaloomError ? error.line : String(error);
    }
  }

  dispose(): void {
    this.registration.dispose();
  }

  private async read(directory: string, commit: string): Promise<string> {
    // A repository's own configuration can name programs that git runs.
    if (!this.trusted()) throw new DeltaloomError('untrusted', STRINGS.messages.untrusted);
    const { git } = await openRepository(directory);
    try {
      // '--end-of-options': what a record says is a commit must never be read as an option.
      return await git.raw(['show', '--stat', '--patch', '--no-color', '--end-of-options', commit]);
    } catch (cause) {
      const { commitGone, commitGoneRemedy } = STRINGS.messages;
      throw new DeltaloomError('commit-missing', commitGone(commit.slice(0, 7)), {
        place: { file: directory },
        remedy: commitGoneRemedy,
        cause,
      });
    }
  }
}

interface ShownCommit {
  readonly directory: string;
  readonly commit: string;
}

function commitUri({ directory, commit }: ShownCommit): Uri {
  const query = new URLSearchParams({ directory, commit }).toString();
  return Uri.from({ scheme: SCHEME, path: `/${commit.slice(0, 7)}.diff`, query });
}

function commitIn({ query }: Uri): ShownCommit {
  const values = new URLSearchParams(query);
  return { directory: values.get('directory') ?? '', commit: values.get('commit') ?? '' };
}
