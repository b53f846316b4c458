import { watch, type FSWatcher } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';

/** Folders below `.deltaloom` that hold what people look at: each with one level of folders, by task or delta. */
const WATCHED = ['runs', 'scores', 'merges', 'checkpoints'];

/**
 * Watches the folders of a study with the system's own, non-recursive watches. VS Code's watchers come on top where they
 * work: some remote servers are built without the native part they need, and then say nothing at all.
 */
export class DirectoryWatch {
  private readonly watches = new Map<string, FSWatcher>();
  private disposed = false;

  constructor(
    private readonly changed: () => void,
    private readonly log: (line: string) => void,
  ) {}

  /** Watches exactly these folders from now on. Call it after each reading: folders come and go with tasks. */
  sync(folders: Iterable<string>): void {
    if (this.disposed) return;
    const wanted = new Set(folders);
    for (const [folder, watcher] of this.watches) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.watches.delete(folder);
    }
    for (const folder of wanted) {
      if (this.watches.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, (_event, name) => {
          // Files written aside on the way to their place, locks and logs are nobody's news.
          if (name === null || !/(\.tmp|\.log|^lock.*)$/.test(name)) this.changed();
        });
        watcher.on('error', () => this.forget(folder));
        this.watches.set(folder, watcher);
      } catch (error) {
        this.log(`${folder} can't be watched: ${String(error)}`);
      }
    }
  }

  dispose(): void {
    this.disposed = true;
    for (const watcher of this.watches.values()) watcher.close();
    this.watches.clear();
  }

  private forget(folder: string): void {
    this.watches.get(folder)?.close();
    this.watches.delete(folder);
    this.changed();
  }
}

/** The folders of a study in which a change is to be noticed. */
export async function foldersToWatch(directory: string, tasks: string | undefined): Promise<string[]> {
  const data = path.join(directory, '.deltaloom');
  const parents = [
    ...WATCHED.map((name) => path.join(data, name)),
    ...(tasks === undefined ? [] : [path.resolve(directory, tasks)]),
  ];
  const found = [directory];
  const present = await foldersIn(directory);
  if (present.includes(data)) found.push(data);
  for (const parent of parents) {
    const inside = await foldersIn(parent).catch(() => undefined);
    if (inside !== undefined) found.push(parent, ...inside);
  }
  return found;
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => path.join(folder, name));
}
