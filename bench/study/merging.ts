import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeltaTensors, Tensor } from '../../src/core/tensor.js';
import { sizeOfShape } from '../../src/core/tensor.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';

/** Merging of many checkpoints: bandwidth against plain reading of the same files, and memory against their number. */

export const COUNTS = [8, 64, 512] as const;

const REPEATS = 5;

export interface MergeMeasurement {
  readonly count: number;
  readonly megabytes: number;
  /** Medians of paired runs, GB/s of source bytes. */
  readonly merge: number;
  readonly read: number;
  /** Median of the paired quotients. */
  readonly share: number;
  readonly peakMegabytes: number;
}

interface Once {
  readonly seconds: number;
  readonly bytes: number;
  readonly peak: number;
}

/** @param folder for about 2.3 GB of synthetic adapters of T5-base, kept for the next time */
export async function measureMerging(
  folder: string,
  log: (line: string) => void,
): Promise<MergeMeasurement[]> {
  await writeCheckpoints(folder, Math.max(...COUNTS));
  const output = join(folder, 'merged.bin');
  const measurements: MergeMeasurement[] = [];
  for (const count of COUNTS) {
    const pairs: { merge: Once; read: Once }[] = [];
    // The first pair brings the files into the page cache; it is not counted.
    for (let repeat = 0; repeat <= REPEATS; repeat++) {
      const read = runOnce('read', folder, count, output);
      const merge = runOnce('merge', folder, count, output);
      if (repeat > 0) pairs.push({ merge, read });
    }
    const speed = ({ bytes, seconds }: Once) => bytes / seconds / 1e9;
    const measurement = {
      count,
      megabytes: (pairs[0]?.merge.bytes ?? 0) / 1e6,
      merge: median(pairs.map(({ merge }) => speed(merge))),
      read: median(pairs.map(({ read }) => speed(read))),
      share: median(pairs.map(({ merge, read }) => speed(merge) / speed(read))),
      peakMegabytes: median(pairs.map(({ merge }) => merge.peak / 1e6)),
    };
    log(
      `merging ${count}: ${measurement.merge.toFixed(2)} GB/s, reading ${measurement.read.toFixed(2)} GB/s, share ${measurement.share.toFixed(2)}, peak ${measurement.peakMegabytes.toFixed(0)} MB`,
    );
    measurements.push(measurement);
  }
  await rm(output, { force: true });
  return measurements;
}

function runOnce(mode: 'read' | 'merge', folder: string, count: number, output: string): Once {
  const script = fileURLToPath(new URL('./merge-once.ts', import.meta.url));
  const child = spawnSync(
    process.execPath,
    ['--import', 'tsx', script, mode, folder, String(count), output],
    { encoding: 'utf8' },
  );
  if (child.status !== 0) throw new Error(`measuring ${mode} failed:\n${child.stderr}`);
  return JSON.parse(child.stdout) as Once;
}

/** Checkpoints with values of their own; the others are copies of them, files in their own right. */
const DISTINCT = 16;

/** Adapters of the reference's size on T5-base: 120 tensors, 4.4 MB. */
async function writeCheckpoints(folder: string, count: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const fileOf = (index: number) => join(folder, `${String(index).padStart(4, '0')}.safetensors`);
  for (let index = 0; index < count; index++) {
    if (existsSync(fileOf(index))) continue;
    if (index < DISTINCT) await writeSafetensors(fileOf(index), adapterOfBase(index + 1));
    else await copyFile(fileOf(index % DISTINCT), fileOf(index));
  }
}

function adapterOfBase(seed: number): DeltaTensors {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 36;
  };
  const sublayers = [2, 3].flatMap((layers, side) =>
    Array.from({ length: 12 * layers }, (_, i) => {
      const stack = side === 0 ? 'encoder' : 'decoder';
      return `${stack}.block.${Math.floor(i / layers)}.layer.${i % layers}.adapter`;
    }),
  );
  const tensor = (shape: number[]): Tensor => ({
    shape,
    data: Float32Array.from({ length: sizeOfShape(shape) }, next),
  });
  return new Map(
    sublayers.flatMap((sublayer): [string, Tensor][] => [
      [`${sublayer}.adapter_A`, tensor([768, 12])],
      [`${sublayer}.adapter_B`, tensor([12, 768])],
    ]),
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
