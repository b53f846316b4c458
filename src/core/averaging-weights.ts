import { DeltaloomError } from './errors.js';
import type { ScoreMethod } from './methods.js';
import { SCORE_METHOD_INFO } from './methods.js';

/** `float32` rounds after every operation, as the reference's tensors do; `float64` is the default. */
export type Precision = 'float32' | 'float64';
export type Direction = 'lower' | 'higher';
export type Compatibility = 'default' | 'reference';

/** One entry of a target's row of a score matrix. null: NaN or infinite. */
export interface ScoredSource {
  readonly task: string;
  readonly value: number | null;
}

export interface AveragingWeights {
  /** Source tasks in the order of the row, the target's own left out. */
  readonly sources: readonly string[];
  /** Finite, sum to 1; same order. */
  readonly weights: readonly number[];
  /** Shannon entropy in nats: 0 for a single source, ln n for equal weights. */
  readonly entropy: number;
  /** exp(entropy): the number of equally weighted sources that would be as spread. */
  readonly effectiveSources: number;
  readonly notice: WeightNotice | null;
}

export interface WeightNotice {
  readonly kind: 'collapsed' | 'uniform';
  /** For people. */
  readonly message: string;
}

/** Above this weight of one source the merge is that source for all practical purposes. */
const COLLAPSED_AT = 0.99;
/** A spread (largest minus smallest weight, relative to 1/n) below this is no choice at all. */
const UNIFORM_BELOW = 0.05;

/**
 * Which way a method's scores become weights. In reference compatibility the cosine of logits and labels and the hidden
 * cosine are negated as well, as unit_model_others.py:39 does: a more similar source then gets a smaller weight.
 */
export function weightDirection(method: ScoreMethod, compatibility: Compatibility): Direction {
  if (compatibility === 'reference' && (method === 'logits-label-cosine' || method === 'hidden-cosine')) {
    return 'lower';
  }
  return SCORE_METHOD_INFO[method].direction;
}

/** In the reference only the weight cosine is computed in double precision (numpy's average of Python floats). */
export function weightPrecision(method: ScoreMethod, compatibility: Compatibility): Precision {
  return compatibility === 'reference' && method !== 'weight-cosine' ? 'float32' : 'float64';
}

/** tau when nobody names one. The reference has 0.001 for the weight cosine and the performance, 0.1 for all else. */
export function defaultTemperature(method: ScoreMethod, compatibility: Compatibility): number {
  if (compatibility === 'default') return SCORE_METHOD_INFO[method].defaultTemperature;
  return method === 'weight-cosine' || method === 'performance' ? 0.001 : 0.1;
}

/**
 * softmax(-v/tau) or softmax(+v/tau), stabilised by the largest exponent. Temperature 0 is the limit: the most similar
 * value gets everything, equals share it.
 *
 * @throws DeltaloomError `temperature-invalid` for a negative, infinite or NaN temperature, `score-not-finite`
 */
export function softmaxWeights(
  values: readonly number[],
  direction: Direction,
  temperature: number,
  precision: Precision = 'float64',
): number[] {
  if (!Number.isFinite(temperature) || temperature < 0) {
    throw new DeltaloomError(
      'temperature-invalid',
      `The temperature must be a number greater than 0, not ${temperature}.`,
      {
        remedy:
          'Give a positive temperature, or 0 for the single most similar source. Higher temperatures weigh more evenly.',
      },
    );
  }
  if (values.some((value) => !Number.isFinite(value))) {
    throw new DeltaloomError('score-not-finite', 'A score is NaN or infinite: it has no weight.');
  }
  const sign = direction === 'lower' ? -1 : 1;
  const round = precision === 'float32' ? Math.fround : (value: number) => value;
  if (temperature === 0) {
    const best = Math.max(...values.map((value) => sign * value));
    const winners = values.filter((value) => sign * value === best).length;
    return values.map((value) => (sign * value === best ? 1 / winners : 0));
  }
  const scaled = values.map((value) => round(round(sign * value) / round(temperature)));
  // A temperature so small that v/tau overflows is the limit of temperature 0.
  if (scaled.some((value) => !Number.isFinite(value))) return softmaxWeights(values, direction, 0, precision);
  const highest = Math.max(...scaled);
  const exponentials = scaled.map((value) => round(Math.exp(round(value - highest))));
  const total = exponentials.reduce((sum, value) => round(sum + value), 0);
  return exponentials.map((value) => round(value / total));
}

/**
 * Averaging weights of a target from its row of scores, the target's own source left out.
 *
 * @throws DeltaloomError `no-other-source`, `score-not-finite` (names the source), `temperature-invalid`
 */
export function averagingWeights(
  target: string,
  row: readonly ScoredSource[],
  options: { direction: Direction; temperature: number; precision?: Precision },
): AveragingWeights {
  const others = otherSources(target, row);
  const broken = others.find(({ value }) => value === null || !Number.isFinite(value));
  if (broken !== undefined) {
    throw new DeltaloomError(
      'score-not-finite',
      `The score of source '${broken.task}' for target '${target}' is NaN or infinite: it has no weight.`,
      { remedy: `Check the checkpoint of '${broken.task}', or leave it out of the sources.` },
    );
  }
  const weights = softmaxWeights(
    others.map(({ value }) => value ?? Number.NaN),
    options.direction,
    options.temperature,
    options.precision,
  );
  return describeWeights(
    others.map(({ task }) => task),
    weights,
  );
}

/** Equal weights over all sources but the target's own (`average`), or over its group's other tasks (`group`). */
export function equalWeights(
  target: string,
  sources: readonly string[],
  groups?: readonly (readonly string[])[],
): AveragingWeights {
  const others = otherSources(
    target,
    sources.map((task) => ({ task })),
  ).map(({ task }) => task);
  if (groups === undefined) return describeWeights(others, equal(others.length));
  const own = groups.filter((members) => members.includes(target));
  if (own.length === 0) {
    throw new DeltaloomError('target-without-group', `The task '${target}' is in no group.`, {
      remedy: `Add it to a group in deltaloom.json ("groups"), or merge by a score.`,
    });
  }
  const siblings = others.filter((task) => own.some((members) => members.includes(task)));
  if (siblings.length === 0) {
    throw new DeltaloomError(
      'group-without-sibling',
      `The group of '${target}' has no other task with a source checkpoint.`,
      {
        remedy: 'Add tasks to the group in deltaloom.json ("groups"), or tune the other tasks of the group.',
      },
    );
  }
  return describeWeights(siblings, equal(siblings.length));
}

/** The single most similar source; the first of equals. */
export function bestSourceWeights(
  target: string,
  row: readonly ScoredSource[],
  direction: Direction,
): AveragingWeights {
  const { sources, weights } = averagingWeights(target, row, { direction, temperature: 0 });
  const winner = weights.findIndex((weight) => weight > 0);
  return describeWeights(sources.slice(winner, winner + 1), [1]);
}

/**
 * Weights that a person gave.
 *
 * @throws DeltaloomError `weights-not-finite`, `weights-sum`
 */
export function explicitWeights(weights: Readonly<Record<string, number>>): AveragingWeights {
  const entries = Object.entries(weights);
  const broken = entries.find(([, weight]) => !Number.isFinite(weight));
  if (broken !== undefined) {
    throw new DeltaloomError('weights-not-finite', `The weight of '${broken[0]}' is not a finite number.`);
  }
  const sum = entries.reduce((total, [, weight]) => total + weight, 0);
  if (entries.length === 0 || Math.abs(sum - 1) > 1e-6) {
    throw new DeltaloomError('weights-sum', `The weights sum to ${sum}, not to 1.`, {
      remedy: 'Divide every weight by the sum.',
    });
  }
  return describeWeights(
    entries.map(([task]) => task),
    entries.map(([, weight]) => weight),
  );
}

/** Entropy, effective number of sources and what deserves a warning. */
export function describeWeights(sources: readonly string[], weights: readonly number[]): AveragingWeights {
  const entropy = weights.reduce((sum, weight) => (weight > 0 ? sum - weight * Math.log(weight) : sum), 0);
  return { sources, weights, entropy, effectiveSources: Math.exp(entropy), notice: notice(sources, weights) };
}

function notice(sources: readonly string[], weights: readonly number[]): WeightNotice | null {
  if (weights.length < 2) return null;
  const largest = Math.max(...weights);
  if (largest >= COLLAPSED_AT) {
    const winner = sources[weights.indexOf(largest)] ?? '';
    return {
      kind: 'collapsed',
      message: `'${winner}' has ${(largest * 100).toFixed(1)}% of the weight: the merge is that source alone. Raise the temperature to mix in others.`,
    };
  }
  if ((largest - Math.min(...weights)) * weights.length < UNIFORM_BELOW) {
    return {
      kind: 'uniform',
      message:
        'All sources weigh nearly the same: the merge is the plain average. Lower the temperature to let the score choose.',
    };
  }
  return null;
}

function otherSources<Entry extends { readonly task: string }>(
  target: string,
  row: readonly Entry[],
): Entry[] {
  const others = row.filter(({ task }) => task !== target);
  if (others.length === 0) {
    throw new DeltaloomError(
      'no-other-source',
      `There is no source for the target '${target}' but its own: nothing to merge.`,
      { remedy: 'Tune a delta on at least one other task first (deltaloom tune).' },
    );
  }
  return others;
}

function equal(count: number): number[] {
  return Array.from({ length: count }, () => 1 / count);
}
