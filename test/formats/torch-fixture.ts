import { crc32 } from 'node:zlib';

/** Pieces of pickles (protocol 2) and of the files that `torch.save` writes, put together by hand. */

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function op(code: string, ...operands: Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from(code, 'latin1'), ...operands]);
}

export const text = (value: string): Buffer => op('X', int32(Buffer.byteLength(value)), Buffer.from(value));
export const integer = (value: number): Buffer => op('J', int32(value));
export const none = op('N');
export const no = op('\x89');
export const tuple = (...items: Buffer[]): Buffer => op('(', ...items, op('t'));
export const list = (...items: Buffer[]): Buffer => op(']', op('('), ...items, op('e'));
export const dict = (...items: [Buffer, Buffer][]): Buffer => op('}', op('('), ...items.flat(), op('u'));
export const imported = (module: string, name: string): Buffer => op(`c${module}\n${name}\n`);
export const call = (callee: Buffer, ...args: Buffer[]): Buffer =>
  Buffer.concat([callee, tuple(...args), op('R')]);
export const built = (object: Buffer, state: Buffer): Buffer => Buffer.concat([object, state, op('b')]);
export const pickle = (value: Buffer): Buffer => op('\x80\x02', value, op('.'));

export function storage(key: string, type: string, elements: number, legacy = false): Buffer {
  return op(
    '',
    tuple(
      text('storage'),
      imported('torch', type),
      text(key),
      text('cpu'),
      integer(elements),
      ...(legacy ? [none] : []),
    ),
    op('Q'),
  );
}

export function tensor(from: Buffer, offset: number, shape: number[], strides: number[]): Buffer {
  return call(
    imported('torch._utils', '_rebuild_tensor_v2'),
    from,
    integer(offset),
    tuple(...shape.map(integer)),
    tuple(...strides.map(integer)),
    no,
    call(imported('collections', 'OrderedDict')),
  );
}

/** A stored zip archive whose data is aligned to 64 bytes, as PyTorch writes it. */
export function zip(entries: Record<string, Uint8Array>, method = 0): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, data] of Object.entries(entries)) {
    const padding = (64 - ((at + 30 + name.length) % 64)) % 64;
    const local = Buffer.alloc(30 + name.length + padding);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(padding, 28);
    local.write(name, 30);
    const central = Buffer.alloc(46 + name.length);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(crc32(data), 16);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt32LE(data.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(at, 42);
    central.write(name, 46);
    directory.push(central);
    parts.push(local, Buffer.from(data));
    at += local.length + data.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** The same archive with its directory described by zip64 records, as archives beyond 4 GiB have. */
export function asZip64(archive: Buffer): Buffer {
  const end = archive.subarray(archive.length - 22);
  const body = archive.subarray(0, archive.length - 22);
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeBigUInt64LE(BigInt(end.readUInt16LE(10)), 24);
  end64.writeBigUInt64LE(BigInt(end.readUInt16LE(10)), 32);
  end64.writeBigUInt64LE(BigInt(end.readUInt32LE(12)), 40);
  end64.writeBigUInt64LE(BigInt(end.readUInt32LE(16)), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(body.length), 8);
  locator.writeUInt32LE(1, 16);
  const rest = Buffer.alloc(22);
  rest.writeUInt32LE(0x06054b50, 0);
  rest.writeUInt16LE(0xffff, 10);
  rest.writeUInt32LE(0xffffffff, 12);
  rest.writeUInt32LE(0xffffffff, 16);
  return Buffer.concat([body, end64, locator, rest]);
}

/** What `torch.save(value)` writes since PyTorch 1.6. */
export function torchFile(value: Buffer, storages: Record<string, Uint8Array> = {}): Buffer {
  const entries: Record<string, Uint8Array> = { 'archive/data.pkl': pickle(value) };
  for (const [key, data] of Object.entries(storages)) entries[`archive/data/${key}`] = data;
  return zip(entries);
}

/** What `torch.save(value, _use_new_zipfile_serialization=False)` writes. */
export function legacyTorchFile(
  value: Buffer,
  storages: Record<string, { elements: number; data: Uint8Array }>,
): Buffer {
  const magic = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
  const system = dict([text('little_endian'), op('\x88')], [text('protocol_version'), integer(1001)]);
  return Buffer.concat([
    magic,
    pickle(op('M', Buffer.from([0xe9, 0x03]))),
    pickle(system),
    pickle(value),
    pickle(list(...Object.keys(storages).map(text))),
    ...Object.values(storages).flatMap(({ elements, data }) => {
      const length = Buffer.alloc(8);
      length.writeBigInt64LE(BigInt(elements));
      return [length, Buffer.from(data)];
    }),
  ]);
}

export function floats(...values: number[]): Buffer {
  return Buffer.from(Float32Array.from(values).buffer);
}
