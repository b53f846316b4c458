import { extensions, type Disposable, type Event, type Uri } from 'vscode';

/** What is used of the built-in git extension's API, version 1. */
interface GitRepository {
  readonly rootUri: Uri;
  readonly state: {
    readonly HEAD: { readonly commit?: string; readonly name?: string } | undefined;
    readonly onDidChange: Event<void>;
  };
}
interface GitApi {
  readonly repositories: readonly GitRepository[];
  readonly onDidOpenRepository: Event<GitRepository>;
  readonly onDidCloseRepository: Event<GitRepository>;
}
interface GitExports {
  readonly enabled: boolean;
  getAPI(version: 1): GitApi;
}

/**
 * Calls back when a commit or a checkout, made by whatever program, moves a repository's HEAD: records need not change on
 * disk then. Without VS Code's git extension nothing is called; panels ask git themselves when they come to the front.
 */
export class HeadWatch implements Disposable {
  private readonly disposables: Disposable[] = [];
  private readonly watched = new Map<GitRepository, Disposable>();
  private begun = false;
  private disposed = false;

  /** @param moved is told the repository's top folder */
  constructor(
    private readonly moved: (root: string) => void,
    log: (line: string) => void,
  ) {
    const begin = (): void => {
      this.begin().catch((error: unknown) => log(`Commits are not watched: ${String(error)}`));
    };
    // In an untrusted workspace the git extension is not there; it comes with the trust, or when it is enabled.
    this.disposables.push(extensions.onDidChange(begin));
    begin();
  }

  dispose(): void {
    this.disposed = true;
    for (const disposable of [...this.disposables.splice(0), ...this.watched.values()]) disposable.dispose();
    this.watched.clear();
  }

  private async begin(): Promise<void> {
    const extension = extensions.getExtension<GitExports>('vscode.git');
    if (extension === undefined || this.begun) return;
    this.begun = true;
    const exports = extension.isActive ? extension.exports : await extension.activate();
    if (!exports.enabled || this.disposed) return;
    const git = exports.getAPI(1);
    for (const repository of git.repositories) this.watch(repository);
    this.disposables.push(
      git.onDidOpenRepository((repository) => this.watch(repository)),
      git.onDidCloseRepository((repository) => {
        this.watched.get(repository)?.dispose();
        this.watched.delete(repository);
      }),
    );
  }

  private watch(repository: GitRepository): void {
    if (this.watched.has(repository)) return;
    let known = headOf(repository);
    this.watched.set(
      repository,
      // The state also changes with every file that is saved.
      repository.state.onDidChange(() => {
        const head = headOf(repository);
        if (head === known) return;
        known = head;
        this.moved(repository.rootUri.fsPath);
      }),
    );
  }
}

function headOf({ state }: GitRepository): string {
  return `${state.HEAD?.name ?? ''} ${state.HEAD?.commit ?? ''}`;
}
