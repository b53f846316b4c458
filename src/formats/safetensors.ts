import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { sizeOfShape, type DeltaTensors, type Tensor } from '../core/tensor.js';
import { writeFileAtomically } from './atomic-file.js';
import { BinaryFile } from './binary-file.js';
import { findDuplicateKey } from './duplicate-keys.js';
import {
  BYTES_PER_ELEMENT,
  encodeFromFloat32,
  isElementTypeName,
  type ElementTypeName,
  type WritableElementType,
} from './element-types.js';
import { readStoredTensor, type StoredTensor } from './stored-tensor.js';

export type { StoredTensor } from './stored-tensor.js';

export interface SafetensorsHeader {
  /** In the order of their data in the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface WriteSafetensorsOptions {
  /** Element type on disk; F32 unless told. */
  readonly dtype?: WritableElementType;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The limit of the reference implementation: a longer header is a lie. */
const LONGEST_HEADER = 100_000_000;
const METADATA_KEY = '__metadata__';

const size = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(size).max(64),
  data_offsets: z.tuple([size, size]),
});
const metadataSchema = z.record(z.string(), z.string());

/**
 * Reads and checks the header of a `.safetensors` file: every tensor lies inside the file, has exactly the bytes its shape
 * needs, and no two overlap. The data is not read.
 * Throws DeltaloomErrors `safetensors-*` that name the file and the tensor.
 */
export async function readSafetensorsHeader(file: string): Promise<SafetensorsHeader> {
  return BinaryFile.use(file, readHeader);
}

/**
 * Reads tensors as float32, all of them or those named, in the order of the file. Wider types are rounded.
 * Throws `tensor-missing` for a name that the file lacks, and whatever `readSafetensorsHeader` throws.
 */
export async function readTensors(file: string, names?: Iterable<string>): Promise<Map<string, Tensor>> {
  return BinaryFile.use(file, async (opened) => {
    const { tensors } = await readHeader(opened);
    const wanted = names === undefined ? undefined : new Set(names);
    for (const name of wanted ?? []) {
      if (!tensors.has(name)) {
        throw new DeltaloomError('tensor-missing', `The file has no tensor '${name}'.`, { place: { file } });
      }
    }
    const result = new Map<string, Tensor>();
    for (const [name, stored] of tensors) {
      if (wanted !== undefined && !wanted.has(name)) continue;
      result.set(name, { shape: stored.shape, data: await readStoredTensor(stored, opened) });
    }
    return result;
  });
}

/**
 * Writes tensors in the order of the map, atomically. The same tensors, type and metadata give the same bytes.
 */
export async function writeSafetensors(
  file: string,
  tensors: DeltaTensors,
  options: WriteSafetensorsOptions = {},
): Promise<void> {
  await writeFileAtomically(file, encodeSafetensors(tensors, options));
}

/** The bytes of a `.safetensors` file; its data begins at a multiple of 8. */
export function encodeSafetensors(tensors: DeltaTensors, options: WriteSafetensorsOptions = {}): Buffer {
  const dtype = options.dtype ?? 'F32';
  for (const [name, { shape, data }] of tensors) {
    if (data.length !== sizeOfShape(shape)) {
      throw new RangeError(
        `Tensor ${name} of shape [${shape.join(', ')}] cannot hold ${data.length} elements.`,
      );
    }
  }
  const header = encodeSafetensorsHeader(
    [...tensors].map(([name, { shape }]) => ({ name, dtype, shape })),
    options.metadata,
  );
  return Buffer.concat([header, ...[...tensors.values()].map(({ data }) => encodeFromFloat32(dtype, data))]);
}

/** The length field and header of a file whose data follows in the order given, without gaps. */
export function encodeSafetensorsHeader(
  tensors: readonly { name: string; dtype: ElementTypeName; shape: readonly number[] }[],
  metadata?: Readonly<Record<string, string>>,
): Buffer {
  let offset = 0;
  const members: string[] = [];
  if (metadata !== undefined) members.push(`"${METADATA_KEY}":${JSON.stringify(metadata)}`);
  for (const { name, dtype, shape } of tensors) {
    const end = offset + sizeOfShape(shape) * BYTES_PER_ELEMENT[dtype];
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const json = Buffer.from(`{${members.join(',')}}`);
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8), 0);
  json.copy(header, 8);
  return header;
}

async function readHeader(opened: BinaryFile): Promise<SafetensorsHeader> {
  const { file } = opened;
  const headerLength = await readHeaderLength(opened);
  const text = decodeHeaderText(await opened.read(8, headerLength), file);
  const tensors: StoredTensor[] = [];
  let metadata: Record<string, string> = {};
  const dataOffset = 8 + headerLength;
  for (const [name, value] of Object.entries(parseHeader(text, file))) {
    if (name === METADATA_KEY) {
      const parsed = metadataSchema.safeParse(value);
      if (!parsed.success) {
        throw invalid(file, METADATA_KEY, 'The metadata must be a map of strings to strings.');
      }
      metadata = parsed.data;
    } else {
      tensors.push(checkEntry(name, value, file, dataOffset, opened.size));
    }
  }
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  checkCoverage(tensors, file, dataOffset, opened.size);
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata };
}

async function readHeaderLength(opened: BinaryFile): Promise<number> {
  const { file } = opened;
  if (opened.size < 8) {
    throw new DeltaloomError(
      'safetensors-truncated',
      `The file has ${opened.size} bytes: too few for a .safetensors file.`,
      { place: { file }, remedy: 'Copy or download it again.' },
    );
  }
  const claimed = (await opened.read(0, 8)).readBigUInt64LE(0);
  if (claimed > BigInt(LONGEST_HEADER)) {
    throw new DeltaloomError(
      'safetensors-invalid-header',
      `The first 8 bytes announce a header of ${claimed.toString()} bytes: this is not a .safetensors file.`,
      { place: { file } },
    );
  }
  const headerLength = Number(claimed);
  if (8 + headerLength > opened.size) {
    throw new DeltaloomError(
      'safetensors-truncated',
      `The header should have ${headerLength} bytes, and the file has ${opened.size} in all.`,
      { place: { file }, remedy: 'Copy or download it again.' },
    );
  }
  return headerLength;
}

function decodeHeaderText(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DeltaloomError('safetensors-invalid-header', 'The header is not valid UTF-8.', {
      place: { file },
      cause,
    });
  }
}

function parseHeader(text: string, file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new DeltaloomError('safetensors-invalid-header', 'The header is not valid JSON.', {
      place: { file },
      cause,
    });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new DeltaloomError('safetensors-invalid-header', 'The header is not a JSON object.', {
      place: { file },
    });
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) throw invalid(file, duplicate, 'The header names this twice.');
  return parsed as Record<string, unknown>;
}

function checkEntry(
  name: string,
  value: unknown,
  file: string,
  dataOffset: number,
  fileSize: number,
): StoredTensor {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    throw invalid(file, name, 'The entry must have dtype, shape and data_offsets, and nothing else.');
  }
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  if (!isElementTypeName(dtype)) {
    throw new DeltaloomError('safetensors-unsupported-dtype', `The element type ${dtype} is not supported.`, {
      place: { file, at: name },
      remedy: `Convert the tensor to one of ${Object.keys(BYTES_PER_ELEMENT).join(', ')}.`,
    });
  }
  const [begin, end] = offsets;
  const byteLength = sizeOfShape(shape) * BYTES_PER_ELEMENT[dtype];
  if (end < begin || end - begin !== byteLength) {
    throw invalid(
      file,
      name,
      `Shape [${shape.join(', ')}] of ${dtype} needs ${byteLength} bytes, but data_offsets [${begin}, ${end}] give ${end - begin}.`,
    );
  }
  if (dataOffset + end > fileSize) {
    throw new DeltaloomError(
      'safetensors-truncated',
      `The tensor should end at byte ${dataOffset + end}, and the file has ${fileSize}.`,
      { place: { file, at: name }, remedy: 'Copy or download it again.' },
    );
  }
  return { name, file, dtype, shape, byteOffset: dataOffset + begin, byteLength };
}

/** The format allows neither overlaps nor gaps: either means that offsets lie. */
function checkCoverage(
  tensors: readonly StoredTensor[],
  file: string,
  dataOffset: number,
  fileSize: number,
): void {
  let end = dataOffset;
  let previous: StoredTensor | undefined;
  for (const tensor of tensors) {
    if (tensor.byteOffset < end) {
      throw invalid(file, tensor.name, `The tensor overlaps '${previous?.name ?? ''}'.`);
    }
    if (tensor.byteOffset > end) {
      throw invalid(
        file,
        tensor.name,
        `There are ${tensor.byteOffset - end} unexplained bytes before the tensor.`,
      );
    }
    end = tensor.byteOffset + tensor.byteLength;
    previous = tensor;
  }
  if (end !== fileSize) {
    throw new DeltaloomError(
      'safetensors-invalid-header',
      `The file has ${fileSize - end} bytes after the last tensor that its header does not explain.`,
      { place: { file } },
    );
  }
}

function invalid(file: string, at: string, message: string): DeltaloomError {
  return new DeltaloomError('safetensors-invalid-header', message, { place: { file, at } });
}
