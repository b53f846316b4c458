import type { Precision } from './averaging-weights.js';
import type { DeltaSettings } from './delta-settings.js';
import type { ErrorPlace } from './errors.js';
import { DeltaloomError } from './errors.js';
import { MODEL_PART, partsConcerning } from './parts.js';
import type { DeltaTensors, Tensor } from './tensor.js';
import { sizeOfShape } from './tensor.js';

/**
 * A merge is the weighted sum of source deltas. The invariants of METHODS.md hold bit by bit in double precision: one source
 * with weight 1 is returned exactly, and so are k copies with weight 1/k, because a sum of doubles that far below
 * float32's rounding always rounds back to the float32 it came from.
 */

/** Weights by part: `weights[i][j]` is source j's share of part i. One part `model` for a whole merge. */
export interface MergePlan {
  readonly parts: readonly string[];
  readonly weights: readonly (readonly number[])[];
}

/** The plan in which every tensor has the same weights. */
export function wholePlan(weights: readonly number[]): MergePlan {
  return { parts: [MODEL_PART], weights: [weights] };
}

/**
 * The weights of one tensor: those of its part. A tensor that serves a whole stack takes the mean over the stack's blocks.
 *
 * @throws DeltaloomError `merge-part-missing` when the plan says nothing about the tensor
 */
export function tensorWeights(name: string, plan: MergePlan): readonly number[] {
  const rows = partsConcerning(name, plan.parts).map((index) => plan.weights[index] ?? []);
  const [first] = rows;
  if (first === undefined) {
    throw new DeltaloomError('merge-part-missing', `No part of the weights covers the tensor '${name}'.`, {
      place: { at: name },
      remedy: `The weights cover: ${plan.parts.join(', ')}. Score at a granularity that covers every tensor.`,
    });
  }
  if (rows.length === 1) return first;
  return first.map((_, j) => rows.reduce((sum, row) => sum + (row[j] ?? 0), 0) / rows.length);
}

/**
 * A running weighted sum over sources in plain JavaScript. Sources of weight 0 are left out, so that neither their NaNs nor
 * the sign of a zero can leak in. `SumMemory` does the same for checkpoints on disk, faster.
 *
 * `float32` rounds after every product and sum, as the reference's `tensor_weight += state[k] * weight` does.
 */
export class WeightedSum {
  private readonly sum: Float64Array | Float32Array;
  private empty = true;

  constructor(size: number, precision: Precision = 'float64') {
    this.sum = precision === 'float64' ? new Float64Array(size) : new Float32Array(size);
  }

  add(values: Float32Array, weight: number): void {
    this.checkLength(values);
    if (weight === 0) return;
    if (this.sum instanceof Float32Array) {
      addSingle(this.sum, values, Math.fround(weight));
    } else if (this.empty) {
      // The first term is assigned, not added: 0 + -0 would lose the sign of a zero.
      assignDouble(this.sum, values, weight);
    } else {
      addDouble(this.sum, values, weight);
    }
    this.empty = false;
  }

  private checkLength(values: Float32Array): void {
    if (values.length === this.sum.length) return;
    throw new RangeError(`a source of ${values.length} values in a sum of ${this.sum.length}`);
  }

  /** The sum so far, rounded once to float32. */
  result(target: Float32Array = new Float32Array(this.sum.length)): Float32Array {
    target.set(this.sum);
    return target;
  }
}

// Plain loops over one kind of array each: the engine turns them into straight machine code only so.
function assignDouble(sum: Float64Array, values: Float32Array, weight: number): void {
  for (let i = 0; i < values.length; i++) sum[i] = (values[i] as number) * weight;
}
function addDouble(sum: Float64Array, values: Float32Array, weight: number): void {
  for (let i = 0; i < values.length; i++) sum[i] = (sum[i] as number) + (values[i] as number) * weight;
}
function addSingle(sum: Float32Array, values: Float32Array, weight: number): void {
  for (let i = 0; i < values.length; i++) {
    sum[i] = (sum[i] as number) + Math.fround((values[i] as number) * weight);
  }
}

/**
 * The weighted sum of deltas held in memory. For LoRA this is the factor rule: A and B averaged separately, as the
 * reference does. Names and order of the first source.
 *
 * @throws DeltaloomError `merge-disagreement`, `merge-part-missing`, `merge-not-finite`
 */
export function mergeDeltas(
  sources: readonly DeltaTensors[],
  plan: MergePlan,
  precision: Precision = 'float64',
): Map<string, Tensor> {
  const [first] = sources;
  if (first === undefined) throw new DeltaloomError('no-other-source', 'There is no source to merge.');
  checkAgreement(
    sources.map((tensors, i) => ({
      label: `source ${i + 1}`,
      shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    })),
  );
  const merged = new Map<string, Tensor>();
  for (const [name, { shape }] of first) {
    const weights = tensorWeights(name, plan);
    const sum = new WeightedSum(sizeOfShape(shape), precision);
    sources.forEach((tensors, j) => {
      const values = tensors.get(name)?.data;
      if (values !== undefined) sum.add(values, weights[j] ?? 0);
    });
    const data = sum.result();
    if (data.some((value) => !Number.isFinite(value))) {
      throw new DeltaloomError(
        'merge-not-finite',
        `The merged tensor '${name}' has NaN or infinite values.`,
        {
          place: { at: name },
        },
      );
    }
    merged.set(name, { shape, data });
  }
  return merged;
}

/** What must agree between the sources of a merge. `backbone` and `delta` are compared where both sides know them. */
export interface MergeSource {
  /** Names the source in messages: its task. */
  readonly label: string;
  readonly file?: string;
  /** Fingerprint of the backbone it was tuned on. */
  readonly backbone?: string;
  readonly delta?: DeltaSettings;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** How many disagreements a message names before it only counts. */
const NAMED_DISAGREEMENTS = 5;

/**
 * Checks that all sources agree with the first in backbone, delta type and settings, tensor names and shapes.
 *
 * @throws DeltaloomError `merge-disagreement` that names what disagrees
 */
export function checkAgreement(sources: readonly MergeSource[]): void {
  const [first, ...others] = sources;
  if (first === undefined) return;
  for (const other of others) {
    const found = disagreements(first, other);
    if (found.length === 0) continue;
    const named = found.slice(0, NAMED_DISAGREEMENTS).join('; ');
    const rest = found.length > NAMED_DISAGREEMENTS ? ` and ${found.length - NAMED_DISAGREEMENTS} more` : '';
    const place: ErrorPlace = other.file === undefined ? {} : { file: other.file };
    throw new DeltaloomError(
      'merge-disagreement',
      `'${other.label}' can't be merged with '${first.label}': ${named}${rest}.`,
      { place, remedy: 'Merge deltas of one backbone and one delta setting, or tune the odd one again.' },
    );
  }
}

function disagreements(first: MergeSource, other: MergeSource): string[] {
  if (first.backbone !== undefined && other.backbone !== undefined && first.backbone !== other.backbone) {
    return [`backbone ${other.backbone.slice(0, 12)} instead of ${first.backbone.slice(0, 12)}`];
  }
  if (first.delta !== undefined && other.delta !== undefined) {
    if (first.delta.type !== other.delta.type) {
      return [`delta type ${other.delta.type} instead of ${first.delta.type}`];
    }
    const [own, theirs] = [Object.entries(first.delta), new Map(Object.entries(other.delta))];
    const settings = own
      .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(theirs.get(key)))
      .map(([key, value]) => `${key} ${JSON.stringify(theirs.get(key))} instead of ${JSON.stringify(value)}`);
    if (settings.length > 0) return settings;
  }
  const found: string[] = [];
  for (const [name, shape] of first.shapes) {
    const own = other.shapes.get(name);
    if (own === undefined) found.push(`tensor '${name}' is missing`);
    else if (own.join() !== shape.join()) {
      found.push(`tensor '${name}' has shape [${own.join(', ')}] instead of [${shape.join(', ')}]`);
    }
  }
  for (const name of other.shapes.keys()) {
    if (!first.shapes.has(name)) found.push(`tensor '${name}' is unknown to '${first.label}'`);
  }
  return found;
}
