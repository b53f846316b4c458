/**
 * Sizes as expressions over the signature's symbolic dimensions. A program is traced twice with different primes; a
 * number that differs between the traces must be an expression that gives both values. That is how it is found here, and
 * it is also the check: whatever matches no expression has leaked a size in a way that can't be compiled.
 */
export type SizeExpression =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'dimension'; readonly name: string }
  | { readonly kind: 'product'; readonly factors: readonly SizeExpression[] }
  | { readonly kind: 'sum'; readonly terms: readonly SizeExpression[] };

/** One number as both traces saw it. */
export type Pair = readonly [number, number];

/** A symbolic dimension with the primes it had in the two traces. */
export interface SizePair {
  readonly name: string;
  readonly sizes: Pair;
}

/** Offsets beyond this are never meant: a constant part of a size is a prefix length or a single step. */
const LARGEST_OFFSET = 600;

/**
 * The expression whose value is `pair[0]` in the first trace and `pair[1]` in the second; undefined if none of the known
 * forms fits: constants, products of dimensions with an integer factor, sums of up to three dimensions and a small
 * constant, and products of such a sum with dimensions.
 */
export function expressionOf(pair: Pair, dimensions: readonly SizePair[]): SizeExpression | undefined {
  const [first, second] = pair;
  if (first === second) return { kind: 'constant', value: first };
  if (!Number.isInteger(first) || !Number.isInteger(second)) return undefined;
  return productOf(pair, dimensions) ?? sumOf(pair, dimensions) ?? sumTimesDimensions(pair, dimensions);
}

function productOf(pair: Pair, dimensions: readonly SizePair[]): SizeExpression | undefined {
  const { factors, rest } = divideOut(pair, dimensions);
  if (rest[0] !== rest[1] || factors.length === 0) return undefined;
  const parts = factors.map((name): SizeExpression => ({ kind: 'dimension', name }));
  if (rest[0] !== 1) parts.push({ kind: 'constant', value: rest[0] });
  return parts.length === 1 ? parts[0] : { kind: 'product', factors: parts };
}

/** Divides both numbers by every dimension that divides both, as often as it does. */
function divideOut(
  pair: Pair,
  dimensions: readonly SizePair[],
): { factors: string[]; rest: [number, number] } {
  const rest: [number, number] = [pair[0], pair[1]];
  const factors: string[] = [];
  for (const { name, sizes } of dimensions) {
    while (rest[0] !== 0 && rest[0] % sizes[0] === 0 && rest[1] % sizes[1] === 0) {
      rest[0] /= sizes[0];
      rest[1] /= sizes[1];
      factors.push(name);
    }
  }
  return { factors, rest };
}

function sumOf(pair: Pair, dimensions: readonly SizePair[]): SizeExpression | undefined {
  for (const chosen of subsets(dimensions, 3)) {
    const offset = pair[0] - total(chosen, 0);
    if (offset !== pair[1] - total(chosen, 1) || Math.abs(offset) > LARGEST_OFFSET) continue;
    const terms = chosen.map(({ name }): SizeExpression => ({ kind: 'dimension', name }));
    if (offset !== 0) terms.push({ kind: 'constant', value: offset });
    return terms.length === 1 ? terms[0] : { kind: 'sum', terms };
  }
  return undefined;
}

function sumTimesDimensions(pair: Pair, dimensions: readonly SizePair[]): SizeExpression | undefined {
  const { factors, rest } = divideOut(pair, dimensions);
  for (let scale = 1; scale <= Math.min(128, Math.abs(rest[0])); scale++) {
    if (rest[0] % scale !== 0 || rest[1] % scale !== 0) continue;
    const sum = sumOf([rest[0] / scale, rest[1] / scale], dimensions);
    if (sum === undefined) continue;
    const parts: SizeExpression[] = [
      sum,
      ...factors.map((name): SizeExpression => ({ kind: 'dimension', name })),
    ];
    if (scale !== 1) parts.push({ kind: 'constant', value: scale });
    return parts.length === 1 ? sum : { kind: 'product', factors: parts };
  }
  return undefined;
}

function total(dimensions: readonly SizePair[], trace: 0 | 1): number {
  return dimensions.reduce((sum, { sizes }) => sum + sizes[trace], 0);
}

/** Non-empty subsets of at most `most` members, smaller ones first. */
function subsets(dimensions: readonly SizePair[], most: number): SizePair[][] {
  let grown: { members: SizePair[]; next: number }[] = [{ members: [], next: 0 }];
  const all: SizePair[][] = [];
  for (let size = 1; size <= Math.min(most, dimensions.length); size++) {
    grown = grown.flatMap(({ members, next }) =>
      dimensions
        .slice(next)
        .map((dimension, index) => ({ members: [...members, dimension], next: next + index + 1 })),
    );
    all.push(...grown.map(({ members }) => members));
  }
  return all;
}

/** A text that is equal for equal expressions, for sharing. */
export function keyOf(expression: SizeExpression): string {
  switch (expression.kind) {
    case 'constant':
      return String(expression.value);
    case 'dimension':
      return expression.name;
    case 'product':
      return `(${expression.factors.map(keyOf).sort().join('*')})`;
    case 'sum':
      return `(${expression.terms.map(keyOf).sort().join('+')})`;
  }
}
