import type { Compatibility } from '../../core/averaging-weights.js';
import { probeLabels } from '../../core/score-aggregation.js';
import type { Batch, TokenisedExample } from '../compute/contract.js';
import { padBatch } from '../compute/padding.js';

/**
 * The probe as batches. Default: rows of like length together, so that little is padded; the order is a function of the
 * rows alone. Reference compatibility: file order, labels shifted as the reference shifts them.
 */
export function probeBatches(
  examples: readonly TokenisedExample[],
  batchSize: number,
  compatibility: Compatibility,
): Batch[] {
  const labels = probeLabels(
    examples.map(({ answers }) => answers),
    compatibility,
  );
  const rows = examples.flatMap(({ row, input }, i) => {
    const label = labels[i];
    return label === undefined ? [] : [{ row, input, label }];
  });
  if (compatibility === 'default') {
    rows.sort((a, b) => a.input.length - b.input.length || a.label.length - b.label.length || a.row - b.row);
  }
  const batches: Batch[] = [];
  for (let start = 0; start < rows.length; start += batchSize) {
    batches.push(padBatch(rows.slice(start, start + batchSize)));
  }
  return batches;
}
