import { describe, expect, it } from 'vitest';
import { isAbsent, shared } from '../formats/shared-data.js';
import { checkReferenceFiles } from './reference-file-checks.js';
import {
  checkAveragingWeights,
  checkImportedMatrices,
  checkMerges,
  checkMetrics,
  checkWeightScores,
} from './study-checks.js';

describe.skipIf(isAbsent('golden'))("the reference's numbers that need no network", () => {
  it.each([
    ['metrics', checkMetrics, 15],
    ['imported matrices', checkImportedMatrices, 20],
    ['scores from weights', checkWeightScores, 2],
    ['averaging weights', checkAveragingWeights, 19],
    ['merged tensors', checkMerges, 15],
    ["the reference's checkpoint files", checkReferenceFiles, 4],
  ])('%s', async (_, check, least) => {
    const comparisons = await check(shared('golden'));
    expect(comparisons.length).toBeGreaterThanOrEqual(least);
    const failed = comparisons.filter(({ difference, tolerance }) => !(difference <= tolerance));
    expect(failed).toEqual([]);
  });
});
