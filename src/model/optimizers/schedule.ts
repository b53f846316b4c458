/** How the learning rate goes over the steps of a tuning. */
export interface Schedule {
  /** `cosine-second-half` holds the rate for half of the steps, then lets it fall to 0 along a cosine. */
  readonly kind: 'constant' | 'linear' | 'cosine-second-half';
  /** Steps in which the rate grows linearly from 0. */
  readonly warmupSteps: number;
  /** Where `linear` and `cosine-second-half` reach 0. */
  readonly totalSteps: number;
}

/**
 * The factor on the base rate for step k, which counts from 1: the scheduler's value before the k-th update, as in Hugging
 * Face's `get_linear_schedule_with_warmup`. (The reference ignores the warm-up of `constant`; pass 0 to do the same.)
 */
export function scheduleFactor({ kind, warmupSteps, totalSteps }: Schedule, step: number): number {
  const done = step - 1;
  if (done < warmupSteps) return done / Math.max(1, warmupSteps);
  if (kind === 'constant') return 1;
  if (kind === 'linear') return Math.max(0, (totalSteps - done) / Math.max(1, totalSteps - warmupSteps));
  const half = totalSteps / 2;
  if (done <= half) return 1;
  return 0.5 * (1 + Math.cos((Math.PI * Math.min(done - half, half)) / half));
}
