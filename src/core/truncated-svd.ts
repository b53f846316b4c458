/**
 * The best approximation of rank r of a dense matrix, by block subspace iteration with oversampling and a final
 * Rayleigh-Ritz step (Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1). Deterministic: the start comes from a
 * fixed sequence.
 */

/** Extra columns carried along: convergence goes with (sigma_{r + extra + 1} / sigma_r)^2 per iteration. */
const OVERSAMPLING = 8;
/** Below this relative change of the captured energy, float32 results no longer change. */
const TOLERANCE = 1e-12;
const MOST_ITERATIONS = 100;

/**
 * Factors of the closest matrix of rank `rank`: `a` [rows, rank] = U sqrt(S), `b` [rank, columns] = sqrt(S) V^T.
 *
 * @param matrix [rows, columns], row-major
 */
export function truncatedFactors(
  matrix: Float64Array,
  rows: number,
  columns: number,
  rank: number,
): { a: Float32Array; b: Float32Array } {
  const width = Math.min(2 * rank + OVERSAMPLING, rows, columns);
  // Bases are kept as lists of columns: Gram-Schmidt then walks memory in order.
  let right = orthonormal(startingColumns(columns, width));
  let left: Float64Array[] = [];
  let captured = 0;
  for (let iteration = 0; iteration < MOST_ITERATIONS; iteration++) {
    left = orthonormal(right.map((column) => timesColumn(matrix, rows, columns, column)));
    const next = left.map((column) => timesRow(matrix, rows, columns, column));
    const energy = next.reduce((sum, column) => sum + dot(column, column), 0);
    const settled = Math.abs(energy - captured) <= TOLERANCE * energy;
    captured = energy;
    if (settled) break;
    right = orthonormal(next);
  }
  // matrix is close to left (left^T matrix); the small factor's Gram matrix gives the singular vectors.
  const small = left.map((column) => timesRow(matrix, rows, columns, column));
  const { values, vectors } = symmetricEigen(small.map((row) => small.map((other) => dot(row, other))));
  const a = new Float32Array(rows * rank);
  const b = new Float32Array(rank * columns);
  for (let k = 0; k < Math.min(rank, small.length); k++) {
    const sigma = Math.sqrt(Math.max(values[k] ?? 0, 0));
    if (sigma === 0) continue;
    const [root, direction] = [Math.sqrt(sigma), vectors[k] ?? new Float64Array()];
    const u = combine(left, direction, rows);
    const v = combine(small, direction, columns);
    for (let i = 0; i < rows; i++) a[i * rank + k] = (u[i] as number) * root;
    for (let j = 0; j < columns; j++) b[k * columns + j] = ((v[j] as number) / sigma) * root;
  }
  return { a, b };
}

/** Fixed, spread and without symmetry: fractions of multiples of an irrational number. */
function startingColumns(length: number, count: number): Float64Array[] {
  let state = 0.5;
  return Array.from({ length: count }, () =>
    Float64Array.from({ length }, () => {
      state = (state + 0.6180339887498949) % 1;
      const scrambled = Math.sin(state * 12345.678) * 43758.5453;
      return scrambled - Math.floor(scrambled) - 0.5;
    }),
  );
}

function timesColumn(matrix: Float64Array, rows: number, columns: number, x: Float64Array): Float64Array {
  const y = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += (matrix[i * columns + j] as number) * (x[j] as number);
    y[i] = sum;
  }
  return y;
}

function timesRow(matrix: Float64Array, rows: number, columns: number, x: Float64Array): Float64Array {
  const y = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    const factor = x[i] as number;
    for (let j = 0; j < columns; j++) y[j] = (y[j] as number) + factor * (matrix[i * columns + j] as number);
  }
  return y;
}

/** Gram-Schmidt, twice for full orthogonality; columns that depend on earlier ones are dropped. */
function orthonormal(columns: readonly Float64Array[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const column of columns) {
    const candidate = column.slice();
    const before = Math.sqrt(dot(candidate, candidate));
    for (let pass = 0; pass < 2; pass++) {
      for (const direction of basis) {
        const share = dot(candidate, direction);
        for (let i = 0; i < candidate.length; i++) {
          candidate[i] = (candidate[i] as number) - share * (direction[i] as number);
        }
      }
    }
    const norm = Math.sqrt(dot(candidate, candidate));
    if (norm <= before * 1e-13 || norm === 0) continue;
    basis.push(candidate.map((value) => value / norm));
  }
  return basis;
}

function combine(columns: readonly Float64Array[], factors: Float64Array, length: number): Float64Array {
  const result = new Float64Array(length);
  columns.forEach((column, k) => {
    const factor = factors[k] ?? 0;
    for (let i = 0; i < length; i++) result[i] = (result[i] as number) + factor * (column[i] as number);
  });
  return result;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] as number) * (y[i] as number);
  return sum;
}

/** Eigenvalues (largest first) and eigenvectors of a small symmetric matrix, by cyclic Jacobi rotations. */
export function symmetricEigen(matrix: readonly (readonly number[])[]): {
  values: number[];
  vectors: Float64Array[];
} {
  const size = matrix.length;
  const work = matrix.map((row) => Float64Array.from(row));
  const vectors = work.map((_, i) => Float64Array.from({ length: size }, (_unused, j) => (i === j ? 1 : 0)));
  const at = (i: number, j: number) => work[i]?.[j] ?? 0;
  const scale = work.reduce((sum, row) => sum + dot(row, row), 0);
  for (let sweep = 0; sweep < 60; sweep++) {
    let offDiagonal = 0;
    for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) offDiagonal += at(p, q) ** 2;
    if (offDiagonal <= scale * 1e-30) break;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (at(p, q) === 0) continue;
        const theta = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const cosine = 1 / Math.sqrt(tangent * tangent + 1);
        rotateRows(work, p, q, cosine, tangent * cosine);
        rotateColumns(work, p, q, cosine, tangent * cosine);
        rotateRows(vectors, p, q, cosine, tangent * cosine);
      }
    }
  }
  const order = work.map((_, i) => i).sort((i, j) => at(j, j) - at(i, i));
  return {
    values: order.map((i) => at(i, i)),
    vectors: order.map((i) => vectors[i] ?? new Float64Array(size)),
  };
}

function rotateRows(rows: readonly Float64Array[], p: number, q: number, cosine: number, sine: number): void {
  const [first, second] = [rows[p], rows[q]];
  if (first === undefined || second === undefined) return;
  for (let i = 0; i < first.length; i++) {
    const [x, y] = [first[i] as number, second[i] as number];
    first[i] = cosine * x - sine * y;
    second[i] = sine * x + cosine * y;
  }
}

function rotateColumns(
  rows: readonly Float64Array[],
  p: number,
  q: number,
  cosine: number,
  sine: number,
): void {
  for (const row of rows) {
    const [x, y] = [row[p] as number, row[q] as number];
    row[p] = cosine * x - sine * y;
    row[q] = sine * x + cosine * y;
  }
}
