/** Small statistics of results and scores. Pure; empty input gives NaN unless said otherwise. */

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample standard deviation (divisor n - 1); null for fewer than two values. */
export function standardDeviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** Ranks from 1, equals sharing the mean of their ranks. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const result = new Array<number>(values.length).fill(0);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end] ?? 0] === values[order[start] ?? 0]) end++;
    for (let i = start; i < end; i++) result[order[i] ?? 0] = (start + end + 1) / 2;
    start = end;
  }
  return result;
}

/** Pearson's correlation; NaN when either side is constant, not finite or shorter than two. */
export function pearson(x: readonly number[], y: readonly number[]): number {
  const [centreX, centreY] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [a, b] = [(x[i] ?? Number.NaN) - centreX, (y[i] ?? Number.NaN) - centreY];
    xy += a * b;
    xx += a * a;
    yy += b * b;
  }
  return x.length < 2 ? Number.NaN : xy / Math.sqrt(xx * yy);
}

/** Spearman's rank correlation with mean ranks for ties. */
export function spearman(x: readonly number[], y: readonly number[]): number {
  return pearson(ranks(x), ranks(y));
}

/**
 * Area under the ROC curve: the chance that a positive scores higher than a negative, ties counting half
 * (Mann-Whitney). NaN when either class is empty.
 */
export function areaUnderCurve(scores: readonly number[], positive: readonly boolean[]): number {
  const positives = positive.filter(Boolean).length;
  const negatives = positive.length - positives;
  const rankSum = ranks(scores).reduce((sum, rank, i) => (positive[i] === true ? sum + rank : sum), 0);
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** How much worse the choice is than the best of the alternatives: max - chosen, never below 0. */
export function regret(chosen: number, alternatives: readonly number[]): number {
  return Math.max(chosen, ...alternatives) - chosen;
}

/** In how many of the pairs the left side is higher, equal or lower. Pairs with a NaN are left out. */
export function winCounts(
  left: readonly number[],
  right: readonly number[],
): { wins: number; ties: number; losses: number } {
  let [wins, ties, losses] = [0, 0, 0];
  left.forEach((value, i) => {
    const other = right[i] ?? Number.NaN;
    if (value > other) wins++;
    else if (value === other) ties++;
    else if (value < other) losses++;
  });
  return { wins, ties, losses };
}
