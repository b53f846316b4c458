import { mkdir, readFile, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';
import { openBackboneFolder } from '../../src/formats/backbone-folder.js';
import { readPickle } from '../../src/formats/pickle.js';
import { readPyTorchStateDict, readReferenceDeltaCheckpoint } from '../../src/formats/pytorch-checkpoint.js';
import { readTensors } from '../../src/formats/safetensors.js';
import { readStoredTensor } from '../../src/formats/stored-tensor.js';
import { goldenFixture, isAbsent, refusal, shared, temporaryFolder } from './shared-data.js';
import * as torch from './torch-fixture.js';

const path = temporaryFolder();

async function written(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(path(name), bytes);
  return path(name);
}

const float = (key: string, elements: number) => torch.storage(key, 'FloatStorage', elements);
const six = torch.floats(1, 2, 3, 4, 5, 6);
const execute = torch.call(torch.imported('os', 'system'), torch.text('touch somewhere'));

describe('readPyTorchStateDict', () => {
  it('says where tensors lie, views and shared storages included', async () => {
    const file = await written(
      'views.bin',
      torch.torchFile(
        torch.dict(
          [torch.text('whole'), torch.tensor(float('0', 6), 0, [2, 3], [3, 1])],
          [torch.text('row'), torch.tensor(float('0', 6), 3, [3], [1])],
          [torch.text('transposed'), torch.tensor(float('0', 6), 0, [3, 2], [1, 3])],
          [torch.text('scalar'), torch.tensor(float('0', 6), 5, [], [])],
          [torch.text('empty'), torch.tensor(float('0', 6), 0, [0, 3], [3, 1])],
          [torch.text('half'), torch.tensor(torch.storage('1', 'HalfStorage', 2), 0, [2], [1])],
          [torch.text('note'), torch.text('not a tensor')],
        ),
        { 0: six, 1: Buffer.from([0x00, 0x3c, 0x00, 0xc0]) },
      ),
    );
    const tensors = await readPyTorchStateDict(file);
    expect([...tensors.keys()]).toEqual(['whole', 'row', 'transposed', 'scalar', 'empty', 'half']);
    const whole = tensors.get('whole');
    expect(whole?.byteOffset).toBe((tensors.get('row')?.byteOffset ?? 0) - 12);
    const bytes = await readFile(file);
    expect(bytes.subarray(whole?.byteOffset, (whole?.byteOffset ?? 0) + 24).equals(six)).toBe(true);
    const values: Record<string, number[]> = {};
    for (const [name, stored] of tensors) values[name] = [...(await readStoredTensor(stored))];
    expect(values).toEqual({
      whole: [1, 2, 3, 4, 5, 6],
      row: [4, 5, 6],
      transposed: [1, 4, 2, 5, 3, 6],
      scalar: [6],
      empty: [],
      half: [1, -2],
    });
  });

  it('reads zip64 archives and files from before PyTorch 1.6', async () => {
    const value = (legacy: boolean) =>
      torch.dict(
        [torch.text('b'), torch.tensor(torch.storage('77', 'FloatStorage', 3, legacy), 0, [3], [1])],
        [torch.text('a'), torch.tensor(torch.storage('5', 'FloatStorage', 6, legacy), 0, [6], [1])],
      );
    const data = { 5: six, 77: torch.floats(7, 8, 9) };
    const files = [
      await written('zip64.bin', torch.asZip64(torch.torchFile(value(false), data))),
      await written(
        'legacy.bin',
        torch.legacyTorchFile(value(true), {
          5: { elements: 6, data: data[5] },
          77: { elements: 3, data: data[77] },
        }),
      ),
    ];
    for (const file of files) {
      const tensors = await readPyTorchStateDict(file);
      const read = (name: string) => {
        const stored = tensors.get(name);
        return stored === undefined ? [] : readStoredTensor(stored);
      };
      expect([...(await read('a'))]).toEqual([1, 2, 3, 4, 5, 6]);
      expect([...(await read('b'))]).toEqual([7, 8, 9]);
    }
  });

  it('skips objects that are not needed and executes nothing', async () => {
    const file = await written(
      'extra.bin',
      torch.torchFile(
        torch.dict(
          [torch.text('w'), torch.tensor(float('0', 6), 0, [6], [1])],
          [
            torch.text('config'),
            torch.built(torch.call(torch.imported('configuration', 'Config')), torch.dict()),
          ],
          [torch.text('attack'), execute],
        ),
        { 0: six },
      ),
    );
    expect([...(await readPyTorchStateDict(file)).keys()]).toEqual(['w']);
  });

  const tensorOf = (shape: number[], strides: number[], offset = 0) =>
    torch.torchFile(torch.dict([torch.text('w'), torch.tensor(float('0', 6), offset, shape, strides)]), {
      0: six,
    });
  it.each([
    ['code instead of a state dict', torch.torchFile(execute), 'pickle-object-refused', 'os.system'],
    ['a list', torch.torchFile(torch.list()), 'pytorch-not-a-checkpoint', 'a dictionary'],
    [
      'no tensors',
      torch.torchFile(torch.dict([torch.text('epoch'), torch.integer(3)])),
      'pytorch-no-tensors',
      "'epoch'",
    ],
    ['a tensor larger than its storage', tensorOf([7], [1]), 'pytorch-tensor-invalid', '(at w)'],
    ['an offset outside the storage', tensorOf([2], [1], 5), 'pytorch-tensor-invalid', '(at w)'],
    ['a huge view of few bytes', tensorOf([1 << 30], [0]), 'pytorch-tensor-invalid', '(at w)'],
    ['negative strides', tensorOf([2], [-1]), 'pytorch-tensor-invalid', 'cannot be'],
    [
      'a missing storage',
      torch.torchFile(torch.dict([torch.text('w'), torch.tensor(float('9', 6), 0, [6], [1])])),
      'pytorch-storage-missing',
      '(at w)',
    ],
    [
      'a short storage',
      torch.torchFile(torch.dict([torch.text('w'), torch.tensor(float('0', 7), 0, [7], [1])]), { 0: six }),
      'pytorch-storage-missing',
      '(at w)',
    ],
    ['text', Buffer.from('no checkpoint'), 'pytorch-not-a-checkpoint', 'torch.save'],
    ['an empty file', Buffer.alloc(0), 'pytorch-not-a-checkpoint', 'torch.save'],
    ['another zip', torch.zip({ 'a.txt': Buffer.from('a') }), 'pytorch-not-a-checkpoint', 'data.pkl'],
    [
      'a compressed zip',
      torch.zip({ 'archive/data.pkl': torch.pickle(torch.dict()) }, 8),
      'zip-compressed',
      'data.pkl',
    ],
    [
      'big-endian data',
      torch.zip({ 'a/data.pkl': torch.pickle(torch.dict()), 'a/byteorder': Buffer.from('big') }),
      'pytorch-big-endian',
      'big-endian',
    ],
    ['a truncated zip', tensorOf([6], [1]).subarray(0, 300), 'zip-damaged', 'end of the archive'],
    [
      'a truncated legacy file',
      torch.legacyTorchFile(torch.dict(), {}).subarray(0, 40),
      'pickle-damaged',
      'byte',
    ],
  ])('refuses %s', async (name, bytes, code, words) => {
    const error = await refusal(readPyTorchStateDict(await written(`${name}.bin`, bytes)));
    expect([error.code, error.line]).toEqual([code, expect.stringContaining(words)]);
    expect(error.place.file).toBe(path(`${name}.bin`));
  });

  it('refuses quantised tensors by name where they are needed', async () => {
    const file = await written(
      'quantised.pt',
      torch.torchFile(
        torch.dict([
          torch.text('lora'),
          torch.dict([torch.text('w'), torch.tensor(torch.storage('0', 'QInt8Storage', 6), 0, [6], [1])]),
        ]),
      ),
    );
    const error = await refusal(readReferenceDeltaCheckpoint(file));
    expect([error.code, error.place.at]).toEqual(['pickle-object-refused', 'lora.w']);
    expect(error.message).toContain('torch.QInt8Storage');
  });

  describe.skipIf(isAbsent('models/caikit-tiny-t5'))('on a published model', () => {
    it('opens pytorch_model.bin as a backbone whose weights can be mapped', async () => {
      const folder = await openBackboneFolder(shared('models/caikit-tiny-t5'));
      expect(folder).toMatchObject({ isTied: true, isFloat32: true, warnings: [] });
      expect(folder.weights.get('shared.weight')?.shape).toEqual([1302, 32]);
      expect(folder.tokenizer.vocabularySize).toBe(1302);
      const norm = folder.weights.get('encoder.final_layer_norm.weight');
      const values = norm === undefined ? [] : [...(await readStoredTensor(norm))];
      expect(values).toHaveLength(32);
      expect(values.every((value) => Number.isFinite(value))).toBe(true);
    });
  });
});

describe('sharded pytorch_model.bin', () => {
  it('is found through its index', async () => {
    await mkdir(path('bin shards'));
    await writeFile(
      path('bin shards', 'pytorch_model-00001-of-00001.bin'),
      torch.torchFile(torch.dict([torch.text('w'), torch.tensor(float('0', 6), 0, [6], [1])]), { 0: six }),
    );
    await writeFile(
      path('bin shards', 'pytorch_model.bin.index.json'),
      JSON.stringify({ weight_map: { w: 'pytorch_model-00001-of-00001.bin' } }),
    );
    await writeFile(
      path('bin shards', 'config.json'),
      JSON.stringify({
        model_type: 't5',
        vocab_size: 8,
        d_model: 4,
        d_kv: 2,
        d_ff: 6,
        num_heads: 2,
        num_layers: 1,
      }),
    );
    const error = await refusal(openBackboneFolder(path('bin shards')));
    expect(error.code).toBe('weights-missing');
    expect(error.message).toContain("the tensor 'w' instead");
  });
});

describe('readReferenceDeltaCheckpoint', () => {
  it('refuses code where a tensor is needed, naming both', async () => {
    const file = await written(
      'attack.pt',
      torch.torchFile(torch.dict([torch.text('adapter'), torch.dict([torch.text('x.adapter_A'), execute])])),
    );
    const error = await refusal(readReferenceDeltaCheckpoint(file));
    expect([error.code, error.place.at]).toEqual(['pickle-object-refused', 'adapter.x.adapter_A']);
    expect(error.message).toContain('os.system');
  });

  it('names what a file holds that is no delta', async () => {
    const file = await written('other.pt', torch.torchFile(torch.dict([torch.text('model'), torch.dict()])));
    const error = await refusal(readReferenceDeltaCheckpoint(file));
    expect(error.code).toBe('checkpoint-not-a-delta');
    expect(error.message).toContain("'model'");
  });

  it('keeps plain settings only, cyclic ones included', async () => {
    const cyclic = Buffer.concat([Buffer.from(']q\x07', 'latin1'), Buffer.from('h\x07a', 'latin1')]);
    const file = await written(
      'settings.pt',
      torch.torchFile(
        torch.dict(
          [torch.text('lora'), torch.dict([torch.text('w'), torch.tensor(float('0', 6), 0, [6], [1])])],
          [
            torch.text('args'),
            torch.dict(
              [torch.text('lr'), torch.integer(3)],
              [torch.text('names'), torch.list(torch.text('a'), torch.none)],
              [torch.text('hook'), execute],
              [torch.text('loop'), cyclic],
            ),
          ],
        ),
        { 0: six },
      ),
    );
    const { type, args, currentState } = await readReferenceDeltaCheckpoint(file);
    expect([type, currentState]).toEqual(['lora', null]);
    expect(args).toMatchObject({ lr: 3, names: ['a', null] });
    expect(args).not.toHaveProperty('hook');
    expect(JSON.stringify(args).length).toBeLessThan(200);
  });

  it('reads a checkpoint of the reference code', async () => {
    const checkpoint = await readReferenceDeltaCheckpoint(
      goldenFixture('checkpoints/adapter/reference_pt/hotpot_qa_checkpoint-best.pt'),
    );
    expect(checkpoint.type).toBe('adapter');
    expect(checkpoint.tensors).toEqual(
      await readTensors(goldenFixture('checkpoints/adapter/source/hotpot_qa.safetensors')),
    );
  });

  it('answers any mutation with a checkpoint or a DeltaloomError', async () => {
    const valid = await readFile(
      goldenFixture('checkpoints/adapter/reference_pt/hotpot_qa_checkpoint-best.pt'),
    );
    // Half of the changes hit the pickle or the directory, where everything is decided.
    const place = fc.oneof(
      fc.nat(valid.length - 1),
      fc.integer({ min: 60, max: 14_000 }),
      fc.integer({ min: valid.length - 6000, max: valid.length - 1 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.option(fc.nat(valid.length), { freq: 4 }),
        async (changes, length) => {
          const bytes = Buffer.from(valid);
          for (const [at, value] of changes) bytes[at] = value;
          const file = await written('mutated.pt', bytes.subarray(0, length ?? bytes.length));
          try {
            await readReferenceDeltaCheckpoint(file);
          } catch (error) {
            expect(error).toBeInstanceOf(DeltaloomError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  describe.skipIf(isAbsent('golden'))('on the golden files', () => {
    it.each(['adapter', 'lora', 'prefix'] as const)('reads the %s of the reference code', async (type) => {
      const checkpoint = await readReferenceDeltaCheckpoint(
        shared(`golden/checkpoints/${type}/reference_pt/hotpot_qa_checkpoint-best.pt`),
      );
      expect(checkpoint.type).toBe(type);
      expect(checkpoint.tensors).toEqual(
        await readTensors(shared(`golden/checkpoints/${type}/source/hotpot_qa.safetensors`)),
      );
      expect(checkpoint.args).toMatchObject({ max_input_length: 160 });
      expect(checkpoint.currentState).toHaveProperty('num_updates');
    });

    it('reads a merged checkpoint', async () => {
      const { type, tensors } = await readReferenceDeltaCheckpoint(
        shared('golden/unit_model/reference_merged_average.pt'),
      );
      expect(type).toBe('adapter');
      expect(tensors).toEqual(
        await readTensors(shared('golden/unit_model/average_adapter/without_hotpot_qa.safetensors')),
      );
    });
  });
});

describe('readPickle', () => {
  const hooks = { file: 'data.pkl', builders: {}, persistentId: (id: unknown) => id };

  it('reads the plain data of protocols 2 to 5', () => {
    // pickle.dumps({'a': [1, -2, 300, 70000, 2**40, 2**70, -1.5, None, True], b'k': ('x', {3})}, protocol=4)
    const protocol4 = Buffer.from(
      '8004954a000000000000007d94288c0161945d94284b014afeffffff4d2c014a701101008a060000000000018a' +
        '0900000000000000004047bff80000000000004e886543016b948c0178948f94284b03908694752e',
      'hex',
    );
    const { value, end } = readPickle(protocol4, hooks);
    expect(end).toBe(protocol4.length);
    expect(value).toEqual(
      new Map<unknown, unknown>([
        ['a', [1, -2, 300, 70000, 2 ** 40, 2n ** 70n, -1.5, null, true]],
        [Buffer.from('k'), ['x', [3]]],
      ]),
    );
  });

  it('answers any bytes with a value or a DeltaloomError, soon', () => {
    const opcode = fc.constantFrom(
      ...Buffer.from(
        '\x80\x95N\x88\x89KMJ\x8a\x8bGX\x8c\x8dC(012])\x8f}lt\x91d\x85\x86\x87ae\x90suqr\x94hjc\x93QR\x81\x92b.',
        'latin1',
      ),
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(opcode, fc.constantFrom(0, 1, 2, 10), fc.nat(255)), { maxLength: 200 }),
        (bytes) => {
          try {
            readPickle(Buffer.from(bytes), hooks);
          } catch (error) {
            expect(error).toBeInstanceOf(DeltaloomError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('stops a small pickle that makes too many objects', () => {
    const bytes = Buffer.alloc(3_000_000, '}');
    expect(() => readPickle(bytes, hooks)).toThrow(/more than 2000000 objects/);
  });
});
