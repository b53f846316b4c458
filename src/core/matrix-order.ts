/** Orders of the rows and columns of a score matrix for people to look at. All return a permutation of indices. */

/** Members of a group side by side, groups in the order given, tasks without a group last; otherwise the study's order. */
export function orderByGroup(
  tasks: readonly string[],
  groups: Readonly<Record<string, readonly string[]>>,
): number[] {
  const members = Object.values(groups);
  const rank = (task: string) => {
    const index = members.findIndex((group) => group.includes(task));
    return index < 0 ? members.length : index;
  };
  return indices(tasks.length).sort((a, b) => rank(tasks[a] ?? '') - rank(tasks[b] ?? '') || a - b);
}

/** The most similar first, unknown values (null) last. */
export function orderByValue(values: readonly (number | null)[], direction: 'lower' | 'higher'): number[] {
  const sign = direction === 'lower' ? 1 : -1;
  return indices(values.length).sort((a, b) => {
    const [x, y] = [values[a] ?? null, values[b] ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null) || a - b;
    return sign * (x - y) || a - b;
  });
}

/**
 * Average-linkage clustering (UPGMA) of rows by Euclidean distance over the columns both know, columns standardised so that
 * one with a wide range doesn't decide alone. Leaves in the order of the tree, each pair of branches turned so that the one
 * with the smaller first index comes first: the same input gives the same order.
 */
export function orderByClustering(rows: readonly (readonly (number | null)[])[]): number[] {
  const standardised = standardiseColumns(rows);
  let clusters = rows.map((_, index) => [index]);
  const distances = standardised.map((x) => standardised.map((y) => distance(x, y)));
  const between = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, i) => sum + b.reduce((inner, j) => inner + (distances[i]?.[j] ?? 0), 0), 0) /
    (a.length * b.length);
  while (clusters.length > 1) {
    let best = { a: 0, b: 1, distance: Number.POSITIVE_INFINITY };
    clusters.forEach((left, a) => {
      for (let b = a + 1; b < clusters.length; b++) {
        const found = between(left, clusters[b] ?? []);
        if (found < best.distance) best = { a, b, distance: found };
      }
    });
    const pair = [clusters[best.a] ?? [], clusters[best.b] ?? []].sort(
      (x, y) => Math.min(...x) - Math.min(...y),
    );
    clusters = [...clusters.filter((_, index) => index !== best.a && index !== best.b), pair.flat()];
  }
  return clusters[0] ?? [];
}

function standardiseColumns(rows: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const columns = indices(Math.max(0, ...rows.map((row) => row.length))).map((j) => {
    const known = rows.flatMap((row) => row[j] ?? []);
    const centre = known.reduce((sum, value) => sum + value, 0) / known.length;
    const spread = Math.sqrt(known.reduce((sum, value) => sum + (value - centre) ** 2, 0) / known.length);
    return { centre, spread: spread > 0 ? spread : 1 };
  });
  return rows.map((row) =>
    columns.map(({ centre, spread }, j) => {
      const value = row[j] ?? null;
      return value === null ? null : (value - centre) / spread;
    }),
  );
}

/** Root mean square over the columns known on both sides; infinite when there is none. */
function distance(x: readonly (number | null)[], y: readonly (number | null)[]): number {
  let [sum, count] = [0, 0];
  x.forEach((value, j) => {
    const other = y[j] ?? null;
    if (value === null || other === null) return;
    sum += (value - other) ** 2;
    count++;
  });
  return count === 0 ? Number.MAX_SAFE_INTEGER : Math.sqrt(sum / count);
}

function indices(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
