import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Precision } from '../../core/averaging-weights.js';
import { DeltaloomError } from '../../core/errors.js';
import type { RuleDifference } from '../../core/lora-products.js';
import { ProductSum, relativeDifference } from '../../core/lora-products.js';
import type { MergePlan, MergeSource } from '../../core/merging.js';
import { checkAgreement, tensorWeights, WeightedSum } from '../../core/merging.js';
import { sizeOfShape } from '../../core/tensor.js';
import type { DeltaConfiguration } from '../configuration.js';
import { writeFileAtomically } from '../../formats/atomic-file.js';
import type { StoredTensor } from '../../formats/safetensors.js';
import { encodeSafetensorsHeader, readSafetensorsHeader } from '../../formats/safetensors.js';
import type { FileLayout, StretchValues } from './source-reader.js';
import { readLayout, refuseNotFinite, SourceReader } from './source-reader.js';
import type { Stretch } from './stretches.js';
import { stretchesOf } from './stretches.js';

/** A source checkpoint on disk. */
export interface MergeFile {
  readonly task: string;
  /** Absolute. */
  readonly file: string;
  readonly backbone?: string;
  readonly delta?: DeltaConfiguration;
}

export interface MergeOptions {
  readonly loraRule: 'factors' | 'products';
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
}

export interface MergedFile {
  readonly bytes: number;
  readonly sha256: string;
  /** For LoRA: relative distance (Frobenius) of the averaged factors' products from the averaged products. */
  readonly loraRuleDifference: number | null;
}

/** How many sources are added up at once; see {@link WeightedSum.addAll}. */
const SOURCES_AT_ONCE = 4;
/** How many such groups are read ahead while one is added up: the wait for single files then overlaps. */
const GROUPS_AHEAD = 2;

/**
 * Merges checkpoints on disk into `output`, which appears complete or not at all. Sources that no part weighs are not
 * read. Memory does not depend on the number of sources.
 *
 * @throws DeltaloomError `merge-disagreement`, `merge-part-missing`, `checkpoint-not-finite` (naming file and tensor), and
 *   what reading and writing files throws
 */
export async function mergeCheckpoints(
  sources: readonly MergeFile[],
  plan: MergePlan,
  output: string,
  options: MergeOptions,
): Promise<MergedFile> {
  const weighed = sources.flatMap((source, j) =>
    plan.weights.some((row) => row[j] !== 0) ? [{ source, column: j }] : [],
  );
  const [first] = weighed;
  if (first === undefined) {
    throw new DeltaloomError('no-other-source', 'No source has a weight other than 0: nothing to merge.');
  }
  const used: MergePlan = {
    parts: plan.parts,
    weights: plan.weights.map((row) => weighed.map(({ column }) => row[column] ?? 0)),
  };
  const header = await readSafetensorsHeader(first.source.file);
  const merge = new Merge(
    weighed.map(({ source }) => source),
    used,
    options,
    header.tensors,
    await readLayout(header),
  );
  return merge.write(output);
}

class Merge {
  private readonly readers = Array.from(
    { length: (1 + GROUPS_AHEAD) * SOURCES_AT_ONCE },
    () => new SourceReader(),
  );
  private readonly difference: RuleDifference = { squaredDifference: 0, squaredNorm: 0 };
  private isLora = false;
  private readonly precision: Precision;

  constructor(
    private readonly sources: readonly MergeFile[],
    private readonly plan: MergePlan,
    private readonly options: MergeOptions,
    /** Of the first source. */
    private readonly tensors: ReadonlyMap<string, StoredTensor>,
    private readonly layout: FileLayout,
  ) {
    this.precision = options.precision ?? 'float64';
  }

  async write(output: string): Promise<MergedFile> {
    const stretches = stretchesOf(this.tensors);
    const order = stretches.flatMap(({ tensors }) => tensors);
    const hash = createHash('sha256');
    let bytes = 0;
    await writeFileAtomically(output, async (handle: FileHandle) => {
      const put = async (content: Uint8Array) => {
        hash.update(content);
        bytes += content.length;
        await handle.writeFile(content);
      };
      await put(encodeSafetensorsHeader(order.map(({ name, shape }) => ({ name, shape, dtype: 'F32' }))));
      for (const stretch of stretches) {
        const merged = await this.mergeStretch(stretch);
        for (const { name } of stretch.tensors) {
          const data = merged.get(name) ?? new Float32Array();
          await put(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
        }
      }
    });
    return {
      bytes,
      sha256: hash.digest('hex'),
      loraRuleDifference: this.isLora ? relativeDifference(this.difference) : null,
    };
  }

  private async mergeStretch(stretch: Stretch): Promise<Map<string, Float32Array>> {
    const inModules = new Set(stretch.modules.flatMap(({ a, b }) => [a.name, b.name]));
    const sums = new Map(
      stretch.tensors
        .filter(({ name }) => !inModules.has(name))
        .map(({ name, shape }) => [name, new WeightedSum(sizeOfShape(shape), this.precision)]),
    );
    const products = new Map(
      stretch.modules.map(({ a, b }) => [
        a.name,
        new ProductSum(a.shape[0] ?? 0, a.shape[1] ?? 0, b.shape[1] ?? 0, this.precision),
      ]),
    );
    const weights = new Map(stretch.tensors.map(({ name }) => [name, tensorWeights(name, this.plan)]));
    // The next sources are read while these are added up: disk and processor work at the same time.
    const coming: Promise<StretchValues[]>[] = [];
    const readAhead = (start: number) => {
      const group = this.readSources(start, stretch);
      // A failed read is reported when it is awaited; until then it must not count as unhandled.
      group.catch(() => undefined);
      coming.push(group);
    };
    for (let ahead = 0; ahead < GROUPS_AHEAD; ahead++) readAhead(ahead * SOURCES_AT_ONCE);
    for (let start = 0; start < this.sources.length; start += SOURCES_AT_ONCE) {
      this.options.signal?.throwIfAborted();
      readAhead(start + GROUPS_AHEAD * SOURCES_AT_ONCE);
      const values = (await coming.shift()) ?? [];
      const share = (name: string) => (weights.get(name) ?? []).slice(start, start + SOURCES_AT_ONCE);
      for (const [name, sum] of sums)
        sum.addAll(
          values.map((source) => valuesOf(source, name)),
          share(name),
        );
      for (const { a, b } of stretch.modules) {
        const factors = share(a.name);
        values.forEach((source, j) =>
          products.get(a.name)?.add(valuesOf(source, a.name), valuesOf(source, b.name), factors[j] ?? 0),
        );
      }
    }
    return this.finish(stretch, sums, products);
  }

  private async finish(
    stretch: Stretch,
    sums: ReadonlyMap<string, WeightedSum>,
    products: ReadonlyMap<string, ProductSum>,
  ): Promise<Map<string, Float32Array>> {
    const merged = new Map([...sums].map(([name, sum]) => [name, sum.result()]));
    for (const { a, b } of stretch.modules) {
      const product = products.get(a.name);
      if (product === undefined) continue;
      this.isLora = true;
      // Before the decomposition, which has nothing to say about values that are not finite.
      const averaged = product.averagedFactors();
      await this.checkFinite(stretch, [averaged.a, averaged.b]);
      const { squaredDifference, squaredNorm } = product.difference();
      this.difference.squaredDifference += squaredDifference;
      this.difference.squaredNorm += squaredNorm;
      const factors = this.options.loraRule === 'products' ? product.factors() : averaged;
      merged.set(a.name, factors.a);
      merged.set(b.name, factors.b);
    }
    await this.checkFinite(stretch, merged.values());
    return merged;
  }

  /** Finds who is to blame only when something is wrong: the sums are checked, not every value of every source. */
  private async checkFinite(stretch: Stretch, merged: Iterable<Float32Array>): Promise<void> {
    for (const data of merged) {
      if (data.every((value) => Number.isFinite(value))) continue;
      for (const source of this.sources) {
        const values = await this.readSource(0, source, stretch);
        refuseNotFinite([{ task: source.task, file: source.file, values }]);
      }
      throw new DeltaloomError('merge-not-finite', 'The weighted sum is too large for float32.', {
        remedy: 'Check the weights and the sources: their values are finite, but far too large.',
      });
    }
  }

  private async readSources(start: number, stretch: Stretch): Promise<StretchValues[]> {
    const some = this.sources.slice(start, start + SOURCES_AT_ONCE);
    return Promise.all(some.map((source, j) => this.readSource(start + j, source, stretch)));
  }

  private async readSource(index: number, source: MergeFile, stretch: Stretch): Promise<StretchValues> {
    const reader = this.readers[index % this.readers.length];
    if (reader === undefined) throw new RangeError(`no reader ${index}`);
    const [first] = this.sources;
    if (first !== undefined) checkAgreement([describe(first), describe(source)]);
    return reader.read(source.file, this.layout, stretch.tensors, () => this.located(source, stretch));
  }

  /** Where the stretch's tensors lie in another source's file, once that agrees with the first. */
  private async located(source: MergeFile, stretch: Stretch): Promise<StoredTensor[]> {
    const { tensors } = await readSafetensorsHeader(source.file);
    const [first] = this.sources;
    if (first !== undefined) {
      checkAgreement([describe(first, this.tensors), describe(source, tensors)]);
    }
    return stretch.tensors.map(({ name }) => {
      const stored = tensors.get(name);
      if (stored === undefined) throw new Error(`'${source.task}' lost '${name}'`);
      return stored;
    });
  }
}

function describe(source: MergeFile, tensors: ReadonlyMap<string, StoredTensor> = new Map()): MergeSource {
  return {
    label: source.task,
    file: source.file,
    ...(source.backbone === undefined ? {} : { backbone: source.backbone }),
    ...(source.delta === undefined ? {} : { delta: source.delta }),
    shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
  };
}

function valuesOf(source: StretchValues, name: string): Float32Array {
  const values = source.get(name);
  if (values === undefined) throw new Error(`no values of '${name}'`);
  return values;
}
