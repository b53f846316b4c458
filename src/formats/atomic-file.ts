import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DeltaloomError } from '../core/errors.js';

const WRITE_REMEDIES: Readonly<Record<string, { code: string; message: string; remedy: string }>> = {
  ENOSPC: {
    code: 'disk-full',
    message: 'The disk is full; nothing was changed.',
    remedy: 'Free some space and run the command again.',
  },
  EDQUOT: {
    code: 'disk-full',
    message: 'The disk quota is used up; nothing was changed.',
    remedy: 'Free some space and run the command again.',
  },
  EROFS: {
    code: 'folder-not-writable',
    message: 'The file system is read-only.',
    remedy: 'Choose a folder that can be written.',
  },
  EACCES: {
    code: 'folder-not-writable',
    message: 'No permission to write here.',
    remedy: 'Change the permissions of the folder or choose another.',
  },
  EPERM: {
    code: 'folder-not-writable',
    message: 'No permission to write here.',
    remedy: 'Change the permissions of the folder or choose another.',
  },
  ENOTDIR: {
    code: 'folder-not-writable',
    message: 'A part of this path is a file where a folder should be.',
    remedy: 'Move that file away.',
  },
};

/** The `code` of a Node system error, for example `ENOENT`; undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Turns the system's refusal to write a file into an error for people. */
export function explainWriteError(error: unknown, file: string): unknown {
  const known = WRITE_REMEDIES[systemErrorCode(error) ?? ''];
  if (known === undefined) return error;
  return new DeltaloomError(known.code, known.message, {
    place: { file },
    remedy: known.remedy,
    cause: error,
  });
}

/**
 * Replaces a file in one step: writes aside in the same folder (created when missing), fsyncs, renames, and fsyncs the folder.
 * A reader sees the old content or the new, never a part, whatever moment the process is killed at. A process that
 * dies before the rename leaves a file ending in `.tmp`, which nothing reads.
 *
 * `content` may be a function that writes through the handle, for content too large for memory.
 * Throws a DeltaloomError `disk-full` or `folder-not-writable` where the system says so.
 */
export async function writeFileAtomically(
  file: string,
  content: string | Uint8Array | ((handle: FileHandle) => Promise<void>),
): Promise<void> {
  const directory = dirname(file);
  const aside = join(directory, `.${basename(file)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
  try {
    await mkdir(directory, { recursive: true });
    const handle = await open(aside, 'wx');
    try {
      if (typeof content === 'function') await content(handle);
      else await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, file);
  } catch (error) {
    await unlink(aside).catch(() => undefined);
    throw explainWriteError(error, file);
  }
  await syncFolder(directory);
}

/** Makes a rename in this folder durable. Windows cannot open a folder for this, and needs it less. */
async function syncFolder(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems refuse to fsync a folder; the rename itself has happened.
    if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes(systemErrorCode(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/** SHA-256 of a file's content in lower-case hex, read as a stream. */
export async function sha256File(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Uint8Array);
  }
  return hash.digest('hex');
}
