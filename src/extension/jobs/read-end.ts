import { open } from 'node:fs/promises';

/** The last bytes of a file, from the beginning of a line; null where there is no file. */
export async function readEnd(file: string, bytes: number): Promise<string | null> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) return null;
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, bytes);
    const buffer = Buffer.alloc(length);
    await handle.read(buffer, 0, length, size - length);
    const text = buffer.toString('utf8');
    return size <= bytes ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await handle.close();
  }
}
