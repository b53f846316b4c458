import type { Compatibility } from '../core/averaging-weights.js';
import { evaluateMetric } from '../core/metrics.js';
import type { MetricName } from '../core/metric-names.js';
import { probeLabels } from '../core/score-aggregation.js';
import type { DeltaTensors } from '../core/tensor.js';
import type { Model } from './compute/contract.js';
import { padBatch, type LabelledRow } from './compute/padding.js';
import type { Examples } from './examples.js';

/** Tokens of padded input that are decoded at once: long inputs come in smaller batches. */
const TOKENS_AT_ONCE = 8192;
const ROWS_AT_ONCE = 64;
/** Numbers in one table of a loss over the vocabulary, of which a pass holds about four: 64 MiB each. */
const LOGITS_AT_ONCE = 2 ** 24;

export interface EvaluationOptions {
  readonly metric: MetricName;
  /** Tokens of an answer at most, the start token included. */
  readonly maxLength: number;
  readonly compatibility: Compatibility;
  readonly signal: AbortSignal;
  /** Told of examples done, after every batch. */
  readonly progress?: (done: number, total: number) => void;
}

export interface Evaluation {
  /** 0 to 1 or a correlation; null where the metric is not defined on these predictions. */
  readonly metric: number | null;
  /** Decoded and trimmed, in the order of the examples. */
  readonly predictions: readonly string[];
}

/** Decodes greedily and measures. Rows of like length share a batch; the result does not depend on that. */
export async function evaluate(
  model: Model,
  delta: DeltaTensors | null,
  examples: Examples,
  options: EvaluationOptions,
): Promise<Evaluation> {
  const predictions = new Array<string>(examples.tokens.length).fill('');
  let done = 0;
  // Decoding has one row of logits per example, whatever its answer.
  for (const batch of batchesByLength(labelled(examples, options.compatibility), Infinity)) {
    options.signal.throwIfAborted();
    const ids = await model.generate(delta, padBatch(batch), options.maxLength);
    batch.forEach(({ row }, i) => {
      predictions[row] = model.backbone.decode(ids[i] ?? []).trim();
    });
    done += batch.length;
    options.progress?.(done, examples.tokens.length);
  }
  const golds = examples.texts.map(({ answers }) => answers);
  const metric = evaluateMetric(options.metric, predictions, golds);
  return { metric: Number.isFinite(metric) ? metric : null, predictions };
}

/** Mean cross-entropy per label token over all examples; null where it is not finite or there is no example. */
export async function meanLoss(
  model: Model,
  delta: DeltaTensors | null,
  examples: Examples,
  options: Pick<EvaluationOptions, 'compatibility' | 'signal'>,
): Promise<number | null> {
  let sum = 0;
  let tokens = 0;
  const labelsAtOnce = LOGITS_AT_ONCE / model.backbone.vocabularySize;
  for (const batch of batchesByLength(labelled(examples, options.compatibility), labelsAtOnce)) {
    options.signal.throwIfAborted();
    const { loss, labelMask } = await model.sweep(delta, padBatch(batch), null);
    labelMask.forEach((counts, i) => {
      if (counts === 0) return;
      sum += loss[i] ?? 0;
      tokens++;
    });
  }
  const mean = sum / tokens;
  return Number.isFinite(mean) ? mean : null;
}

function labelled({ tokens }: Examples, compatibility: Compatibility): LabelledRow[] {
  const labels = probeLabels(
    tokens.map(({ answers }) => answers),
    compatibility,
  );
  return tokens.flatMap(({ input }, row) => {
    const label = labels[row];
    return label === undefined ? [] : [{ row, input, label }];
  });
}

/**
 * Cuts rows into batches of like length, the longest first: memory is asked for once, at the start. A batch has at most
 * `labelsAtOnce` label tokens, padding included.
 */
function batchesByLength(rows: readonly LabelledRow[], labelsAtOnce: number): LabelledRow[][] {
  const sorted = [...rows].sort(
    (a, b) => b.input.length - a.input.length || b.label.length - a.label.length || a.row - b.row,
  );
  const batches: LabelledRow[][] = [];
  let input = 0;
  let label = 0;
  for (const row of sorted) {
    const batch = batches.at(-1);
    const size = (batch?.length ?? 0) + 1;
    label = Math.max(label, row.label.length);
    if (
      batch !== undefined &&
      size <= ROWS_AT_ONCE &&
      size * input <= TOKENS_AT_ONCE &&
      size * label <= labelsAtOnce
    ) {
      batch.push(row);
    } else {
      batches.push([row]);
      input = row.input.length;
      label = row.label.length;
    }
  }
  return batches;
}
