import type { T5Architecture } from '../core/t5-architecture.js';

/**
 * The bucket of T5's relative position bias for one distance (memory position - query position), as in Mesh TensorFlow's
 * `_relative_position_bucket`: half of the buckets are exact distances, the rest grow logarithmically up to the maximum
 * distance. Encoder attention is bidirectional: half of the buckets serve each direction.
 */
export function relativeBucket(
  distance: number,
  architecture: Pick<T5Architecture, 'relativeBuckets' | 'relativeMaxDistance'>,
  bidirectional: boolean,
): number {
  let buckets = architecture.relativeBuckets;
  let offset = 0;
  let gap: number;
  if (bidirectional) {
    buckets = Math.floor(buckets / 2);
    if (distance > 0) offset = buckets;
    gap = Math.abs(distance);
  } else {
    gap = Math.max(0, -distance);
  }
  const exact = Math.floor(buckets / 2);
  if (gap < exact) return offset + gap;
  // The reference computes in float32 and truncates: rounding each step the same way decides the borders.
  const ratio = Math.fround(Math.log(Math.fround(gap / exact)));
  const scale = Math.fround(ratio / Math.log(architecture.relativeMaxDistance / exact));
  const logarithmic = exact + Math.trunc(Math.fround(scale * (buckets - exact)));
  return offset + Math.min(logarithmic, buckets - 1);
}

/**
 * Buckets [queries, keys], row-major, of query i at position `firstQuery + i` and key j at position `firstKey + j`. With
 * `causal`, keys after the query get the bucket number `relativeBuckets`: the row of the bias table that hides them.
 */
export function bucketMatrix(
  architecture: Pick<T5Architecture, 'relativeBuckets' | 'relativeMaxDistance'>,
  kind: 'bidirectional' | 'causal',
  positions: { queries: number; keys: number; firstQuery?: number; firstKey?: number },
): Int32Array {
  const { queries, keys, firstQuery = 0, firstKey = 0 } = positions;
  const nearest = firstKey - firstQuery - queries + 1;
  const byDistance = Int32Array.from({ length: queries + keys - 1 }, (_, index) => {
    const distance = nearest + index;
    return kind === 'causal' && distance > 0
      ? architecture.relativeBuckets
      : relativeBucket(distance, architecture, kind === 'bidirectional');
  });
  const buckets = new Int32Array(queries * keys);
  for (let query = 0; query < queries; query++) {
    const start = queries - 1 - query;
    buckets.set(byDistance.subarray(start, start + keys), query * keys);
  }
  return buckets;
}
