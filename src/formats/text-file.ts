import { DeltaloomError } from '../core/errors.js';
import { BinaryFile } from './binary-file.js';

/** Strings in V8 end at about 512 MiB; a text file of this size is a mistake long before. */
const LARGEST_TEXT = 256 * 1024 * 1024;

export interface TextFile {
  /** Without the byte order mark. */
  readonly text: string;
  readonly hasByteOrderMark: boolean;
}

/**
 * Reads a UTF-8 text file strictly: invalid bytes are an error `text-not-utf8` with the line, never replacement
 * characters in somebody's data.
 */
export async function readTextFile(file: string): Promise<TextFile> {
  const bytes = await BinaryFile.use(file, async (opened) => {
    if (opened.size > LARGEST_TEXT) {
      throw new DeltaloomError(
        'text-too-large',
        `The file has ${opened.size} bytes; text files of up to ${LARGEST_TEXT} are read.`,
        { place: { file }, remedy: 'Split it or take a sample.' },
      );
    }
    return opened.read(0, opened.size);
  });
  const hasByteOrderMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), hasByteOrderMark };
  } catch (cause) {
    if (bytes[0] === 0xff && bytes[1] === 0xfe) {
      throw new DeltaloomError('text-not-utf8', 'The file is UTF-16, not UTF-8.', {
        place: { file },
        remedy: 'Save it as UTF-8.',
        cause,
      });
    }
    throw new DeltaloomError('text-not-utf8', 'The line is not valid UTF-8.', {
      place: { file, line: firstInvalidLine(bytes) },
      remedy: 'Save the file as UTF-8.',
      cause,
    });
  }
}

/** 1-based number of the first line (ended by a line feed) that does not decode. */
function firstInvalidLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  let start = 0;
  while (start < bytes.length) {
    const feed = bytes.indexOf(0x0a, start);
    const end = feed === -1 ? bytes.length : feed + 1;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    line++;
    start = end;
  }
  return line;
}

/** Parses a JSON file; throws `json-invalid` naming the file. */
export async function readJsonFile(file: string): Promise<unknown> {
  const { text } = await readTextFile(file);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : '';
    throw new DeltaloomError('json-invalid', `The file is not valid JSON: ${detail}.`, {
      place: { file },
      cause,
    });
  }
}

/** The same, or undefined where the file does not exist. */
export async function readOptionalJsonFile(file: string): Promise<unknown> {
  try {
    return await readJsonFile(file);
  } catch (error) {
    if (error instanceof DeltaloomError && error.code === 'file-missing') return undefined;
    throw error;
  }
}
