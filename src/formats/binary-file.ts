import { open, type FileHandle } from 'node:fs/promises';
import { DeltaloomError } from '../core/errors.js';
import { systemErrorCode } from './atomic-file.js';

/** One read call stays below the 2 GiB limit of the operating systems. */
const LARGEST_READ = 1 << 30;

/** A file opened for reading at absolute offsets, whose size was taken when it was opened. */
export class BinaryFile {
  private constructor(
    readonly file: string,
    readonly size: number,
    private readonly handle: FileHandle,
  ) {}

  /**
   * Opens `file`, hands it to `use` and closes it whatever happens.
   * Throws a DeltaloomError `file-missing`, `file-is-folder`, `file-unreadable` or `file-not-fetched`.
   */
  static async use<Result>(file: string, use: (opened: BinaryFile) => Promise<Result>): Promise<Result> {
    const handle = await openForReading(file);
    try {
      const status = await handle.stat();
      if (!status.isFile()) {
        throw new DeltaloomError('file-is-folder', 'This is not a regular file.', { place: { file } });
      }
      const opened = new BinaryFile(file, status.size, handle);
      await refuseGitLfsPointer(opened);
      return await use(opened);
    } finally {
      await handle.close();
    }
  }

  /** The bytes [offset, offset + length). Throws `file-truncated` where the file ends before. */
  async read(offset: number, length: number): Promise<Buffer<ArrayBuffer>> {
    // Checked before allocating: a length that a header claims must not cost memory that the file does not have.
    if (offset < 0 || length < 0 || offset + length > this.size) throw this.truncated(offset, length);
    const bytes = Buffer.from(new ArrayBuffer(length));
    await this.readInto(bytes, offset);
    return bytes;
  }

  /** Fills `bytes` from the file's byte `offset` on. Throws `file-truncated` where the file ends before. */
  async readInto(bytes: Uint8Array, offset: number): Promise<void> {
    const { length } = bytes;
    if (offset < 0 || offset + length > this.size) throw this.truncated(offset, length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.handle.read(
        bytes,
        done,
        Math.min(length - done, LARGEST_READ),
        offset + done,
      );
      if (bytesRead === 0) throw this.truncated(offset, length);
      done += bytesRead;
    }
  }

  private truncated(offset: number, length: number): DeltaloomError {
    return fileTooShort(this.file, this.size, offset, length);
  }
}

const GIT_LFS_POINTER = 'version https://git-lfs.github.com/spec/';
const LONGEST_POINTER = 1024;

/** A repository that was cloned without Git LFS has a few lines of text in the place of every large file. */
async function refuseGitLfsPointer(opened: BinaryFile): Promise<void> {
  if (opened.size < GIT_LFS_POINTER.length || opened.size > LONGEST_POINTER) return;
  const start = await opened.read(0, GIT_LFS_POINTER.length);
  if (start.toString('latin1') !== GIT_LFS_POINTER) return;
  throw new DeltaloomError('file-not-fetched', 'This is a pointer of Git LFS, not the file itself.', {
    place: { file: opened.file },
    remedy: "Run 'git lfs pull' in its repository, or download the file.",
  });
}

/** What to throw when a file of `size` bytes has no `length` bytes at `offset`. */
export function fileTooShort(file: string, size: number, offset: number, length: number): DeltaloomError {
  return new DeltaloomError(
    'file-truncated',
    `The file ends too early: ${length} bytes were expected at byte ${offset}, and it has ${size} bytes in all.`,
    { place: { file }, remedy: 'Copy or download it again.' },
  );
}

async function openForReading(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (error) {
    throw explainReadError(error, file);
  }
}

/** Turns the system's refusal to open or read a file into an error for people. */
export function explainReadError(error: unknown, file: string): unknown {
  switch (systemErrorCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new DeltaloomError('file-missing', 'The file does not exist.', {
        place: { file },
        cause: error,
      });
    case 'EISDIR':
      return new DeltaloomError('file-is-folder', 'This is a folder, not a file.', {
        place: { file },
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
      return new DeltaloomError('file-unreadable', 'No permission to read the file.', {
        place: { file },
        remedy: 'Change its permissions.',
        cause: error,
      });
    default:
      return error;
  }
}
