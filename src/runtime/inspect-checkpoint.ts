import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { DeltaSettings } from '../core/delta-settings.js';
import { partOfTensor } from '../core/parts.js';
import { sizeOfShape, type Tensor } from '../core/tensor.js';
import { readReferenceDeltaCheckpoint } from '../formats/pytorch-checkpoint.js';
import { readSafetensorsHeader, readTensors } from '../formats/safetensors.js';
import { deltaSchema } from '../study/records.js';
import type { CheckpointSummary, InspectParams, LayerSummary, TensorSummary } from './protocol.js';

/** A file larger than this is a backbone, no delta: its header is shown, its numbers are not read. */
const READ_AT_MOST = 512 * 1024 * 1024;

interface ReadCheckpoint {
  readonly format: CheckpointSummary['format'];
  readonly settings: DeltaSettings | null;
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the file. */
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
  /** null for a file that is too large. */
  readonly values: ReadonlyMap<string, Tensor> | null;
}

/**
 * What a delta checkpoint holds: tensors with shapes and norms, per layer too, and the difference from another one.
 *
 * @throws DeltaloomError as the readers of the format do
 */
export async function inspectCheckpoint({ file, compareWith }: InspectParams): Promise<CheckpointSummary> {
  const [{ size }, one, other] = await Promise.all([
    stat(file).catch(() => ({ size: 0 })),
    readCheckpoint(file),
    compareWith === undefined ? undefined : readCheckpoint(compareWith),
  ]);
  const tensors = one.tensors.map(({ name, dtype, shape }): TensorSummary => {
    const values = one.values?.get(name);
    const opposite = other?.values?.get(name);
    return {
      name,
      dtype,
      shape,
      ...summarise(values),
      ...(values === undefined || opposite === undefined || !sameShape(values.shape, opposite.shape)
        ? {}
        : compare(values.data, opposite.data)),
    };
  });
  return {
    file,
    format: one.format,
    bytes: size,
    parameters: one.tensors.reduce((sum, { shape }) => sum + sizeOfShape(shape), 0),
    settings: one.settings,
    metadata: one.metadata,
    tensors,
    layers: summariseLayers(tensors),
    comparedWith: compareWith ?? null,
    disagreements: other === undefined ? [] : collectDisagreements(one, other),
  };
}

async function readCheckpoint(file: string): Promise<ReadCheckpoint> {
  // By the name, as the editor offers them; a file of another kind is refused by its reader, by name.
  if (['.pt', '.bin', '.pth'].includes(extname(file).toLowerCase())) return readReference(file);
  const header = await readSafetensorsHeader(file);
  const stored = [...header.tensors.values()];
  const bytes = stored.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return {
    format: 'safetensors',
    settings: settingsIn(header.metadata),
    metadata: header.metadata,
    tensors: stored.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    values: bytes > READ_AT_MOST ? null : await readTensors(file),
  };
}

/** A file of the reference code's `save_checkpoint`; its tensors have been converted to float32. */
async function readReference(file: string): Promise<ReadCheckpoint> {
  const { type, tensors, args, currentState } = await readReferenceDeltaCheckpoint(file);
  const entries = [['delta', type], ...Object.entries(args ?? {}), ...Object.entries(currentState ?? {})];
  return {
    format: 'pytorch',
    settings: null,
    metadata: Object.fromEntries(
      entries.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    ),
    tensors: [...tensors].map(([name, { shape }]) => ({ name, dtype: 'F32', shape })),
    values: tensors,
  };
}

/** Our own checkpoints carry their delta's settings in the header. */
function settingsIn(metadata: Readonly<Record<string, string>>): DeltaSettings | null {
  const text = metadata['delta'];
  if (text === undefined) return null;
  try {
    return deltaSchema.parse(JSON.parse(text));
  } catch {
    return null; // somebody else's use of the same word: it is still shown among the metadata
  }
}

function summarise(tensor: Tensor | undefined): Pick<TensorSummary, 'norm' | 'mean' | 'largest'> {
  if (tensor === undefined || tensor.data.length === 0) return { norm: null, mean: null, largest: null };
  let squares = 0;
  let sum = 0;
  let largest = 0;
  for (const value of tensor.data) {
    squares += value * value;
    sum += value;
    largest = Math.max(largest, Math.abs(value));
  }
  return {
    norm: finite(Math.sqrt(squares)),
    mean: finite(sum / tensor.data.length),
    largest: finite(largest),
  };
}

function compare(one: Float32Array, other: Float32Array): Pick<TensorSummary, 'difference' | 'cosine'> {
  let squares = 0;
  let product = 0;
  let ones = 0;
  let others = 0;
  for (const [index, value] of one.entries()) {
    const opposite = other[index] ?? 0;
    squares += (value - opposite) ** 2;
    product += value * opposite;
    ones += value * value;
    others += opposite * opposite;
  }
  return { difference: finite(Math.sqrt(squares)), cosine: finite(product / Math.sqrt(ones * others)) };
}

/** NaN and infinity don't survive JSON: null says that there is one. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function summariseLayers(tensors: readonly TensorSummary[]): LayerSummary[] {
  const byLayer = new Map<string, TensorSummary[]>();
  for (const tensor of tensors) {
    const layer = layerOf(tensor.name);
    byLayer.set(layer, [...(byLayer.get(layer) ?? []), tensor]);
  }
  return [...byLayer].map(([name, members]) => {
    const differences = members.map(({ difference }) => difference);
    const compared = differences.filter((difference) => difference !== undefined);
    return {
      name,
      tensors: members.length,
      parameters: members.reduce((sum, { shape }) => sum + sizeOfShape(shape), 0),
      norm: joinNorms(members.map(({ norm }) => norm)),
      ...(compared.length === members.length ? { difference: joinNorms(compared) } : {}),
    };
  });
}

/** Tensors that belong to no layer (a prefix of a whole stack) are gathered by what their name begins with. */
function layerOf(name: string): string {
  return partOfTensor(name, 'layer');
}

function joinNorms(norms: readonly (number | null)[]): number | null {
  return norms.includes(null)
    ? null
    : Math.sqrt(norms.reduce<number>((sum, norm) => sum + (norm ?? 0) ** 2, 0));
}

function collectDisagreements(one: ReadCheckpoint, other: ReadCheckpoint): string[] {
  const lines: string[] = [];
  if (one.settings !== null && other.settings !== null && one.settings.type !== other.settings.type) {
    lines.push(`The one is ${one.settings.type}, the other ${other.settings.type}.`);
  }
  const here = new Map(one.tensors.map((tensor) => [tensor.name, tensor]));
  const there = new Map(other.tensors.map((tensor) => [tensor.name, tensor]));
  const only = [...here.keys()].filter((name) => !there.has(name));
  const missing = [...there.keys()].filter((name) => !here.has(name));
  if (only.length > 0)
    lines.push(`${only.length} tensors are only in this one, ${only[0] ?? ''} for example.`);
  if (missing.length > 0) {
    lines.push(`${missing.length} tensors are only in the other one, ${missing[0] ?? ''} for example.`);
  }
  for (const [name, { shape }] of here) {
    const opposite = there.get(name);
    if (opposite !== undefined && !sameShape(shape, opposite.shape)) {
      lines.push(`${name}: [${shape.join(', ')}] here, [${opposite.shape.join(', ')}] in the other.`);
    }
  }
  return lines;
}

function sameShape(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((dimension, axis) => dimension === other[axis]);
}
