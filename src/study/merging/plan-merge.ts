import type { AveragingWeights, Compatibility, ScoredSource } from '../../core/averaging-weights.js';
import {
  averagingWeights,
  bestSourceWeights,
  defaultTemperature,
  describeWeights,
  equalWeights,
  explicitWeights,
  weightDirection,
  weightPrecision,
} from '../../core/averaging-weights.js';
import { DeltaloomError } from '../../core/errors.js';
import type { Granularity, ScoreMethod } from '../../core/methods.js';
import { MODEL_PART } from '../../core/parts.js';
import { mean } from '../../core/statistics.js';
import type { JobRequest } from '../jobs.js';
import type { ScoreMatrix } from '../records.js';
import { scoreCommand } from './score-command.js';

/** How a merge chooses its weights. */
export type MergeBy = Extract<JobRequest, { kind: 'merge' }>['by'];

export interface WeightRequest {
  readonly target: string;
  readonly deltaName: string;
  readonly by: MergeBy;
  readonly compatibility: Compatibility;
  /** Tasks that have a source checkpoint, in the study's order; the target's own may be among them. */
  readonly sources: readonly string[];
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** The study's temperatures by method. */
  readonly temperatures: Readonly<Partial<Record<ScoreMethod, number>>>;
  /** The matrix that `by` names; null where it needs none. */
  readonly matrix: ScoreMatrix | null;
}

/** Weights that were chosen, and what names them in tables. */
export interface ChosenWeights {
  /** A score method, 'average', 'group', 'best-source', 'explicit'; '<method>/<part>', '<method>/per-block'. */
  readonly label: string;
  readonly score: ScoreMethod | null;
  readonly granularity: Granularity;
  readonly temperature: number | null;
  readonly sources: readonly string[];
  readonly parts: readonly string[];
  /** By part, in the order of `sources`; with entropy, effective number of sources and warnings. */
  readonly weights: readonly AveragingWeights[];
}

/**
 * Chooses averaging weights. Pure: reads the matrix, no file.
 *
 * @throws DeltaloomError `no-other-source`, `group-without-sibling`, `target-without-group`, `score-missing`,
 *   `score-not-finite`, `temperature-invalid`, `weights-sum`, `merge-source-unknown`, `merge-part-unknown`
 */
export function chooseWeights(request: WeightRequest): ChosenWeights {
  const { by, target, sources } = request;
  switch (by.kind) {
    case 'average':
      return whole('average', null, equalWeights(target, sources));
    case 'group':
      return whole('group', null, equalWeights(target, sources, Object.values(request.groups)));
    case 'explicit':
      return whole('explicit', null, chooseExplicit(by.weights, sources));
    case 'best-source': {
      const row = rowOf(request, by.method, (values) => mean(values));
      const direction = weightDirection(by.method, request.compatibility);
      return whole('best-source', by.method, bestSourceWeights(target, row, direction));
    }
    case 'score':
      return chooseByScore(request, by);
  }
}

function chooseByScore(request: WeightRequest, by: Extract<MergeBy, { kind: 'score' }>): ChosenWeights {
  const { method, granularity, part } = by;
  const known = request.matrix?.parts ?? [];
  if (part !== undefined && request.matrix !== null && !known.includes(part)) {
    throw new DeltaloomError('merge-part-unknown', `The scores by ${method} have no part '${part}'.`, {
      remedy: `Choose one of: ${known.join(', ')}.`,
    });
  }
  const temperature =
    by.temperature ?? request.temperatures[method] ?? defaultTemperature(method, request.compatibility);
  const options = {
    direction: weightDirection(method, request.compatibility),
    precision: weightPrecision(method, request.compatibility),
    temperature,
  };
  const weigh = (index: number) =>
    averagingWeights(
      request.target,
      rowOf(request, method, (values) => values[index] ?? Number.NaN),
      options,
    );
  const choice = { score: method, granularity, temperature };
  if (granularity === 'model' || part !== undefined) {
    const weights = weigh(part === undefined ? 0 : known.indexOf(part));
    const label = part === undefined ? method : `${method}/${part}`;
    return { label, ...choice, sources: weights.sources, parts: [MODEL_PART], weights: [weights] };
  }
  const weights = known.map((_, index) => weigh(index));
  // Every part has the same other sources; without any part the row itself would have failed.
  const sources = weights[0]?.sources ?? weigh(0).sources;
  return { label: `${method}/per-${granularity}`, ...choice, sources, parts: known, weights };
}

function whole(label: string, score: ScoreMethod | null, weights: AveragingWeights): ChosenWeights {
  return {
    label,
    score,
    granularity: 'model',
    temperature: null,
    sources: weights.sources,
    parts: [MODEL_PART],
    weights: [weights],
  };
}

function chooseExplicit(
  weights: Readonly<Record<string, number>>,
  sources: readonly string[],
): AveragingWeights {
  const chosen = explicitWeights(weights);
  const unknown = chosen.sources.find((task) => !sources.includes(task));
  if (unknown !== undefined) {
    throw new DeltaloomError('merge-source-unknown', `There is no source checkpoint of '${unknown}'.`, {
      remedy:
        sources.length === 0
          ? 'Tune sources first (deltaloom tune).'
          : `There are: ${sources.join(', ')}. Or tune '${unknown}' first.`,
    });
  }
  // The study's order, so that equal weights written in another order are the same merge.
  const ordered = sources.filter((task) => chosen.sources.includes(task));
  return describeWeights(
    ordered,
    ordered.map((task) => weights[task] ?? 0),
  );
}

/** The target's row over the sources at hand. */
function rowOf(
  { target, deltaName, sources, matrix, by }: WeightRequest,
  method: ScoreMethod,
  value: (values: number[]) => number,
): ScoredSource[] {
  return sources.map((task) => {
    const cell = matrix?.cells.find((candidate) => candidate.target === target && candidate.source === task);
    if (cell === undefined) {
      if (task === target) return { task, value: null };
      throw new DeltaloomError(
        'score-missing',
        `There is no score by ${method} of source '${task}' for target '${target}'.`,
        { remedy: `Run: ${scoreCommand({ by, method, target, deltaName })}.` },
      );
    }
    return { task, value: value(cell.values.map((number) => number ?? Number.NaN)) };
  });
}
