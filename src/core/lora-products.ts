import type { Precision } from './averaging-weights.js';
import type { MergePlan } from './merging.js';
import { tensorWeights, WeightedSum } from './merging.js';
import type { DeltaTensors, Tensor } from './tensor.js';
import { truncatedFactors } from './truncated-svd.js';

/**
 * LoRA's two merge rules. A module's change of its weight is the product A B (A is [in, r], B is [r, out]). Averaging A and B
 * separately (the reference's rule) isn't averaging the products; the product rule sums the products and returns the
 * closest factors of rank r.
 */

/** Names of the two factors of every module: `<module>.lora_A` and `<module>.lora_B`. */
export interface LoraModule {
  readonly a: string;
  readonly b: string;
}

/** The LoRA modules among tensor names; empty for another kind of delta. */
export function loraModules(names: Iterable<string>): LoraModule[] {
  const all = new Set(names);
  return [...all]
    .filter((name) => name.endsWith('.lora_A') && all.has(partner(name)))
    .map((a) => ({ a, b: partner(a) }));
}

function partner(a: string): string {
  return `${a.slice(0, -1)}B`;
}

/** Sums over all modules, to which single modules add: the relative difference is the root of their quotient. */
export interface RuleDifference {
  squaredDifference: number;
  squaredNorm: number;
}

/** |factor rule - product rule| / |product rule|, Frobenius, over all modules together. 0 when nothing changes at all. */
export function relativeDifference({ squaredDifference, squaredNorm }: RuleDifference): number {
  return squaredNorm === 0 ? 0 : Math.sqrt(squaredDifference / squaredNorm);
}

/**
 * The weighted sum of one module's products over sources, fed one source at a time so that memory does not grow with their
 * number: [in, out] in double precision, beside the two averaged factors.
 */
export class ProductSum {
  private readonly product: Float64Array;
  private readonly factorA: WeightedSum;
  private readonly factorB: WeightedSum;
  private only: { a: Float32Array; b: Float32Array } | null = null;
  private alike = true;

  constructor(
    private readonly inputs: number,
    private readonly rank: number,
    private readonly outputs: number,
    precision: Precision = 'float64',
  ) {
    this.product = new Float64Array(inputs * outputs);
    this.factorA = new WeightedSum(inputs * rank, precision);
    this.factorB = new WeightedSum(rank * outputs, precision);
  }

  add(a: Float32Array, b: Float32Array, weight: number): void {
    if (weight === 0) return;
    if (this.only === null) this.only = { a: a.slice(), b: b.slice() };
    else this.alike &&= sameBits(this.only.a, a) && sameBits(this.only.b, b);
    this.factorA.add(a, weight);
    this.factorB.add(b, weight);
    addProduct(this.product, a, b, weight, this.inputs, this.rank, this.outputs);
  }

  /** The factors averaged separately: the reference's rule. */
  averagedFactors(): { a: Float32Array; b: Float32Array } {
    return { a: this.factorA.result(), b: this.factorB.result() };
  }

  /** What averaging the factors would have made of this module, against the sum of products. */
  difference(): RuleDifference {
    const averaged = new Float64Array(this.product.length);
    addProduct(
      averaged,
      this.factorA.result(),
      this.factorB.result(),
      1,
      this.inputs,
      this.rank,
      this.outputs,
    );
    const found: RuleDifference = { squaredDifference: 0, squaredNorm: 0 };
    for (let i = 0; i < averaged.length; i++) {
      const exact = this.product[i] as number;
      found.squaredDifference += ((averaged[i] as number) - exact) ** 2;
      found.squaredNorm += exact ** 2;
    }
    return found;
  }

  /**
   * The factors of rank r whose product is closest to the sum (truncated SVD, the singular values shared evenly between
   * A and B). Sources that are all the same are returned bit by bit: their factors already are an optimum.
   */
  factors(): { a: Float32Array; b: Float32Array } {
    if (this.only !== null && this.alike) return this.only;
    return truncatedFactors(this.product, this.inputs, this.outputs, this.rank);
  }
}

/** Merges LoRA deltas held in memory by the product rule; tensors outside LoRA modules are averaged. */
export function mergeLoraByProducts(
  sources: readonly DeltaTensors[],
  plan: MergePlan,
): { tensors: Map<string, Tensor>; difference: number } {
  const total: RuleDifference = { squaredDifference: 0, squaredNorm: 0 };
  const tensors = new Map<string, Tensor>();
  const names = [...(sources[0]?.keys() ?? [])];
  for (const name of names) tensors.set(name, { shape: [], data: new Float32Array() });
  for (const { a, b } of loraModules(names)) {
    const [shapeA, shapeB] = [sources[0]?.get(a)?.shape ?? [], sources[0]?.get(b)?.shape ?? []];
    const [inputs, rank] = shapeA as [number, number];
    const sum = new ProductSum(inputs, rank, shapeB[1] ?? 0);
    const weights = tensorWeights(a, plan);
    sources.forEach((source, j) => {
      const [factorA, factorB] = [source.get(a)?.data, source.get(b)?.data];
      if (factorA !== undefined && factorB !== undefined) sum.add(factorA, factorB, weights[j] ?? 0);
    });
    const { squaredDifference, squaredNorm } = sum.difference();
    total.squaredDifference += squaredDifference;
    total.squaredNorm += squaredNorm;
    const merged = sum.factors();
    tensors.set(a, { shape: shapeA, data: merged.a });
    tensors.set(b, { shape: shapeB, data: merged.b });
  }
  return { tensors, difference: relativeDifference(total) };
}

function addProduct(
  product: Float64Array,
  a: Float32Array,
  b: Float32Array,
  weight: number,
  inputs: number,
  rank: number,
  outputs: number,
): void {
  for (let i = 0; i < inputs; i++) {
    const row = i * outputs;
    for (let k = 0; k < rank; k++) {
      const factor = (a[i * rank + k] as number) * weight;
      if (factor === 0) continue;
      const from = k * outputs;
      for (let j = 0; j < outputs; j++) {
        product[row + j] = (product[row + j] as number) + factor * (b[from + j] as number);
      }
    }
  }
}

function sameBits(x: Float32Array, y: Float32Array): boolean {
  return x.length === y.length && x.every((value, i) => Object.is(value, y[i]));
}
