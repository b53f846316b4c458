import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { contains } from './folders.js';

/**
 * A folder that this window opens in the next one, to be shown there. Kept in a file, since VS Code stores what an extension
 * remembers too late for a window that closes at once.
 */
export class Arrival {
  private readonly file: string;

  /** @param storage the extension's folder for all windows; may not exist yet */
  constructor(storage: string) {
    this.file = path.join(storage, 'arrival.json');
  }

  /** The folder is about to be opened. */
  async announce(folder: string): Promise<void> {
    await mkdir(path.dirname(this.file), { recursive: true });
    await writeFile(this.file, JSON.stringify({ folder }));
  }

  /** Whether one of these folders was announced; true once. */
  async claim(folders: readonly string[]): Promise<boolean> {
    const text = await readFile(this.file, 'utf8').catch(() => null);
    if (text === null) return false;
    const announced = folderIn(text);
    const here =
      announced !== null &&
      folders.some((folder) => contains(folder, announced) && contains(announced, folder));
    if (here || announced === null) await rm(this.file, { force: true });
    return here;
  }
}

function folderIn(text: string): string | null {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null && 'folder' in json && typeof json.folder === 'string') {
      return json.folder;
    }
  } catch {
    // Half written: as good as none.
  }
  return null;
}
