import { DELTA_TYPES, type DeltaType } from '../core/delta-settings.js';
import { DeltaloomError } from '../core/errors.js';
import { sizeOfShape, type DeltaTensors, type Tensor } from '../core/tensor.js';
import { BinaryFile } from './binary-file.js';
import { BYTES_PER_ELEMENT, type ElementTypeName } from './element-types.js';
import { PickleGlobal, PickleObject, readPickle, type PickleHooks, type PickleValue } from './pickle.js';
import {
  byteLengthOf,
  isContiguous,
  readStoredTensor,
  spanOfStrides,
  type StoredTensor,
} from './stored-tensor.js';
import { isZip, locateZipData, readZipDirectory } from './zip-directory.js';

/** A checkpoint as the reference code's `save_checkpoint` writes it, without what Deltaloom does not use. */
export interface ReferenceDeltaCheckpoint {
  readonly type: DeltaType;
  readonly tensors: DeltaTensors;
  /** The command line of the run; Python objects in it are left out. */
  readonly args: Readonly<Record<string, unknown>> | null;
  /** `epoch` and `num_updates`. */
  readonly currentState: Readonly<Record<string, unknown>> | null;
}

const LARGEST_PICKLE = 16 * 1024 * 1024;
/** What `torch.save` wrote before PyTorch 1.6: PROTO 2, LONG1 of the magic number, STOP. */
const LEGACY_START = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');

const STORAGE_TYPES: Readonly<Record<string, ElementTypeName>> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};

/** The bytes that tensors share. Its place is known once the whole pickle has been read. */
class Storage {
  /** From the start of the file. */
  byteOffset: number | undefined;

  constructor(
    readonly key: string,
    readonly dtype: ElementTypeName,
    readonly elements: number,
  ) {}
}

class TensorView {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/**
 * Lists the tensors of a PyTorch state dict (`pytorch_model.bin`): where each lies in the file, which is not read further. Both
 * formats of `torch.save` are understood. Nothing in the pickle is executed; values that are not tensors are left out.
 * Throws `pytorch-*`, `pickle-*` or `zip-*` naming the file and, where it can, the tensor.
 */
export async function readPyTorchStateDict(file: string): Promise<Map<string, StoredTensor>> {
  return BinaryFile.use(file, async (opened) => {
    const root = await readRoot(opened);
    const entries = requireMap(root, file, undefined);
    const tensors = new Map<string, StoredTensor>();
    for (const [name, value] of entries) {
      if (typeof name === 'string' && value instanceof TensorView)
        tensors.set(name, locate(value, name, file));
    }
    if (tensors.size === 0) {
      throw new DeltaloomError(
        'pytorch-no-tensors',
        `The file holds ${describeKeys(entries)}, and no tensors.`,
        {
          place: { file },
          remedy: 'Choose a file with a state dict: names mapped to tensors.',
        },
      );
    }
    return tensors;
  });
}

/**
 * Reads the delta of a `checkpoint-best.pt` of the reference code, and its settings. The optimizer, the scheduler and the
 * pickled model configuration are skipped; nothing is executed.
 * Throws `checkpoint-not-a-delta` naming what is there instead, `pickle-object-refused` naming a Python object where a tensor
 * should be, and what `readPyTorchStateDict` throws.
 */
export async function readReferenceDeltaCheckpoint(file: string): Promise<ReferenceDeltaCheckpoint> {
  return BinaryFile.use(file, async (opened) => {
    const entries = requireMap(await readRoot(opened), file, undefined);
    const type = DELTA_TYPES.find((name) => entries.has(name));
    if (type === undefined) {
      throw new DeltaloomError(
        'checkpoint-not-a-delta',
        `The file has none of ${DELTA_TYPES.join(', ')}, but ${describeKeys(entries)}.`,
        {
          place: { file },
          remedy: 'Choose a checkpoint of the reference code, for example checkpoint-best.pt.',
        },
      );
    }
    const tensors = new Map<string, Tensor>();
    for (const [name, value] of requireMap(entries.get(type), file, type)) {
      if (typeof name !== 'string' || !(value instanceof TensorView)) {
        throw refused(value, 'a tensor', file, typeof name === 'string' ? `${type}.${name}` : type);
      }
      const stored = locate(value, name, file);
      tensors.set(name, { shape: stored.shape, data: await readStoredTensor(stored, opened) });
    }
    if (tensors.size === 0) {
      throw new DeltaloomError('checkpoint-not-a-delta', `Its '${type}' has no tensors.`, {
        place: { file },
      });
    }
    return {
      type,
      tensors,
      args: plainRecord(entries.get('args')),
      currentState: plainRecord(entries.get('current_state')),
    };
  });
}

/** The pickled value of a PyTorch file, with every storage it uses located. */
async function readRoot(opened: BinaryFile): Promise<PickleValue> {
  if (await isZip(opened)) return readZipRoot(opened);
  const start = await opened.read(0, Math.min(opened.size, LEGACY_START.length));
  if (start.equals(LEGACY_START)) return readLegacyRoot(opened);
  throw new DeltaloomError('pytorch-not-a-checkpoint', 'The file was not written by torch.save.', {
    place: { file: opened.file },
    remedy: 'Choose a .pt or .bin file of PyTorch, or a .safetensors file.',
  });
}

async function readZipRoot(opened: BinaryFile): Promise<PickleValue> {
  const { file } = opened;
  const entries = await readZipDirectory(opened);
  const pickleName = [...entries.keys()].find((name) => /^[^/]*\/data\.pkl$/.test(name));
  const pickle = pickleName === undefined ? undefined : entries.get(pickleName);
  if (pickleName === undefined || pickle === undefined) {
    throw new DeltaloomError('pytorch-not-a-checkpoint', 'The zip archive has no data.pkl.', {
      place: { file },
      remedy: 'Choose a .pt or .bin file written by torch.save.',
    });
  }
  if (pickle.size > LARGEST_PICKLE) throw tooLarge(file, pickle.size);
  const folder = pickleName.slice(0, -'data.pkl'.length);
  const byteOrder = entries.get(`${folder}byteorder`);
  if (byteOrder !== undefined && byteOrder.size < 16) {
    const text = await opened.read(await locateZipData(opened, byteOrder), byteOrder.size);
    if (text.toString('latin1').trim() === 'big') throw bigEndian(file);
  }
  const storages = new Map<string, Storage>();
  const bytes = await opened.read(await locateZipData(opened, pickle), pickle.size);
  const { value } = readPickle(bytes, hooksFor(file, storages));
  for (const storage of storages.values()) {
    const entry = entries.get(`${folder}data/${storage.key}`);
    // A storage that is missing or too short matters only if a tensor is read from it.
    if (entry === undefined || entry.size < byteLengthOf(storage.dtype, storage.elements)) continue;
    storage.byteOffset = await locateZipData(opened, entry);
  }
  return value;
}

/** Magic number, protocol version, system information, the value, the keys of the storages, then each storage. */
async function readLegacyRoot(opened: BinaryFile): Promise<PickleValue> {
  const { file } = opened;
  const storages = new Map<string, Storage>();
  const hooks = hooksFor(file, storages);
  const bytes = await opened.read(0, Math.min(opened.size, LARGEST_PICKLE));
  let end = LEGACY_START.length;
  const next = (): PickleValue => {
    const read = readPickle(bytes, hooks, end);
    end = read.end;
    return read.value;
  };
  const version = next();
  if (version !== 1001) {
    throw new DeltaloomError('pytorch-not-a-checkpoint', 'The version of the PyTorch file is not known.', {
      place: { file },
    });
  }
  const system = next();
  if (system instanceof Map && system.get('little_endian') === false) throw bigEndian(file);
  const value = next();
  const keys = next();
  let at = end;
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = storages.get(String(key));
    if (storage === undefined || at + 8 > opened.size) break;
    const elements = Number((await opened.read(at, 8)).readBigUInt64LE(0));
    const byteLength = byteLengthOf(storage.dtype, elements);
    if (at + 8 + byteLength > opened.size) break;
    if (elements >= storage.elements) storage.byteOffset = at + 8;
    at += 8 + byteLength;
  }
  return value;
}

function hooksFor(file: string, storages: Map<string, Storage>): PickleHooks {
  const invalid = (what: string): DeltaloomError =>
    new DeltaloomError('pytorch-tensor-invalid', `The file describes ${what} that cannot be.`, {
      place: { file },
      remedy: 'Copy or download it again.',
    });
  const rebuild = (args: readonly PickleValue[]): PickleValue => {
    const [storage, offset, shape, strides] = args;
    if (storage instanceof PickleObject) return storage;
    if (!(storage instanceof Storage) || !isSize(offset) || !isSizes(shape) || !isSizes(strides)) {
      throw invalid('a tensor');
    }
    if (shape.length !== strides.length) throw invalid('a tensor');
    return new TensorView(storage, offset, shape, strides);
  };
  const emptyOrPairs = (args: readonly PickleValue[]): PickleValue => {
    const [pairs] = args;
    if (!Array.isArray(pairs)) return new Map();
    return new Map(
      pairs.filter((pair): pair is [PickleValue, PickleValue] => Array.isArray(pair) && pair.length === 2),
    );
  };
  return {
    file,
    builders: {
      'collections.OrderedDict': emptyOrPairs,
      'torch._utils._rebuild_tensor': rebuild,
      'torch._utils._rebuild_tensor_v2': rebuild,
      'torch._utils._rebuild_parameter': ([data]) => data,
      'torch.Size': ([sizes]) => sizes,
    },
    persistentId: (id) => {
      const [kind, type, key, , elements] = Array.isArray(id) ? (id as PickleValue[]) : [];
      if (kind !== 'storage' || typeof key !== 'string' || !isSize(elements)) throw invalid('a storage');
      const path = type instanceof PickleGlobal ? type.path : '';
      const dtype = Object.hasOwn(STORAGE_TYPES, path) ? STORAGE_TYPES[path] : undefined;
      // Quantised, complex and float8 storages: refused by name if a tensor of theirs is needed.
      if (dtype === undefined) return new PickleObject(path);
      const known = storages.get(key);
      if (known !== undefined) {
        if (known.dtype !== dtype || known.elements !== elements) throw invalid('a storage');
        return known;
      }
      const storage = new Storage(key, dtype, elements);
      storages.set(key, storage);
      return storage;
    },
  };
}

function locate(view: TensorView, name: string, file: string): StoredTensor {
  const { storage, shape, strides } = view;
  const span = spanOfStrides(shape, strides);
  const elements = sizeOfShape(shape);
  // The second test keeps a view of stride 0 from turning a few bytes into a huge tensor.
  if (view.offset + span > storage.elements || elements > storage.elements) {
    throw new DeltaloomError(
      'pytorch-tensor-invalid',
      `A tensor of shape [${shape.join(', ')}] does not fit its storage of ${storage.elements} elements.`,
      {
        place: { file, at: name },
        remedy: 'Save it again with tensor.contiguous(), or copy the file again.',
      },
    );
  }
  if (storage.byteOffset === undefined && span > 0) {
    throw new DeltaloomError(
      'pytorch-storage-missing',
      'The file lacks the data of the tensor, or a part of it.',
      {
        place: { file, at: name },
        remedy: 'Copy or download it again.',
      },
    );
  }
  return {
    name,
    file,
    dtype: storage.dtype,
    shape,
    byteOffset: (storage.byteOffset ?? 0) + view.offset * BYTES_PER_ELEMENT[storage.dtype],
    byteLength: byteLengthOf(storage.dtype, span),
    ...(isContiguous(shape, strides) ? {} : { strides }),
  };
}

function requireMap(value: PickleValue, file: string, at: string | undefined): Map<PickleValue, PickleValue> {
  if (value instanceof Map) return value as Map<PickleValue, PickleValue>;
  throw refused(value, 'a dictionary', file, at);
}

function refused(
  value: PickleValue,
  needed: 'a dictionary' | 'a tensor',
  file: string,
  at: string | undefined,
): DeltaloomError {
  const place = { file, ...(at === undefined ? {} : { at }) };
  if (value instanceof PickleObject || value instanceof PickleGlobal) {
    return new DeltaloomError(
      'pickle-object-refused',
      `The file holds the Python object ${value.path} where ${needed} is needed. It was not executed.`,
      { place, remedy: 'Do not trust the file unless you know why it is there.' },
    );
  }
  return new DeltaloomError(
    'pytorch-not-a-checkpoint',
    `The file holds something else than ${needed} here.`,
    {
      place,
      remedy: 'Choose a file with a state dict: names mapped to tensors.',
    },
  );
}

function describeKeys(entries: ReadonlyMap<PickleValue, PickleValue>): string {
  const names = [...entries.keys()].slice(0, 5).map(describeKey);
  if (names.length === 0) return 'nothing';
  return names.join(', ') + (entries.size > names.length ? ', ...' : '');
}

function describeKey(key: PickleValue): string {
  return typeof key === 'string' ? `'${key}'` : 'an unnamed entry';
}

const MOST_PLAIN_VALUES = 100_000;
const DEEPEST_PLAIN_VALUE = 16;

/** A dictionary of plain data; entries that are none are left out. Null where `value` is no dictionary. */
function plainRecord(value: PickleValue): Record<string, unknown> | null {
  let values = 0;
  const plain = (from: PickleValue, depth: number): unknown => {
    // Shared and cyclic values would otherwise grow without end.
    if (++values > MOST_PLAIN_VALUES || depth > DEEPEST_PLAIN_VALUE) return undefined;
    if (typeof from === 'bigint') return from.toString();
    if (from === null || ['boolean', 'number', 'string'].includes(typeof from)) return from;
    if (Array.isArray(from)) return from.map((item) => plain(item, depth + 1) ?? null);
    if (!(from instanceof Map)) return undefined;
    return Object.fromEntries(
      [...(from as Map<PickleValue, PickleValue>)]
        .filter((entry): entry is [string, PickleValue] => typeof entry[0] === 'string')
        .map(([key, item]) => [key, plain(item, depth + 1)])
        .filter(([, item]) => item !== undefined),
    );
  };
  return value instanceof Map ? (plain(value, 0) as Record<string, unknown>) : null;
}

function isSize(value: PickleValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isSizes(value: PickleValue): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every(isSize);
}

function bigEndian(file: string): DeltaloomError {
  return new DeltaloomError('pytorch-big-endian', 'The file was written on a big-endian machine.', {
    place: { file },
    remedy: 'Save it again on a little-endian machine.',
  });
}

function tooLarge(file: string, size: number): DeltaloomError {
  return new DeltaloomError(
    'pickle-too-large',
    `The description of the tensors has ${size} bytes; ${LARGEST_PICKLE} are read at most.`,
    { place: { file }, remedy: 'Save only the tensors that are needed.' },
  );
}
