import { DeltaloomError } from '../core/errors.js';
import type { BinaryFile } from './binary-file.js';

/** One file of a zip archive. Its data is read or mapped in place, so it must be stored without compression. */
export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly isCompressed: boolean;
  readonly localHeaderOffset: number;
}

const END_SIGNATURE = 0x06054b50;
const END_LENGTH = 22;
const LONGEST_COMMENT = 0xffff;
const LOCATOR_SIGNATURE = 0x07064b50;
const LOCATOR_LENGTH = 20;
const END64_SIGNATURE = 0x06064b50;
const END64_LENGTH = 56;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_LENGTH = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_LENGTH = 30;
const ZIP64_EXTRA = 0x0001;
const UNKNOWN_32 = 0xffffffff;
const LARGEST_DIRECTORY = 64 * 1024 * 1024;

/** True where the file begins as a zip archive. */
export async function isZip(opened: BinaryFile): Promise<boolean> {
  return opened.size >= END_LENGTH && (await opened.read(0, 4)).readUInt32LE(0) === LOCAL_SIGNATURE;
}

/**
 * The central directory of a zip or zip64 archive, by name.
 * Throws `zip-damaged` where it is inconsistent, reaches outside the file or names an entry twice.
 */
export async function readZipDirectory(opened: BinaryFile): Promise<Map<string, ZipEntry>> {
  const { offset, length, count } = await findDirectory(opened);
  if (length > LARGEST_DIRECTORY || count * ENTRY_LENGTH > length) {
    throw damaged(opened, 'the directory announces more than it holds');
  }
  const bytes = await readOrDamaged(opened, offset, length);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + ENTRY_LENGTH > bytes.length || bytes.readUInt32LE(at) !== ENTRY_SIGNATURE) {
      throw damaged(opened, `entry ${i} of the directory is not where it should be`);
    }
    const nameLength = bytes.readUInt16LE(at + 28);
    const extraLength = bytes.readUInt16LE(at + 30);
    const end = at + ENTRY_LENGTH + nameLength + extraLength + bytes.readUInt16LE(at + 32);
    if (end > bytes.length) throw damaged(opened, `entry ${i} of the directory is cut off`);
    const name = bytes.toString('utf8', at + ENTRY_LENGTH, at + ENTRY_LENGTH + nameLength);
    const extra = bytes.subarray(
      at + ENTRY_LENGTH + nameLength,
      at + ENTRY_LENGTH + nameLength + extraLength,
    );
    const [size, storedSize, localHeaderOffset] = readZip64Fields(extra, [
      bytes.readUInt32LE(at + 24),
      bytes.readUInt32LE(at + 20),
      bytes.readUInt32LE(at + 42),
    ]);
    if (entries.has(name)) throw damaged(opened, `'${name}' is there twice`);
    const isEncrypted = (bytes.readUInt16LE(at + 8) & 1) !== 0;
    const isCompressed = bytes.readUInt16LE(at + 10) !== 0;
    if (isEncrypted || (!isCompressed && size !== storedSize)) {
      throw damaged(opened, `'${name}' is not stored as it is`);
    }
    entries.set(name, { name, size, isCompressed, localHeaderOffset });
    at = end;
  }
  return entries;
}

/** Where the data of an entry begins in the file. Throws `zip-damaged`, or `zip-compressed` for a compressed entry. */
export async function locateZipData(opened: BinaryFile, entry: ZipEntry): Promise<number> {
  if (entry.isCompressed) {
    throw new DeltaloomError('zip-compressed', `'${entry.name}' in the archive is compressed.`, {
      place: { file: opened.file },
      remedy: 'Save it again with torch.save, which does not compress.',
    });
  }
  const header = await readOrDamaged(opened, entry.localHeaderOffset, LOCAL_LENGTH);
  if (header.readUInt32LE(0) !== LOCAL_SIGNATURE)
    throw damaged(opened, `'${entry.name}' is not where it should be`);
  // The extra field here differs from the directory's: PyTorch pads it to align the data.
  const offset = entry.localHeaderOffset + LOCAL_LENGTH + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (offset + entry.size > opened.size)
    throw damaged(opened, `'${entry.name}' reaches past the end of the file`);
  return offset;
}

interface DirectoryPlace {
  readonly offset: number;
  readonly length: number;
  readonly count: number;
}

async function findDirectory(opened: BinaryFile): Promise<DirectoryPlace> {
  const tailLength = Math.min(opened.size, END_LENGTH + LONGEST_COMMENT);
  const tail = await opened.read(opened.size - tailLength, tailLength);
  let end = tail.length - END_LENGTH;
  while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end--;
  if (end < 0) throw damaged(opened, 'the end of the archive is missing');
  const place = {
    count: tail.readUInt16LE(end + 10),
    length: tail.readUInt32LE(end + 12),
    offset: tail.readUInt32LE(end + 16),
  };
  const locator = end - LOCATOR_LENGTH;
  if (locator < 0 || tail.readUInt32LE(locator) !== LOCATOR_SIGNATURE) return place;
  const end64 = await readOrDamaged(opened, Number(tail.readBigUInt64LE(locator + 8)), END64_LENGTH);
  if (end64.readUInt32LE(0) !== END64_SIGNATURE) throw damaged(opened, 'its zip64 record is missing');
  return {
    count: Number(end64.readBigUInt64LE(32)),
    length: Number(end64.readBigUInt64LE(40)),
    offset: Number(end64.readBigUInt64LE(48)),
  };
}

/** Replaces the fields that did not fit 32 bits by those of the zip64 extra field, in its order. */
function readZip64Fields(extra: Buffer, fields: [number, number, number]): [number, number, number] {
  let at = 0;
  while (at + 4 <= extra.length) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === ZIP64_EXTRA) {
      let from = at + 4;
      return fields.map((field) => {
        if (field !== UNKNOWN_32 || from + 8 > Math.min(extra.length, at + 4 + length)) return field;
        from += 8;
        return Number(extra.readBigUInt64LE(from - 8));
      }) as [number, number, number];
    }
    at += 4 + length;
  }
  return fields;
}

async function readOrDamaged(opened: BinaryFile, offset: number, length: number): Promise<Buffer> {
  if (offset + length > opened.size) throw damaged(opened, 'it points past its own end');
  return opened.read(offset, length);
}

function damaged(opened: BinaryFile, why: string): DeltaloomError {
  return new DeltaloomError('zip-damaged', `The archive is damaged: ${why}.`, {
    place: { file: opened.file },
    remedy: 'Copy or download it again.',
  });
}
