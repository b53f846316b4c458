import { expect, it } from 'vitest';
import {
  areaUnderCurve,
  mean,
  pearson,
  ranks,
  regret,
  spearman,
  standardDeviation,
  winCounts,
} from '../../src/core/statistics.js';

it('computes means and sample deviations', () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect(standardDeviation([1, 2, 6])).toBeCloseTo(Math.sqrt(7), 12);
  expect(standardDeviation([1])).toBeNull();
});

it('shares ranks between equals', () => {
  expect(ranks([10, 20, 10, 5])).toEqual([2.5, 4, 2.5, 1]);
});

it('correlates', () => {
  expect(pearson([1, 2, 3], [2, 4, 6])).toBeCloseTo(1, 12);
  expect(pearson([1, 1], [1, 2])).toBeNaN();
  expect(spearman([1, 2, 3, 4], [1, 4, 9, 16])).toBeCloseTo(1, 12);
  expect(spearman([1, 2, 3], [3, 1, 2])).toBeCloseTo(-0.5, 12);
});

it('measures the area under the curve, ties counting half', () => {
  expect(areaUnderCurve([1, 2, 3, 4], [false, false, true, true])).toBe(1);
  expect(areaUnderCurve([4, 3, 2, 1], [false, false, true, true])).toBe(0);
  expect(areaUnderCurve([1, 1, 1, 1], [false, true, false, true])).toBe(0.5);
  expect(areaUnderCurve([1, 2], [true, true])).toBeNaN();
});

it('counts wins and regret', () => {
  expect(winCounts([1, 2, 3, Number.NaN], [0, 2, 4, 1])).toEqual({ wins: 1, ties: 1, losses: 1 });
  expect(regret(0.5, [0.7, 0.4])).toBeCloseTo(0.2, 12);
  expect(regret(0.8, [0.7])).toBe(0);
});
