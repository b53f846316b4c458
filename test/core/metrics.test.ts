import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { MetricName } from '../../src/core/metric-names.js';
import { METRIC_NAMES, metricOfTask, parseMetricName } from '../../src/core/metric-names.js';
import { evaluateMetric, exampleScores, normaliseAnswer } from '../../src/core/metrics.js';

interface GoldenMetrics {
  cases: {
    metric: string;
    predictions: string[];
    golds: string[][];
    result: Record<string, number | string>;
    per_example: number[] | null;
  }[];
  METRICS: Record<string, string>;
}

const GOLDEN = new URL('../../../shared/golden/metrics.json', import.meta.url);

describe.skipIf(!existsSync(GOLDEN))("the reference's own results (skipped without ../shared/golden)", () => {
  const golden = existsSync(GOLDEN)
    ? (JSON.parse(readFileSync(GOLDEN, 'utf8')) as GoldenMetrics)
    : { cases: [], METRICS: {} };
  const computed = golden.cases.filter(({ result }) => !('exception' in result));

  it.each(computed)('$metric of $predictions', ({ metric, predictions, golds, result, per_example }) => {
    const name = parseMetricName(metric) as MetricName;
    expect(evaluateMetric(name, predictions, golds)).toBeCloseTo(result[metric] as number, 12);
    if (per_example !== null) expect(exampleScores(name, predictions, golds)).toEqual(per_example);
  });

  it('knows the metric of every task of CrossFit', () => {
    for (const [task, metric] of Object.entries(golden.METRICS)) {
      expect([task, metricOfTask(task)]).toEqual([task, parseMetricName(metric)]);
    }
  });
});

it('normalises as SQuAD does', () => {
  expect(normaliseAnswer('The  cat, an Éclair & a_b the')).toBe('cat éclair ab');
  expect(normaliseAnswer('theà a')).toBe('theà');
});

it('matches the longest common subsequence', () => {
  const [score] = exampleScores('Rouge-L', ['the cat sat'], [['the black cat sat down', 'dog']]) ?? [];
  expect(score).toBeCloseTo((2 * 1 * 0.6) / 1.6, 12);
  expect(exampleScores('Rouge-L', ['...', 'x'], [['...'], []])).toEqual([0, 0]);
});

it('makes an unparsable prediction NaN, and names a gold that is no number', () => {
  expect(evaluateMetric('Pearson-Correlation', ['1', 'x'], [['1'], ['2']])).toBeNaN();
  expect(() => evaluateMetric('Pearson-Correlation', ['1', '2'], [['1'], ['two']])).toThrow(
    /example 2 is 'two'/,
  );
});

it('refuses sides of different length', () => {
  expect(() => evaluateMetric('EM', ['x'], [])).toThrow(/1 predictions for 0 examples/);
});

it('is NaN on nothing', () => {
  for (const metric of METRIC_NAMES) expect(evaluateMetric(metric, [], [])).toBeNaN();
});
