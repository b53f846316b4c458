import type { Precision } from './averaging-weights.js';

/**
 * `sum[i] += values[i] * weight` for one source or four at once, as WebAssembly with vector instructions: five times as fast
 * as the same loop in JavaScript, so that a merge waits for its files and not for its arithmetic (bench/results/study.md).
 *
 * Every product and every sum is rounded as {@link WeightedSum} of `merging.ts` rounds it, and sources are added in their
 * order, so the two agree bit by bit; a property test holds them together.
 */

/** How many sources the wide kernel adds at once: the sum then passes through memory once for four of them. */
export const SOURCES_AT_ONCE = 4;
/** Elements that one turn of the loop takes. */
const STEP = 4;

/** Addresses in the memory that the kernels were made for; `bytes` counts the values, and is a multiple of {@link STEP} of them. */
type Kernel = (sum: number, bytes: number, ...valuesThenWeights: number[]) => void;

interface SumMemorySize {
  /** That a sum can have. */
  readonly elements: number;
  /** Places for source values, and the bytes that each holds. */
  readonly slots: number;
  readonly slotBytes: number;
  readonly precision: Precision;
}

/** Sums and the values to be added in one memory; a file can be read straight into it. */
export class SumMemory {
  private readonly memory: WebAssembly.Memory;
  private readonly elements: number;
  private readonly precision: Precision;
  private readonly slotOffset: number;
  private readonly slotBytes: number;
  private readonly sums: Float64Array | Float32Array;
  private readonly one: Kernel;
  private readonly four: Kernel;

  /** @throws RangeError where the machine has not got the memory */
  constructor({ elements, slots, slotBytes, precision }: SumMemorySize) {
    this.elements = elements;
    this.precision = precision;
    this.slotOffset = roundUp(elements * (precision === 'float64' ? 8 : 4), ALIGNMENT);
    this.slotBytes = roundUp(slotBytes, ALIGNMENT);
    const bytes = this.slotOffset + slots * this.slotBytes;
    this.memory = new WebAssembly.Memory({ initial: Math.max(1, Math.ceil(bytes / PAGE)) });
    this.sums =
      precision === 'float64'
        ? new Float64Array(this.memory.buffer, 0, elements)
        : new Float32Array(this.memory.buffer, 0, elements);
    this.one = kernel(this.memory, precision, 1);
    this.four = kernel(this.memory, precision, SOURCES_AT_ONCE);
  }

  /** The bytes of a slot, to read a file into. */
  slot(index: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer, this.slotOffset + index * this.slotBytes, this.slotBytes);
  }

  /** Values in a slot, from a byte offset that is a multiple of 4. */
  values(slot: number, byteOffset: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, this.addressOf(slot, byteOffset), count);
  }

  /**
   * Begins a new sum of nothing. In double precision that is -0, to which even -0 can be added without losing its sign;
   * the reference, which sums in single precision, begins with 0.
   */
  clear(): void {
    this.sums.fill(this.precision === 'float64' ? -0 : 0);
  }

  /**
   * Adds sources to the elements [at, at + count) of the sum, in their order. Sources of weight 0 are left out, so that
   * neither their NaNs nor the sign of a zero can leak in.
   */
  add(at: number, count: number, sources: readonly WeighedValues[]): void {
    if (at < 0 || at + count > this.elements) throw new RangeError(`${at} + ${count} of ${this.elements}`);
    const used = sources
      .filter(({ weight }) => weight !== 0)
      .map(({ slot, byteOffset, weight }) => ({ address: this.addressOf(slot, byteOffset), weight }));
    const whole = count - (count % STEP);
    if (used.length === SOURCES_AT_ONCE) this.run(this.four, at, whole, used);
    else for (const source of used) this.run(this.one, at, whole, [source]);
    for (const source of used) this.addRest(at + whole, count - whole, source, whole);
  }

  /** A part of the sum so far, rounded once to float32. */
  result(target: Float32Array, at = 0): void {
    target.set(this.sums.subarray(at, at + target.length));
  }

  private run(kernel: Kernel, at: number, count: number, sources: readonly Located[]): void {
    if (count === 0) return;
    kernel(
      at * this.sums.BYTES_PER_ELEMENT,
      count * 4,
      ...sources.map(({ address }) => address),
      ...sources.map(({ weight }) => weight),
    );
  }

  /** The last elements, where there are too few for a whole step. */
  private addRest(at: number, count: number, { address, weight }: Located, skipped: number): void {
    const values = new Float32Array(this.memory.buffer, address + skipped * 4, count);
    for (let i = 0; i < count; i++) {
      const [sum, value] = [this.sums[at + i] as number, values[i] as number];
      // Storing into a Float32Array rounds the sum; the product has to be rounded by hand.
      this.sums[at + i] =
        sum + (this.precision === 'float64' ? value * weight : Math.fround(value * Math.fround(weight)));
    }
  }

  private addressOf(slot: number, byteOffset: number): number {
    return this.slotOffset + slot * this.slotBytes + byteOffset;
  }
}

interface WeighedValues {
  readonly slot: number;
  readonly byteOffset: number;
  readonly weight: number;
}

interface Located {
  readonly address: number;
  readonly weight: number;
}

const PAGE = 65_536;
const ALIGNMENT = 64;

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function kernel(memory: WebAssembly.Memory, precision: Precision, sources: number): Kernel {
  const compiled = new WebAssembly.Module(moduleBytes(precision, sources));
  const { exports } = new WebAssembly.Instance(compiled, { '': { m: memory } });
  return exports['add'] as Kernel;
}

// The binary format of WebAssembly (https://webassembly.github.io/spec/core/binary/), as much of it as one loop needs.
const I32 = 0x7f;
const F32 = 0x7d;
const F64 = 0x7c;
const V128 = 0x7b;
const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const LOOP = [0x03, 0x40];
const END = [0x0b];
const BRANCH_IF_TO_LOOP = [0x0d, 0];
const I32_ADD = [0x6a];
const I32_LESS_UNSIGNED = [0x49];
const LOAD = vector(0x00);
const LOAD_64 = vector(0x5d);
const STORE = vector(0x0b);
const PROMOTE = vector(0x5f);
const DOUBLE = { splat: vector(0x14), add: vector(0xf0), multiply: vector(0xf2) };
const SINGLE = { splat: vector(0x13), add: vector(0xe4), multiply: vector(0xe6) };

function vector(operation: number): number[] {
  return [0xfd, ...unsigned(operation)];
}

/**
 * A module with one function `add(sum, bytes, address of values ..., weight ...)`:
 *
 *     offset = 0
 *     do { sum[offset] += values[0][offset] * weight[0]; ...; offset += step } while (offset < bytes)
 */
function moduleBytes(precision: Precision, sources: number): Uint8Array<ArrayBuffer> {
  const double = precision === 'float64';
  const each = Array.from({ length: sources }, (_, k) => k);
  const [sum, bytes] = [0, 1];
  const address = (k: number) => 2 + k;
  const weight = (k: number) => 2 + sources + k;
  const offset = 2 + 2 * sources;
  const splat = (k: number) => offset + 1 + k;
  const low = offset + 1 + sources;
  const high = low + 1;
  const lanes = double ? DOUBLE : SINGLE;

  /** A running sum plus one source's product; `at` is the byte offset of the values within this step. */
  const addTerm = (total: number, k: number, at: number): number[] => [
    ...get(total),
    ...[...get(address(k)), ...get(offset), ...I32_ADD],
    ...(double ? [...LOAD_64, ...memoryArgument(2, at), ...PROMOTE] : [...LOAD, ...memoryArgument(2, at)]),
    ...[...get(splat(k)), ...lanes.multiply],
    ...lanes.add,
    ...set(total),
  ];
  // Four singles fill one vector, four doubles two.
  const totals = double ? [low, high] : [low];
  const code = [
    ...each.flatMap((k) => [...get(weight(k)), ...lanes.splat, ...set(splat(k))]),
    ...LOOP,
    ...totals.flatMap((total, i) => [...get(sum), ...LOAD, ...memoryArgument(2, 16 * i), ...set(total)]),
    ...each.flatMap((k) => totals.flatMap((total, i) => addTerm(total, k, 8 * i))),
    ...totals.flatMap((total, i) => [...get(sum), ...get(total), ...STORE, ...memoryArgument(2, 16 * i)]),
    ...[...get(sum), ...constant(16 * totals.length), ...I32_ADD, ...set(sum)],
    ...[...get(offset), ...constant(STEP * 4), ...I32_ADD, ...tee(offset)],
    ...[...get(bytes), ...I32_LESS_UNSIGNED, ...BRANCH_IF_TO_LOOP],
    ...END,
    ...END,
  ];
  const locals = [2, 1, I32, ...unsigned(sources + 2), V128];
  const parameters = [I32, I32, ...each.map(() => I32), ...each.map(() => (double ? F64 : F32))];
  const body = [...locals, ...code];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(SECTION.type, [1, 0x60, ...unsigned(parameters.length), ...parameters, 0]),
    ...section(SECTION.import, [1, ...text(''), ...text('m'), 2, 0, 1]),
    ...section(SECTION.function, [1, 0]),
    ...section(SECTION.export, [1, ...text('add'), 0, 0]),
    ...section(SECTION.code, [1, ...unsigned(body.length), ...body]),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function text(ascii: string): number[] {
  return [ascii.length, ...Array.from(ascii, (letter) => letter.charCodeAt(0))];
}

function memoryArgument(alignment: number, offset: number): number[] {
  return [alignment, offset];
}

function get(local: number): number[] {
  return [0x20, ...unsigned(local)];
}

function set(local: number): number[] {
  return [0x21, ...unsigned(local)];
}

function tee(local: number): number[] {
  return [0x22, ...unsigned(local)];
}

/** A constant from 0 to 63, for which the signed form is one byte. */
function constant(value: number): number[] {
  return [0x41, value];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}
