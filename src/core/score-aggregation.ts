import type { Compatibility } from './averaging-weights.js';
import type { Granularity, ScoreMethod } from './methods.js';
import { partOfTensor } from './parts.js';

/**
 * From statistics of single tokens, rows and batches to one score per (target, source). The default mode takes means over
 * the label tokens of the whole probe; reference compatibility takes what t5_trainer.py took: sums, and for all but the
 * cosine only the first batch.
 */

/** What one forward pass says about one batch, [size * targetLength] row-major; 0 where the label is padding. */
export interface TokenStatistics {
  readonly labelMask: ArrayLike<number>;
  readonly loss: ArrayLike<number>;
  readonly el2n: ArrayLike<number>;
  readonly logitsLabelCosine: ArrayLike<number>;
  readonly klDivergence: ArrayLike<number> | null;
  /** Per block one cosine per row. */
  readonly hiddenCosine: ReadonlyMap<string, ArrayLike<number>> | null;
}

/** Running sums over batches: plain numbers, so that they can be written down and taken up again. */
export interface SweepTotals {
  batches: number;
  rows: number;
  tokens: number;
  loss: number;
  el2n: number;
  logitsLabelCosine: number;
  klDivergence: number | null;
  /** Sum over rows, per block. */
  hiddenCosine: Record<string, number> | null;
}

export function emptySweepTotals(): SweepTotals {
  return {
    batches: 0,
    rows: 0,
    tokens: 0,
    loss: 0,
    el2n: 0,
    logitsLabelCosine: 0,
    klDivergence: null,
    hiddenCosine: null,
  };
}

/** Adds a batch of `rows` examples to the running sums. */
export function addToSweepTotals(totals: SweepTotals, rows: number, statistics: TokenStatistics): void {
  totals.batches += 1;
  totals.rows += rows;
  totals.tokens += sum(statistics.labelMask);
  totals.loss += sum(statistics.loss);
  totals.el2n += sum(statistics.el2n);
  totals.logitsLabelCosine += sum(statistics.logitsLabelCosine);
  if (statistics.klDivergence !== null) {
    totals.klDivergence = (totals.klDivergence ?? 0) + sum(statistics.klDivergence);
  }
  if (statistics.hiddenCosine !== null) {
    totals.hiddenCosine ??= {};
    for (const [block, cosines] of statistics.hiddenCosine) {
      totals.hiddenCosine[block] = (totals.hiddenCosine[block] ?? 0) + sum(cosines);
    }
  }
}

/** The methods that one sweep answers. */
export const SWEEP_METHODS = [
  'loss',
  'kl-divergence',
  'el2n',
  'logits-label-cosine',
  'hidden-cosine',
] as const satisfies readonly ScoreMethod[];
export type SweepMethod = (typeof SWEEP_METHODS)[number];

export function isSweepMethod(method: ScoreMethod): method is SweepMethod {
  return (SWEEP_METHODS as readonly ScoreMethod[]).includes(method);
}

/** How many batches a method reads: all, or in reference compatibility the first for every method but the cosine. */
export function batchesRead(method: SweepMethod, compatibility: Compatibility): number {
  return compatibility === 'reference' && method !== 'logits-label-cosine' ? 1 : Number.POSITIVE_INFINITY;
}

/**
 * The values of one cell, one per part (`hidden-cosine`: per block in the order of `blocks`). The totals must be those of
 * the batches that the method reads ({@link batchesRead}). NaN where the totals lack what the method needs.
 */
export function sweepValues(
  method: SweepMethod,
  totals: SweepTotals,
  compatibility: Compatibility,
  blocks: readonly string[],
): number[] {
  const reference = compatibility === 'reference';
  const perToken = (value: number | null) => (value ?? Number.NaN) / totals.tokens;
  switch (method) {
    case 'loss':
      // The reference's loss is itself a mean over the tokens of the batch.
      return [perToken(totals.loss)];
    case 'kl-divergence':
      return [reference ? (totals.klDivergence ?? Number.NaN) : perToken(totals.klDivergence)];
    case 'el2n':
      return [reference ? totals.el2n : perToken(totals.el2n)];
    case 'logits-label-cosine':
      return [reference ? totals.logitsLabelCosine : perToken(totals.logitsLabelCosine)];
    case 'hidden-cosine':
      return blocks.map((block) => {
        const value = totals.hiddenCosine?.[block] ?? Number.NaN;
        return reference ? value : value / totals.rows;
      });
  }
}

/** Running sums of gradient norms: per part, the sum over batches of the norm of that batch's gradient. */
export interface GradientTotals {
  batches: number;
  norms: number[];
}

/** The gradient norm of one batch, per part: the root of the summed squared norms of the part's tensors. */
export function gradientNormsByPart(
  squaredNorms: ReadonlyMap<string, number>,
  granularity: Granularity,
  parts: readonly string[],
): number[] {
  const squares = new Map<string, number>();
  for (const [name, square] of squaredNorms) {
    const part = partOfTensor(name, granularity);
    squares.set(part, (squares.get(part) ?? 0) + square);
  }
  return parts.map((part) => Math.sqrt(squares.get(part) ?? 0));
}

export function addToGradientTotals(totals: GradientTotals, norms: readonly number[]): void {
  totals.batches += 1;
  norms.forEach((norm, i) => (totals.norms[i] = (totals.norms[i] ?? 0) + norm));
}

/** Mean over batches, or the reference's sum over them. */
export function gradientValues(totals: GradientTotals, compatibility: Compatibility): number[] {
  return totals.norms.map((norm) => (compatibility === 'reference' ? norm : norm / totals.batches));
}

/**
 * How many batches GraNd reads: all in the default mode. The reference (t5_trainer.py, `cou_num`) stops after a number
 * that depends on the task's name, smaller by block and layer. The reference also stays in train mode; with its dropout
 * of 0.1 its numbers carry noise that nobody can reproduce, so scoring here runs without dropout in both modes.
 */
export function gradientBatches(
  task: string,
  granularity: Granularity,
  compatibility: Compatibility,
): number {
  if (compatibility !== 'reference') return Number.POSITIVE_INFINITY;
  if (granularity !== 'model') return task === 'boolq' || task === 'mc_taco' ? 3 : 5;
  return REFERENCE_GRADIENT_BATCHES.get(task) ?? 10;
}

const REFERENCE_GRADIENT_BATCHES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    6: [
      'boolq',
      'mc_taco',
      'amazon_polarity',
      'tab_fact',
      'scitail',
      'tweet_eval-offensive',
      'tweet_eval-irony',
      'glue-mrpc',
      'glue-qqp',
      'medical_questions_pairs',
      'blimp-ellipsis_n_bar_1',
      'blimp-irregular_past_participle_adjectives',
      'blimp-sentential_negation_npi_scope',
    ],
    9: ['financial_phrasebank', 'anli', 'tweet_eval-sentiment'],
    12: ['climate_fever', 'health_fact'],
    18: ['liar'],
  }).flatMap(([count, tasks]) => tasks.map((task) => [task, Number(count)] as const)),
);

/**
 * The label sequence of every probe row. Default: the row's own first answer. Reference compatibility repeats
 * dataloader/utils.py:41-44: all answers of all rows are laid end to end and row i gets answer number i, so that with
 * multi-answer tasks nearly every row carries another row's label.
 *
 * @param answers one list of label sequences per row, in file order; each row has at least one
 */
export function probeLabels<Label>(
  answers: readonly (readonly Label[])[],
  compatibility: Compatibility,
): Label[] {
  const flattened = answers.flat();
  return answers.flatMap((own, row) => {
    const label = compatibility === 'reference' ? flattened[row] : own[0];
    return label === undefined ? [] : [label];
  });
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i] ?? 0;
  return total;
}
