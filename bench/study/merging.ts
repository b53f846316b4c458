import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeltaTensors, Tensor } from '../../src/core/tensor.js';
import { sizeOfShape } from '../../src/core/tensor.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { checkpointFile, forget } from './checkpoint-files.js';
import type { Measured, Mode } from './merge-twice.js';

/** Merging of many checkpoints: bandwidth against plain reading of the same files, and memory against their number. */

/** Adapters of T5-base: so many, and the bottleneck's size. 8 large ones are as many bytes as 64 of the reference's size. */
const CASES = [
  { count: 8, size: 12 },
  { count: 8, size: 96 },
  { count: 64, size: 12 },
  { count: 512, size: 12 },
] as const;
const REPEATS = 5;

/** Where the bytes come from: the system's page cache, or the disk once that cache has been told to forget the files. */
export type Origin = 'memory' | 'disk';

export interface MergeMeasurement {
  readonly count: number;
  readonly origin: Origin;
  readonly megabytes: number;
  /** The first merge of a process, its code still to be compiled. */
  readonly first: Speeds;
  /** The next in the same process. */
  readonly next: Speeds;
  readonly peakMegabytes: number;
}

/** Medians over the rounds. */
interface Speeds {
  /** GB/s of source bytes. */
  readonly merge: number;
  /** Of the faster way of reading, GB/s. */
  readonly read: number;
  /** Of merging's speed by that of the faster reading of the same round. */
  readonly share: number;
  /** The same, where reading is followed by writing one checkpoint's bytes durably, as a merge must. */
  readonly shareOfReadingAndWriting: number;
}

/** @param cache for about 2.6 GB of synthetic adapters of T5-base, kept for the next time */
export async function measureMerging(
  cache: string,
  log: (line: string) => void,
): Promise<MergeMeasurement[]> {
  const measurements: MergeMeasurement[] = [];
  for (const { count, size } of CASES) {
    const folder = join(cache, `adapters-${size}`);
    await writeCheckpoints(folder, count, size);
    const output = join(folder, 'merged.bin');
    const origins: Origin[] = forget(folder, 1) ? ['disk', 'memory'] : ['memory'];
    for (const origin of origins) {
      const measurement = measure(folder, count, origin, output);
      measurements.push(measurement);
      const { megabytes, first, next, peakMegabytes } = measurement;
      log(
        `merging ${count} (${megabytes.toFixed(0)} MB) from ${origin}: first ${described(first)}; next ${described(next)}; peak ${peakMegabytes.toFixed(0)} MB`,
      );
    }
    await rm(output, { force: true });
  }
  return measurements;
}

function described({ merge, read, share, shareOfReadingAndWriting }: Speeds): string {
  return `${merge.toFixed(2)} of ${read.toFixed(2)} GB/s, ${share.toFixed(2)} (with writing ${shareOfReadingAndWriting.toFixed(2)})`;
}

function measure(folder: string, count: number, origin: Origin, output: string): MergeMeasurement {
  const run = (mode: Mode) => {
    if (origin === 'disk') forget(folder, count);
    return runOnce(mode, folder, count, output, origin);
  };
  // The first brings files into the page cache, and programs; it is not counted.
  run('read-in-turn');
  const rounds = Array.from({ length: REPEATS }, () => ({
    reads: [run('read-parallel'), run('read-in-turn')],
    merge: run('merge'),
    write: run('write'),
  }));
  const bytes = rounds[0]?.merge.bytes ?? 0;
  const speeds = (turn: keyof Measured['seconds']): Speeds => {
    const seconds = rounds.map(({ reads, merge, write }) => ({
      read: Math.min(...reads.map((read) => read.seconds[turn])),
      merge: merge.seconds[turn],
      write: write.seconds[turn],
    }));
    return {
      merge: median(seconds.map(({ merge }) => bytes / merge / 1e9)),
      read: median(seconds.map(({ read }) => bytes / read / 1e9)),
      share: median(seconds.map(({ read, merge }) => read / merge)),
      shareOfReadingAndWriting: median(seconds.map(({ read, write, merge }) => (read + write) / merge)),
    };
  };
  return {
    count,
    origin,
    megabytes: bytes / 1e6,
    first: speeds('first'),
    next: speeds('next'),
    peakMegabytes: Math.max(...rounds.map(({ merge }) => merge.peak / 1e6)),
  };
}

function runOnce(mode: Mode, folder: string, count: number, output: string, origin: Origin): Measured {
  const script = fileURLToPath(new URL('./merge-twice.ts', import.meta.url));
  const child = spawnSync(
    process.execPath,
    ['--import', 'tsx', script, mode, folder, String(count), output, origin],
    { encoding: 'utf8' },
  );
  if (child.status !== 0) throw new Error(`measuring ${mode} failed:\n${child.stderr}`);
  return JSON.parse(child.stdout) as Measured;
}

/** Checkpoints with values of their own; the others are copies of them, files in their own right. */
const DISTINCT = 16;

/** @param size of the bottleneck; 12, the reference's, makes 120 tensors of 4.4 MB together */
async function writeCheckpoints(folder: string, count: number, size: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let index = 0; index < count; index++) {
    if (existsSync(checkpointFile(folder, index))) continue;
    if (index < DISTINCT)
      await writeSafetensors(checkpointFile(folder, index), adapterOfBase(index + 1, size));
    else await copyDurably(checkpointFile(folder, index % DISTINCT), checkpointFile(folder, index));
  }
}

/** On disk when it returns: what is still to be written can't be forgotten. */
async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const handle = await open(to, 'r+');
  await handle.sync();
  await handle.close();
}

function adapterOfBase(seed: number, size: number): DeltaTensors {
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
      [`${sublayer}.adapter_A`, tensor([768, size])],
      [`${sublayer}.adapter_B`, tensor([size, 768])],
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
