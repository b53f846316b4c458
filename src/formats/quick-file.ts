import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { DeltaloomError } from '../core/errors.js';
import { explainReadError, fileTooShort } from './binary-file.js';

const readDescriptor = promisify(read);
/** One read call stays below the 2 GiB limit of the operating systems. */
const LARGEST_READ = 1 << 30;

/**
 * A file opened for reading, for whoever goes through hundreds of them: it is opened, closed and its header read with
 * blocking calls, which take a tenth of the time of going through Node's thread pool, and large reads go through the pool
 * with as little as possible around them. Otherwise {@link BinaryFile} is the one to use: it closes itself.
 */
export class QuickFile {
  private constructor(
    readonly file: string,
    readonly size: number,
    private readonly descriptor: number,
  ) {}

  /** @throws DeltaloomError `file-missing`, `file-is-folder` or `file-unreadable` */
  static open(file: string): QuickFile {
    const descriptor = openDescriptor(file);
    const status = fstatSync(descriptor);
    if (status.isFile()) return new QuickFile(file, status.size, descriptor);
    closeSync(descriptor);
    throw new DeltaloomError('file-is-folder', 'This is not a regular file.', { place: { file } });
  }

  /** No read may be under way: its descriptor could be another file's by the time it is done. */
  close(): void {
    closeSync(this.descriptor);
  }

  /** The first bytes, or as many as there are. */
  head(length: number): Buffer {
    const bytes = Buffer.alloc(Math.min(length, this.size));
    return bytes.subarray(0, readSync(this.descriptor, bytes, 0, bytes.length, 0));
  }

  /** Fills `bytes` from the file's byte `offset` on. Throws `file-truncated` where the file ends before. */
  async readInto(bytes: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const length = Math.min(bytes.length - done, LARGEST_READ);
      const { bytesRead } = await readDescriptor(this.descriptor, bytes, done, length, offset + done);
      if (bytesRead === 0) throw fileTooShort(this.file, this.size, offset, bytes.length);
      done += bytesRead;
    }
  }
}

function openDescriptor(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    throw explainReadError(error, file);
  }
}
