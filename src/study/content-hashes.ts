import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { sha256File, writeFileAtomically } from '../formats/atomic-file.js';
import { explainReadError } from '../formats/binary-file.js';
import { cachePath } from './paths.js';

const entrySchema = z.object({
  size: z.number(),
  mtimeMs: z.number(),
  /** Of the inode: a copy that keeps the old time of change betrays itself here. */
  ctimeMs: z.number(),
  inode: z.number(),
  sha256: z.string(),
});
const cacheSchema = z.record(z.string(), entrySchema);
type Entry = z.infer<typeof entrySchema>;

/** A file changed within this time of its hashing may change again without a new time stamp, so it isn't remembered. */
const SETTLED_MS = 2000;

/**
 * SHA-256 of files, remembered by size, times of change and inode, so that a study whose inputs are unchanged is recognised
 * without reading gigabytes again.
 */
export class ContentHashes {
  private entries: Map<string, Entry> | null = null;
  private changed = false;

  constructor(private readonly directory: string) {}

  /** @throws DeltaloomError `file-missing`, `file-is-folder` or `file-unreadable` naming the file */
  async of(file: string): Promise<string> {
    const entries = await this.load();
    const before = await statOf(file);
    const known = entries.get(file);
    if (known !== undefined && isSame(known, before)) return known.sha256;
    const sha256 = await sha256File(file).catch((error: unknown) => {
      throw explainReadError(error, file);
    });
    if (Date.now() - Math.max(before.mtimeMs, before.ctimeMs) > SETTLED_MS) {
      entries.set(file, { ...before, sha256 });
      this.changed = true;
    }
    return sha256;
  }

  /** Keeps what was learnt; a cache that can't be written is no error. */
  async save(): Promise<void> {
    if (!this.changed || this.entries === null) return;
    this.changed = false;
    const sorted = Object.fromEntries([...this.entries].sort(([a], [b]) => (a < b ? -1 : 1)));
    await writeFileAtomically(this.file, JSON.stringify(sorted)).catch(() => undefined);
  }

  private get file(): string {
    return join(this.directory, cachePath('hashes.json'));
  }

  private async load(): Promise<Map<string, Entry>> {
    if (this.entries !== null) return this.entries;
    let entries: Record<string, Entry> = {};
    try {
      const parsed = cacheSchema.safeParse(JSON.parse(await readFile(this.file, 'utf8')));
      if (parsed.success) entries = parsed.data;
    } catch {
      // No cache, or a damaged one: everything is hashed anew.
    }
    this.entries = new Map(Object.entries(entries));
    return this.entries;
  }
}

type FileState = Omit<Entry, 'sha256'>;

function isSame(known: FileState, now: FileState): boolean {
  return (
    known.size === now.size &&
    known.mtimeMs === now.mtimeMs &&
    known.ctimeMs === now.ctimeMs &&
    known.inode === now.inode
  );
}

async function statOf(file: string): Promise<FileState> {
  try {
    const { size, mtimeMs, ctimeMs, ino } = await stat(file);
    return { size, mtimeMs, ctimeMs, inode: ino };
  } catch (error) {
    throw explainReadError(error, file);
  }
}
