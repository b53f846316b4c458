import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WeightedSum } from '../../src/core/merging.js';
import { SumMemory } from '../../src/core/weighted-sum-kernels.js';

const float32 = fc.float({ noDefaultInfinity: true });
const bits = (values: Float32Array) => new Uint32Array(values.slice().buffer);

describe.each(['float64', 'float32'] as const)('SumMemory in %s', (precision) => {
  it('sums bit by bit what WeightedSum sums, for any number of values and sources', () => {
    const sourceOf = (count: number) =>
      fc.record({
        values: fc.array(float32, { minLength: count, maxLength: count }),
        weight: fc.oneof(fc.constant(0), fc.double({ min: -2, max: 2, noNaN: true })),
      });
    const sources = fc
      .integer({ min: 0, max: 21 })
      .chain((count) => fc.array(sourceOf(count), { minLength: 1, maxLength: 9 }));
    fc.assert(
      fc.property(sources, fc.integer({ min: 0, max: 5 }), (given, at) => {
        // A source without a weight has no say; with all of them so, there is no sum to speak of.
        fc.pre(given.some(({ weight }) => weight !== 0));
        const count = given[0]?.values.length ?? 0;
        const expected = new WeightedSum(count, precision);
        const memory = new SumMemory({ elements: at + count, slots: 4, slotBytes: 4 * count + 8, precision });
        memory.clear();
        for (let start = 0; start < given.length; start += 4) {
          const group = given.slice(start, start + 4);
          const terms = group.map(({ values, weight }, slot) => {
            memory.values(slot, 8, count).set(values);
            expected.add(Float32Array.from(values), weight);
            return { slot, byteOffset: 8, weight };
          });
          memory.add(at, count, terms);
        }
        const found = new Float32Array(count);
        memory.result(found, at);
        // NaNs differ in bits that mean nothing.
        const same = (a: number, b: number) => Object.is(a, b);
        expect(found.every((value, i) => same(value, expected.result()[i] ?? 0))).toBe(true);
      }),
    );
  });

  it('leaves the elements beside a sum alone', () => {
    const memory = new SumMemory({ elements: 16, slots: 1, slotBytes: 64, precision });
    memory.clear();
    memory.values(0, 0, 9).fill(3);
    memory.add(2, 9, [{ slot: 0, byteOffset: 0, weight: 0.5 }]);
    const found = new Float32Array(16);
    memory.result(found);
    expect([...found].map((value) => value + 0)).toEqual([
      ...[0, 0],
      ...new Array<number>(9).fill(1.5),
      ...[0, 0, 0, 0, 0],
    ]);
    expect(() => memory.add(8, 9, [])).toThrow(RangeError);
  });

  it('lets files be read into its slots', () => {
    const memory = new SumMemory({ elements: 4, slots: 2, slotBytes: 16, precision });
    memory.clear();
    const values = Float32Array.of(1, -2, 3, -4);
    memory.slot(1).set(new Uint8Array(values.buffer));
    memory.add(0, 4, [{ slot: 1, byteOffset: 0, weight: 1 }]);
    const found = new Float32Array(4);
    memory.result(found);
    expect(bits(found)).toEqual(bits(values));
  });
});
