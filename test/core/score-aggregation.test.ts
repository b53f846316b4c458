import { describe, expect, it } from 'vitest';
import type { TokenStatistics } from '../../src/core/score-aggregation.js';
import {
  addToGradientTotals,
  addToSweepTotals,
  batchesRead,
  emptySweepTotals,
  gradientBatches,
  gradientNormsByPart,
  gradientValues,
  probeLabels,
  sweepValues,
} from '../../src/core/score-aggregation.js';

const batch = (loss: number[], mask: number[], hidden: number[]): TokenStatistics => ({
  labelMask: mask,
  loss,
  el2n: loss.map((value) => value / 2),
  logitsLabelCosine: loss.map((value) => value / 4),
  klDivergence: loss.map((value) => value * 2),
  hiddenCosine: new Map([['encoder.block.0', hidden]]),
});

describe('sweep', () => {
  const totals = emptySweepTotals();
  addToSweepTotals(totals, 2, batch([1, 2, 3, 0], [1, 1, 1, 0], [0.5, 1]));
  addToSweepTotals(totals, 1, batch([6, 0], [1, 0], [0.75]));

  it('takes means over label tokens, and over rows for hidden states', () => {
    const value = (method: Parameters<typeof sweepValues>[0]) =>
      sweepValues(method, totals, 'default', ['encoder.block.0']);
    expect(value('loss')).toEqual([3]);
    expect(value('el2n')).toEqual([1.5]);
    expect(value('logits-label-cosine')).toEqual([0.75]);
    expect(value('kl-divergence')).toEqual([6]);
    expect(value('hidden-cosine')).toEqual([0.75]);
  });

  it('takes sums in reference compatibility, but the mean for the loss', () => {
    const value = (method: Parameters<typeof sweepValues>[0]) =>
      sweepValues(method, totals, 'reference', ['encoder.block.0']);
    expect(value('loss')).toEqual([3]);
    expect(value('el2n')).toEqual([6]);
    expect(value('kl-divergence')).toEqual([24]);
    expect(value('hidden-cosine')).toEqual([2.25]);
  });

  it('has no KL without a teacher', () => {
    expect(sweepValues('kl-divergence', emptySweepTotals(), 'default', [])).toEqual([Number.NaN]);
  });

  it('survives being written down', () => {
    expect(JSON.parse(JSON.stringify(totals))).toEqual(totals);
  });
});

describe('GraNd', () => {
  const squares = new Map([
    ['encoder.block.0.layer.0.adapter.adapter_A', 9],
    ['encoder.block.0.layer.1.adapter.adapter_A', 16],
    ['decoder.block.0.layer.0.adapter.adapter_A', 144],
  ]);

  it('adds squares within a part and norms over batches', () => {
    expect(gradientNormsByPart(squares, 'model', ['model'])).toEqual([13]);
    const parts = ['encoder.block.0', 'decoder.block.0'];
    const norms = gradientNormsByPart(squares, 'block', parts);
    expect(norms).toEqual([5, 12]);
    const totals = { batches: 0, norms: [] };
    addToGradientTotals(totals, norms);
    addToGradientTotals(totals, norms);
    expect(gradientValues(totals, 'default')).toEqual([5, 12]);
    expect(gradientValues(totals, 'reference')).toEqual([10, 24]);
  });

  it("stops at the reference's counts in compatibility only", () => {
    expect(gradientBatches('boolq', 'model', 'default')).toBe(Number.POSITIVE_INFINITY);
    expect(gradientBatches('boolq', 'model', 'reference')).toBe(6);
    expect(gradientBatches('anli', 'model', 'reference')).toBe(9);
    expect(gradientBatches('health_fact', 'model', 'reference')).toBe(12);
    expect(gradientBatches('liar', 'model', 'reference')).toBe(18);
    expect(gradientBatches('squad', 'model', 'reference')).toBe(10);
    expect(gradientBatches('mc_taco', 'layer', 'reference')).toBe(3);
    expect(gradientBatches('anli', 'block', 'reference')).toBe(5);
  });
});

it('labels rows with their own first answer, or as the reference shifts them', () => {
  const answers = [['a1', 'a2'], ['b1'], ['c1']];
  expect(probeLabels(answers, 'default')).toEqual(['a1', 'b1', 'c1']);
  expect(probeLabels(answers, 'reference')).toEqual(['a1', 'a2', 'b1']);
});

it('reads one batch for all but the cosine in reference compatibility', () => {
  expect(batchesRead('loss', 'reference')).toBe(1);
  expect(batchesRead('logits-label-cosine', 'reference')).toBe(Number.POSITIVE_INFINITY);
  expect(batchesRead('loss', 'default')).toBe(Number.POSITIVE_INFINITY);
});
