import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';
import type { Tensor } from '../../src/core/tensor.js';
import { sha256File, writeFileAtomically } from '../../src/formats/atomic-file.js';
import {
  encodeSafetensors,
  readSafetensorsHeader,
  readTensors,
  writeSafetensors,
} from '../../src/formats/safetensors.js';
import { isAbsent, refusal, shared, temporaryFolder } from './shared-data.js';

const path = temporaryFolder();

function tensor(shape: number[], ...values: number[]): Tensor {
  return { shape, data: Float32Array.from(values) };
}

function fileOf(header: unknown, dataLength: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataLength)]);
}

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('safetensors', () => {
  it('gives back what was written, in order, with the metadata', async () => {
    const tensors = new Map([
      ['z', tensor([2, 2], 1, 2, 3, 4)],
      ['a', tensor([], 5)],
      ['empty', tensor([0, 3])],
    ]);
    const file = path('folder that is made', 'round "trip".safetensors');
    await writeSafetensors(file, tensors, { metadata: { made: 'by a test' } });
    const read = await readTensors(file);
    expect(new Set(read.keys())).toEqual(new Set(['z', 'a', 'empty']));
    expect([...read.keys()].indexOf('z')).toBeLessThan([...read.keys()].indexOf('a'));
    for (const [name, expected] of tensors) expect(read.get(name)).toEqual(expected);
    expect((await readSafetensorsHeader(file)).metadata).toEqual({ made: 'by a test' });
    expect(await readdir(path('folder that is made'))).toEqual(['round "trip".safetensors']);
  });

  it('writes the same bytes for the same tensors, its data at a multiple of 8', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 6 }), (names) => {
        const tensors = new Map(names.filter((n) => n !== '__metadata__').map((n, i) => [n, tensor([1], i)]));
        const bytes = encodeSafetensors(tensors);
        expect(encodeSafetensors(tensors)).toEqual(bytes);
        expect(Number(bytes.readBigUInt64LE(0)) % 8).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('reads only the tensors named, and names one that is missing', async () => {
    const file = path('named.safetensors');
    await writeSafetensors(
      file,
      new Map([
        ['a', tensor([1], 1)],
        ['b', tensor([1], 2)],
      ]),
    );
    expect([...(await readTensors(file, ['b'])).keys()]).toEqual(['b']);
    const error = await refusal(readTensors(file, ['c']));
    expect(error.code).toBe('tensor-missing');
    expect(error.line).toContain("'c'");
  });

  it('converts every element type to float32', async () => {
    const cases: [string, Buffer, number][] = [
      ['F64', Buffer.from(new Float64Array([-2.5]).buffer), -2.5],
      ['F32', Buffer.from(new Float32Array([0.1]).buffer), Math.fround(0.1)],
      ['F16', Buffer.from([0x00, 0xc1]), -2.5],
      ['BF16', Buffer.from([0x20, 0xc0]), -2.5],
      ['I64', Buffer.from(new BigInt64Array([-7n]).buffer), -7],
      ['I32', Buffer.from(new Int32Array([-7]).buffer), -7],
      ['I16', Buffer.from(new Int16Array([-7]).buffer), -7],
      ['I8', Buffer.from(new Int8Array([-7]).buffer), -7],
      ['U64', Buffer.from(new BigUint64Array([7n]).buffer), 7],
      ['U32', Buffer.from(new Uint32Array([0xffffffff]).buffer), Math.fround(0xffffffff)],
      ['U16', Buffer.from(new Uint16Array([65535]).buffer), 65535],
      ['U8', Buffer.from([255]), 255],
      ['BOOL', Buffer.from([1]), 1],
    ];
    let end = 0;
    const header: Record<string, unknown> = {};
    for (const [dtype, bytes] of cases) {
      header[dtype] = entry(dtype, [1], end, end + bytes.length);
      end += bytes.length;
    }
    const file = path('types.safetensors');
    await writeFile(file, Buffer.concat([fileOf(header, 0), ...cases.map(([, bytes]) => bytes)]));
    const read = await readTensors(file);
    for (const [dtype, , expected] of cases) expect([...(read.get(dtype)?.data ?? [])]).toEqual([expected]);
  });

  it('rounds to float16 and bfloat16 to nearest, ties to even', async () => {
    const values = Float32Array.from([
      1,
      1.00048828125,
      1.00146484375,
      65504,
      65519.99,
      65520,
      2 ** -24,
      2 ** -25,
      2 ** -25 * 1.001,
      6e-5,
      -0,
      NaN,
      -Infinity,
    ]);
    const half = [
      1,
      1,
      1.001953125,
      65504,
      65504,
      Infinity,
      2 ** -24,
      0,
      2 ** -24,
      1007 * 2 ** -24,
      -0,
      NaN,
      -Infinity,
    ];
    await writeSafetensors(
      path('half.safetensors'),
      new Map([['x', { shape: [values.length], data: values }]]),
      {
        dtype: 'F16',
      },
    );
    expect([...((await readTensors(path('half.safetensors'))).get('x')?.data ?? [])]).toEqual(half);

    const wide = Float32Array.from([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.39e38, NaN, -Infinity]);
    await writeSafetensors(
      path('brain.safetensors'),
      new Map([['x', { shape: [wide.length], data: wide }]]),
      {
        dtype: 'BF16',
      },
    );
    expect([...((await readTensors(path('brain.safetensors'))).get('x')?.data ?? [])]).toEqual([
      1,
      1,
      1 + 2 ** -6,
      Math.fround(255 * 2 ** 120),
      NaN,
      -Infinity,
    ]);
  });

  it('returns every float16 unchanged through float32', async () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i).filter(
      (h) => (h & 0x7c00) !== 0x7c00 || (h & 0x3ff) === 0,
    );
    const file = path('all-halves.safetensors');
    await writeFile(
      file,
      Buffer.concat([
        fileOf({ x: entry('F16', [bits.length], 0, bits.byteLength) }, 0),
        Buffer.from(bits.buffer),
      ]),
    );
    const again = path('all-halves-again.safetensors');
    await writeSafetensors(again, await readTensors(file), { dtype: 'F16' });
    const { byteOffset } = (await readSafetensorsHeader(again)).tensors.get('x') ?? { byteOffset: 0 };
    expect((await readFile(again)).subarray(byteOffset).equals(Buffer.from(bits.buffer))).toBe(true);
  });

  const lies: [string, Buffer, string, string][] = [
    ['an empty file', Buffer.alloc(0), 'safetensors-truncated', '0 bytes'],
    [
      'text',
      Buffer.from('this is no tensor file at all'),
      'safetensors-invalid-header',
      'not a .safetensors',
    ],
    [
      'a header longer than the file',
      Buffer.concat([Buffer.from([200, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
      'safetensors-truncated',
      '200',
    ],
    [
      'an absurd header length',
      Buffer.from([255, 255, 255, 255, 255, 255, 255, 255]),
      'safetensors-invalid-header',
      '18446744073709551615',
    ],
    ['broken JSON', fileOf('{"a":', 0), 'safetensors-invalid-header', 'JSON'],
    ['an array', fileOf('[]', 0), 'safetensors-invalid-header', 'object'],
    [
      'invalid UTF-8',
      Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe])]),
      'safetensors-invalid-header',
      'UTF-8',
    ],
    ['offsets past the end', fileOf({ w: entry('F32', [4], 0, 16) }, 8), 'safetensors-truncated', '(at w)'],
    [
      'overlapping tensors',
      fileOf({ v: entry('F32', [2], 0, 8), w: entry('F32', [2], 4, 12) }, 12),
      'safetensors-invalid-header',
      "overlaps 'v'",
    ],
    [
      'a gap',
      fileOf({ v: entry('F32', [1], 0, 4), w: entry('F32', [1], 8, 12) }, 12),
      'safetensors-invalid-header',
      'unexplained',
    ],
    [
      'bytes after the end',
      fileOf({ v: entry('F32', [1], 0, 4) }, 12),
      'safetensors-invalid-header',
      '8 bytes after',
    ],
    [
      'a size that is not the shape',
      fileOf({ w: entry('F32', [3], 0, 16) }, 16),
      'safetensors-invalid-header',
      'Shape [3] of F32 needs 12',
    ],
    [
      'an absurd shape',
      fileOf({ w: entry('F32', [2 ** 40, 2 ** 40], 0, 16) }, 16),
      'safetensors-invalid-header',
      '(at w)',
    ],
    [
      'a negative dimension',
      fileOf({ w: entry('F32', [-1], 0, 16) }, 16),
      'safetensors-invalid-header',
      '(at w)',
    ],
    ['reversed offsets', fileOf({ w: entry('F32', [0], 8, 0) }, 16), 'safetensors-invalid-header', '(at w)'],
    [
      'an unknown type',
      fileOf({ w: entry('F8_E4M3', [1], 0, 1) }, 1),
      'safetensors-unsupported-dtype',
      'F8_E4M3',
    ],
    [
      'a duplicate key',
      fileOf(
        '{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}, "\\u0077" :{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        1,
      ),
      'safetensors-invalid-header',
      'twice',
    ],
    [
      'metadata that is no map of strings',
      fileOf({ __metadata__: { a: 1 } }, 0),
      'safetensors-invalid-header',
      '__metadata__',
    ],
  ];
  it.each(lies)('refuses %s', async (name, bytes, code, words) => {
    const file = path(`${name}.safetensors`);
    await writeFile(file, bytes);
    const error = await refusal(readTensors(file));
    expect(error.code).toBe(code);
    expect(error.line).toContain(words);
    expect(error.place.file).toBe(file);
  });

  it('says that a file is missing, or a folder', async () => {
    expect((await refusal(readTensors(path('nowhere.safetensors')))).code).toBe('file-missing');
    await mkdir(path('folder.safetensors'));
    expect((await refusal(readTensors(path('folder.safetensors')))).code).toBe('file-is-folder');
  });

  it('answers any mutation of a file with a result or a DeltaloomError', async () => {
    const valid = encodeSafetensors(
      new Map([
        ['first', tensor([2, 3], 1, 2, 3, 4, 5, 6)],
        ['second', tensor([2], 7, 8)],
      ]),
      { metadata: { a: 'b' } },
    );
    const file = path('mutated.safetensors');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(valid.length),
        async (changes, length) => {
          const bytes = Buffer.from(valid);
          for (const [at, value] of changes) bytes[at] = value;
          await writeFile(file, length % 3 === 0 ? bytes.subarray(0, length) : bytes);
          try {
            for (const { shape, data } of (await readTensors(file)).values()) {
              expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
            }
          } catch (error) {
            expect(error).toBeInstanceOf(DeltaloomError);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  describe.skipIf(isAbsent('golden'))('on the golden files', () => {
    it('reads a checkpoint and writes the same data', async () => {
      const source = shared('golden/checkpoints/adapter/source/boolq.safetensors');
      const tensors = await readTensors(source);
      expect([...tensors.keys()][0]).toBe('encoder.block.0.layer.0.adapter.adapter_A');
      expect(tensors.size).toBe(20);
      const copy = path('boolq.safetensors');
      await writeSafetensors(copy, tensors);
      expect(await readTensors(copy)).toEqual(tensors);
    });
  });
});

describe('writeFileAtomically', () => {
  it('keeps the old content and leaves nothing behind when the writer fails', async () => {
    await mkdir(path('atomic'));
    const file = path('atomic', 'a.txt');
    await writeFileAtomically(file, 'old');
    await expect(
      writeFileAtomically(file, async (handle) => {
        await handle.write('half of the new');
        throw new Error('stopped');
      }),
    ).rejects.toThrow('stopped');
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(path('atomic'))).toEqual(['a.txt']);
  });

  it('explains a path that leads through a file', async () => {
    await writeFile(path('plain'), '');
    const error = await refusal(writeFileAtomically(path('plain', 'x', 'y.txt'), 'text'));
    expect(error.code).toBe('folder-not-writable');
  });

  it('hashes a file', async () => {
    await writeFile(path('hashed'), 'abc');
    expect(await sha256File(path('hashed'))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });
});
