import type { Granularity } from './methods.js';
import { partOfTensor, partsOfTensors } from './parts.js';
import type { DeltaTensors } from './tensor.js';

/** Scores read from the weights alone. All sums in double precision. */

/** torch.nn.CosineSimilarity's floor of the product of the norms: a zero vector has cosine 0. */
const COSINE_FLOOR = 1e-8;

/**
 * Mean over tensors of cos(target, source), per part: METHODS `weight-cosine`. With `initial` given, on the change of both
 * from their shared initialisation: `weight-cosine-change`. A tensor that did not change counts as cosine 0.
 *
 * @returns parts in network order and one value each
 */
export function weightCosine(
  target: DeltaTensors,
  source: DeltaTensors,
  granularity: Granularity,
  initial: DeltaTensors | null = null,
): { parts: string[]; values: number[] } {
  const sums = new Map<string, { sum: number; count: number }>();
  for (const [name, { data: x }] of target) {
    const y = source.get(name)?.data ?? new Float32Array(x.length);
    const origin = initial?.get(name)?.data;
    let [dot, xx, yy] = [0, 0, 0];
    for (let i = 0; i < x.length; i++) {
      const start = origin === undefined ? 0 : (origin[i] ?? 0);
      const [a, b] = [(x[i] ?? 0) - start, (y[i] ?? 0) - start];
      dot += a * b;
      xx += a * a;
      yy += b * b;
    }
    const cosine = dot / Math.max(Math.sqrt(xx * yy), COSINE_FLOOR);
    const part = partOfTensor(name, granularity);
    const entry = sums.get(part) ?? { sum: 0, count: 0 };
    sums.set(part, { sum: entry.sum + cosine, count: entry.count + 1 });
  }
  const parts = partsOfTensors(target.keys(), granularity);
  return {
    parts,
    values: parts.map((part) => {
      const { sum, count } = sums.get(part) ?? { sum: Number.NaN, count: 1 };
      return sum / count;
    }),
  };
}

/** Sum over tensors of norm(source - the same delta after k steps on the target): METHODS `euclidean`. */
export function euclideanDistance(source: DeltaTensors, tuned: DeltaTensors): number {
  let total = 0;
  for (const [name, { data: x }] of source) {
    const y = tuned.get(name)?.data ?? new Float32Array(x.length);
    let squares = 0;
    for (let i = 0; i < x.length; i++) squares += ((x[i] ?? 0) - (y[i] ?? 0)) ** 2;
    total += Math.sqrt(squares);
  }
  return total;
}
