import { DeltaloomError } from './errors.js';
import type { MetricName } from './metric-names.js';
import { mean, pearson } from './statistics.js';

/**
 * CrossFit's metrics (dataloader/metrics_t5.py), 0 to 1 or a correlation. `golds[i]` are all accepted answers of row i; the
 * best of them counts. No examples: NaN.
 *
 * @param predictions decoded and trimmed
 * @throws DeltaloomError `metric-rows` when the two sides differ in length, `metric-gold-not-a-number`
 */
export function evaluateMetric(
  metric: MetricName,
  predictions: readonly string[],
  golds: readonly (readonly string[])[],
): number {
  if (predictions.length !== golds.length) {
    throw new DeltaloomError(
      'metric-rows',
      `There are ${predictions.length} predictions for ${golds.length} examples.`,
    );
  }
  switch (metric) {
    case 'Classification-F1':
      return classificationF1(predictions, golds.map(firstAnswer));
    case 'Matthews-Correlation':
      return matthewsCorrelation(predictions, golds.map(firstAnswer));
    case 'Pearson-Correlation':
      return pearsonCorrelation(predictions, golds.map(firstAnswer));
    default:
      return mean(exampleScores(metric, predictions, golds) ?? []);
  }
}

/** The score of every example on its own; null for the metrics that only exist over a whole split. */
export function exampleScores(
  metric: MetricName,
  predictions: readonly string[],
  golds: readonly (readonly string[])[],
): number[] | null {
  const score = EXAMPLE_SCORES[metric];
  if (score === undefined) return null;
  return predictions.map((prediction, i) =>
    (golds[i] ?? []).reduce((best, gold) => Math.max(best, score(prediction, gold)), 0),
  );
}

type ExampleScore = (prediction: string, gold: string) => number;
const EXAMPLE_SCORES: Partial<Record<MetricName, ExampleScore>> = {
  ACC: (prediction, gold) => Number(prediction.toLowerCase() === gold.toLowerCase()),
  EM: (prediction, gold) => Number(normaliseAnswer(prediction) === normaliseAnswer(gold)),
  'QA-F1': questionAnsweringF1,
  'Rouge-L': rougeL,
};

/** Python's string.punctuation. */
const PUNCTUATION = /[!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]/g;
/** Python's `\b` and `\w` see all of Unicode; JavaScript's do not, so the word border is spelled out. */
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** SQuAD's normalisation: lower case, no punctuation, no articles, single spaces. */
export function normaliseAnswer(text: string): string {
  return words(text.toLowerCase().replace(PUNCTUATION, '').replace(ARTICLES, ' ')).join(' ');
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/** F1 over bags of normalised words; 0 when either side is empty. */
function questionAnsweringF1(prediction: string, gold: string): number {
  const [predicted, expected] = [words(normaliseAnswer(prediction)), words(normaliseAnswer(gold))];
  const left = new Map<string, number>();
  for (const word of expected) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of predicted) {
    const count = left.get(word) ?? 0;
    if (count > 0) common++;
    left.set(word, count - 1);
  }
  return harmonicMean(common / predicted.length, common / expected.length, common);
}

/**
 * F1 of the longest common subsequence of words (Lin 2004, beta 1). The reference calls the package `rouge`, which also
 * counts sentence by sentence; for one-sentence texts without repeated words the two agree. An answer of punctuation only
 * scores 0.
 */
function rougeL(prediction: string, gold: string): number {
  if (prediction.replace(PUNCTUATION, '') === '') return 0;
  const [predicted, expected] = [words(prediction), words(gold)];
  let previous = new Array<number>(expected.length + 1).fill(0);
  for (const word of predicted) {
    const current = [0];
    expected.forEach((other, j) => {
      const extended = (previous[j] ?? 0) + 1;
      current.push(word === other ? extended : Math.max(previous[j + 1] ?? 0, current[j] ?? 0));
    });
    previous = current;
  }
  const common = previous[expected.length] ?? 0;
  return harmonicMean(common / predicted.length, common / expected.length, common);
}

function harmonicMean(precision: number, recall: number, common: number): number {
  return common === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/** Macro F1 over the labels that occur among the golds; predictions outside them only cost recall. Exact match of text. */
function classificationF1(predictions: readonly string[], golds: readonly string[]): number {
  const labels = [...new Set(golds)];
  return mean(
    labels.map((label) => {
      const predicted = predictions.filter((prediction) => prediction === label).length;
      const expected = golds.filter((gold) => gold === label).length;
      const common = golds.filter((gold, i) => gold === label && predictions[i] === label).length;
      return common === 0 ? 0 : (2 * common) / (predicted + expected);
    }),
  );
}

/** Matthews' correlation of 'acceptable' against everything else; 0 when either side is constant. */
function matthewsCorrelation(predictions: readonly string[], golds: readonly string[]): number {
  if (golds.length === 0) return Number.NaN;
  const correlation = pearson(
    golds.map((gold) => Number(gold === 'acceptable')),
    predictions.map((prediction) => Number(prediction.trim() === 'acceptable')),
  );
  return Number.isNaN(correlation) ? 0 : correlation;
}

/**
 * Pearson's correlation of numbers. A prediction that is no number makes the whole value NaN, where the reference's SciPy
 * raises an error.
 */
function pearsonCorrelation(predictions: readonly string[], golds: readonly string[]): number {
  const expected = golds.map((gold, row) => {
    const value = parseNumber(gold);
    if (Number.isNaN(value)) {
      throw new DeltaloomError(
        'metric-gold-not-a-number',
        `Pearson-Correlation needs numbers, but the answer of example ${row + 1} is '${gold}'.`,
        { remedy: "Choose another metric for this task in deltaloom.json ('metrics')." },
      );
    }
    return value;
  });
  return pearson(expected, predictions.map(parseNumber));
}

function parseNumber(text: string): number {
  const trimmed = text.trim();
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : Number.NaN;
}

function firstAnswer(answers: readonly string[]): string {
  return answers[0] ?? '';
}
