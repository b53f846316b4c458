import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MergeSource } from '../../src/core/merging.js';
import { checkAgreement, mergeDeltas, tensorWeights, wholePlan } from '../../src/core/merging.js';
import type { DeltaTensors, Tensor } from '../../src/core/tensor.js';

const NAMES = ['encoder.block.0.layer.0.adapter.adapter_A', 'decoder.block.1.layer.2.adapter.adapter_B'];
const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });

/** Any delta of one shape: two tensors of [2, 3]. */
const delta = fc
  .tuple(fc.array(float32, { minLength: 6, maxLength: 6 }), fc.array(float32, { minLength: 6, maxLength: 6 }))
  .map((tensors) => new Map(tensors.map((data, i) => [NAMES[i] ?? '', tensor(data)])));

function tensor(data: readonly number[], shape = [2, 3]): Tensor {
  return { shape, data: Float32Array.from(data) };
}

function bits(tensors: DeltaTensors): [string, Uint32Array][] {
  return [...tensors].map(([name, { data }]) => [name, new Uint32Array(data.slice().buffer)]);
}

describe('mergeDeltas', () => {
  it('returns one source with weight 1 bit by bit, whatever the others hold', () => {
    fc.assert(
      fc.property(delta, delta, (source, other) => {
        expect(bits(mergeDeltas([source, other], wholePlan([1, 0])))).toEqual(bits(source));
        expect(bits(mergeDeltas([source], wholePlan([1])))).toEqual(bits(source));
      }),
    );
  });

  it('returns k copies with weight 1/k bit by bit', () => {
    fc.assert(
      fc.property(delta, fc.integer({ min: 1, max: 64 }), (source, k) => {
        const copies = Array.from({ length: k }, () => source);
        expect(bits(mergeDeltas(copies, wholePlan(copies.map(() => 1 / k))))).toEqual(bits(source));
      }),
    );
  });

  it('lies between its sources', () => {
    fc.assert(
      fc.property(delta, delta, fc.double({ min: 0, max: 1, noNaN: true }), (x, y, share) => {
        for (const [name, { data }] of mergeDeltas([x, y], wholePlan([share, 1 - share]))) {
          data.forEach((value, i) => {
            const ends = [x.get(name)?.data[i] ?? 0, y.get(name)?.data[i] ?? 0];
            const slack = Math.max(...ends.map(Math.abs)) * 1e-6;
            expect(value).toBeGreaterThanOrEqual(Math.min(...ends) - slack);
            expect(value).toBeLessThanOrEqual(Math.max(...ends) + slack);
          });
        }
      }),
    );
  });

  it('weighs every block by its own row', () => {
    const one = new Map(NAMES.map((name) => [name, tensor([1, 1, 1, 1, 1, 1])]));
    const two = new Map(NAMES.map((name) => [name, tensor([3, 3, 3, 3, 3, 3])]));
    const merged = mergeDeltas([one, two], {
      parts: ['encoder.block.0', 'decoder.block.1'],
      weights: [
        [1, 0],
        [0.5, 0.5],
      ],
    });
    expect([...merged.values()].map(({ data }) => data[0])).toEqual([1, 2]);
  });

  it('rounds step by step in float32, as the reference does', () => {
    const values = [0.1, 0.2, 0.3].map((value) => new Map([['encoder.x', tensor([value], [1])]]));
    const weights = [0.3, 0.3, 0.4];
    let expected = 0;
    [0.1, 0.2, 0.3].forEach((value, i) => {
      expected = Math.fround(expected + Math.fround(Math.fround(value) * Math.fround(weights[i] ?? 0)));
    });
    expect(mergeDeltas(values, wholePlan(weights), 'float32').get('encoder.x')?.data[0]).toBe(expected);
  });

  it('refuses values that are not finite, naming the tensor', () => {
    const broken = new Map([['encoder.x', tensor([Number.NaN], [1])]]);
    expect(() => mergeDeltas([broken], wholePlan([1]))).toThrow(/'encoder.x' has NaN/);
  });
});

describe('tensorWeights', () => {
  const plan = {
    parts: ['encoder.block.0', 'encoder.block.1', 'decoder.block.0'],
    weights: [
      [1, 0],
      [0, 1],
      [0.25, 0.75],
    ],
  };

  it('takes the block of a layer', () => {
    expect(tensorWeights('encoder.block.1.layer.0.adapter.adapter_A', plan)).toEqual([0, 1]);
    expect(
      tensorWeights('encoder.block.10.layer.0.x', { ...plan, parts: ['encoder.block.10', 'a', 'b'] }),
    ).toEqual([1, 0]);
  });

  it('takes the mean over the blocks of a stack for a prefix', () => {
    expect(tensorWeights('encoder.prefix.prefix', plan)).toEqual([0.5, 0.5]);
    expect(tensorWeights('decoder.prefix.prefix', plan)).toEqual([0.25, 0.75]);
  });

  it('names a tensor that no part covers', () => {
    expect(() => tensorWeights('decoder.block.1.layer.0.x', plan)).toThrow(/decoder.block.1.layer.0.x/);
  });
});

describe('checkAgreement', () => {
  const source = (change: Partial<MergeSource>): MergeSource => ({
    label: 'boolq',
    backbone: 'aaaa',
    delta: { type: 'prefix', length: 6, hiddenSize: 8 },
    shapes: new Map([['encoder.x', [2, 3]]]),
    ...change,
  });

  it.each([
    ['backbone', { backbone: 'bbbb' }, /backbone bbbb instead of aaaa/],
    ['type', { delta: { type: 'lora', rank: 4, alpha: 16, targetModules: ['q'] } as const }, /type lora/],
    ['setting', { delta: { type: 'prefix', length: 7, hiddenSize: 8 } as const }, /length 7 instead of 6/],
    ['missing tensor', { shapes: new Map() }, /'encoder.x' is missing/],
    ['shape', { shapes: new Map([['encoder.x', [3, 2]]]) }, /shape \[3, 2\] instead of \[2, 3\]/],
  ])('names the %s that disagrees, and whose', (_, change, message) => {
    const odd = source({ label: 'quarel', file: 'quarel.safetensors', ...change });
    expect(() => checkAgreement([source({}), odd])).toThrow(message);
    expect(() => checkAgreement([source({}), odd])).toThrow(/'quarel' can't be merged with 'boolq'/);
  });

  it('names a tensor that only one of them has', () => {
    const odd = source({ shapes: new Map([...source({}).shapes, ['encoder.y', [1]]]) });
    expect(() => checkAgreement([source({}), odd])).toThrow(/'encoder.y' is unknown/);
  });

  it('is content with what agrees or is unknown', () => {
    expect(() =>
      checkAgreement([source({}), source({}), { label: 'x', shapes: source({}).shapes }]),
    ).not.toThrow();
  });
});
