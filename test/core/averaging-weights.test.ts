import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  averagingWeights,
  bestSourceWeights,
  equalWeights,
  explicitWeights,
  softmaxWeights,
  weightDirection,
} from '../../src/core/averaging-weights.js';

const row = [
  { task: 'a', value: 1 },
  { task: 'b', value: 2 },
  { task: 'c', value: 3 },
];

describe('softmaxWeights', () => {
  it('is softmax(-v/tau) where lower is more similar', () => {
    const [first, second] = softmaxWeights([1, 2], 'lower', 0.5);
    expect(first).toBeCloseTo(1 / (1 + Math.exp(-2)), 15);
    expect(second).toBeCloseTo(1 / (1 + Math.exp(2)), 15);
  });

  it('is finite and sums to 1 for any finite values and any positive temperature', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 40 }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.constantFrom('lower' as const, 'higher' as const),
        (values, temperature, direction) => {
          const weights = softmaxWeights(values, direction, temperature);
          expect(weights.every((weight) => Number.isFinite(weight) && weight >= 0)).toBe(true);
          expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
        },
      ),
    );
  });

  it('gives the more similar value no less weight, and does not change under a shift', () => {
    const value = fc.double({ min: -1e3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(
        value,
        value,
        value,
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (x, y, shift, tau) => {
          const [a = 0, b = 0] = softmaxWeights([x, y], 'higher', tau);
          if (x > y) expect(a).toBeGreaterThanOrEqual(b);
          const [c = 0] = softmaxWeights([x + shift, y + shift], 'higher', tau);
          expect(c).toBeCloseTo(a, 6);
        },
      ),
    );
  });

  it('takes the limit at temperature 0, ties shared', () => {
    expect(softmaxWeights([3, 1, 1], 'lower', 0)).toEqual([0, 0.5, 0.5]);
    expect(softmaxWeights([3, 1, 1], 'higher', 0)).toEqual([1, 0, 0]);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses temperature %s', (temperature) => {
    expect(() => softmaxWeights([1, 2], 'lower', temperature)).toThrow(/temperature must be a number/);
  });

  it('rounds to float32 when asked to', () => {
    const weights = softmaxWeights([0.1, 0.2, 0.7], 'lower', 0.1, 'float32');
    expect(weights).toEqual(weights.map(Math.fround));
    expect(weights).not.toEqual(softmaxWeights([0.1, 0.2, 0.7], 'lower', 0.1));
  });
});

describe('averagingWeights', () => {
  it("leaves the target's own source out and keeps the order of the row", () => {
    const { sources, weights } = averagingWeights('b', row, { direction: 'lower', temperature: 1 });
    expect(sources).toEqual(['a', 'c']);
    expect(weights).toEqual(softmaxWeights([1, 3], 'lower', 1));
  });

  it('works for a target that is no source at all', () => {
    expect(averagingWeights('new', row, { direction: 'lower', temperature: 1 }).sources).toHaveLength(3);
  });

  it('says so when there is no other source', () => {
    expect(() =>
      averagingWeights('a', [{ task: 'a', value: 1 }], { direction: 'lower', temperature: 1 }),
    ).toThrow(/no source for the target 'a' but its own/);
  });

  it('names the source whose score is not finite, but ignores the own one', () => {
    const broken = [...row.slice(0, 2), { task: 'c', value: null }];
    expect(() => averagingWeights('a', broken, { direction: 'lower', temperature: 1 })).toThrow(
      /source 'c' for target 'a'/,
    );
    expect(averagingWeights('c', broken, { direction: 'lower', temperature: 1 }).sources).toEqual(['a', 'b']);
  });

  it('counts effective sources and warns of a collapse and of uniformity', () => {
    const uniform = averagingWeights('x', row, { direction: 'lower', temperature: 1e6 });
    expect(uniform.effectiveSources).toBeCloseTo(3, 6);
    expect(uniform.notice?.kind).toBe('uniform');
    const collapsed = averagingWeights('x', row, { direction: 'lower', temperature: 0.01 });
    expect(collapsed.effectiveSources).toBeCloseTo(1, 6);
    expect(collapsed.notice).toMatchObject({ kind: 'collapsed' });
    expect(collapsed.notice?.message).toContain("'a'");
    expect(averagingWeights('x', row, { direction: 'lower', temperature: 1 }).notice).toBeNull();
  });
});

describe('the baselines', () => {
  it('averages over all other sources', () => {
    expect(equalWeights('a', ['a', 'b', 'c'])).toMatchObject({ sources: ['b', 'c'], weights: [0.5, 0.5] });
  });

  it("averages over the other sources of the target's groups", () => {
    const groups = [['a', 'c'], ['b']];
    expect(equalWeights('a', ['a', 'b', 'c'], groups)).toMatchObject({ sources: ['c'], weights: [1] });
    expect(() => equalWeights('b', ['a', 'b', 'c'], groups)).toThrow(/no other task/);
    expect(() => equalWeights('d', ['a', 'b', 'c'], groups)).toThrow(/'d' is in no group/);
  });

  it('takes the most similar source, the first of equals', () => {
    expect(bestSourceWeights('a', row, 'higher')).toMatchObject({ sources: ['c'], weights: [1] });
    const ties = row.map(({ task }) => ({ task, value: 1 }));
    expect(bestSourceWeights('a', ties, 'higher').sources).toEqual(['b']);
  });

  it('checks weights that a person gives', () => {
    expect(explicitWeights({ a: 0.25, b: 0.75 }).weights).toEqual([0.25, 0.75]);
    expect(() => explicitWeights({ a: 0.25, b: 0.25 })).toThrow(/sum to 0.5/);
    expect(() => explicitWeights({ a: Number.NaN })).toThrow(/'a'/);
  });
});

it('negates the cosines in reference compatibility only', () => {
  expect(weightDirection('logits-label-cosine', 'default')).toBe('higher');
  expect(weightDirection('logits-label-cosine', 'reference')).toBe('lower');
  expect(weightDirection('hidden-cosine', 'reference')).toBe('lower');
  expect(weightDirection('weight-cosine', 'reference')).toBe('higher');
});
