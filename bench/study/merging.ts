import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeltaTensors, Tensor } from '../../src/core/tensor.js';
import { sizeOfShape } from '../../src/core/tensor.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import type { Mode } from './merge-once.js';

/** Merging of many checkpoints: bandwidth against plain reading of the same files, and memory against their number. */

export const COUNTS = [8, 64, 512] as const;
const REPEATS = 5;

/** Where the bytes come from: the system's page cache, or the disk once that cache has been told to forget the files. */
export type Origin = 'memory' | 'disk';

export interface MergeMeasurement {
  readonly count: number;
  readonly origin: Origin;
  readonly megabytes: number;
  /** Medians over the rounds, GB/s of source bytes. */
  readonly merge: number;
  /** Of the faster way of reading. */
  readonly read: number;
  /** Median over the rounds of merging's speed by that of the faster reading of the same round. */
  readonly share: number;
  /** The same, where reading is followed by writing one checkpoint's bytes durably, as a merge must. */
  readonly shareOfReadingAndWriting: number;
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
  const origins: Origin[] = forget(folder, 1) ? ['disk', 'memory'] : ['memory'];
  for (const count of COUNTS) {
    for (const origin of origins) {
      const measurement = measure(folder, count, origin, output);
      measurements.push(measurement);
      const { merge, read, share, shareOfReadingAndWriting, peakMegabytes } = measurement;
      log(
        `merging ${count} from ${origin}: ${merge.toFixed(2)} GB/s, reading ${read.toFixed(2)} GB/s, share ${share.toFixed(2)} (reading and writing: ${shareOfReadingAndWriting.toFixed(2)}), peak ${peakMegabytes.toFixed(0)} MB`,
      );
    }
  }
  await rm(output, { force: true });
  return measurements;
}

function measure(folder: string, count: number, origin: Origin, output: string): MergeMeasurement {
  const run = (mode: Mode) => {
    if (origin === 'disk') forget(folder, count);
    return runOnce(mode, folder, count, output);
  };
  // The first brings files into the page cache, and programs; it is not counted.
  run('read-in-turn');
  const rounds = Array.from({ length: REPEATS }, () => {
    const [parallel, inTurn] = [run('read-parallel'), run('read-in-turn')];
    const read = parallel.seconds < inTurn.seconds ? parallel : inTurn;
    return { read, merge: run('merge'), write: run('write') };
  });
  const speed = ({ bytes, seconds }: Once) => bytes / seconds / 1e9;
  return {
    count,
    origin,
    megabytes: (rounds[0]?.merge.bytes ?? 0) / 1e6,
    merge: median(rounds.map(({ merge }) => speed(merge))),
    read: median(rounds.map(({ read }) => speed(read))),
    share: median(rounds.map(({ merge, read }) => read.seconds / merge.seconds)),
    shareOfReadingAndWriting: median(
      rounds.map(({ merge, read, write }) => (read.seconds + write.seconds) / merge.seconds),
    ),
    peakMegabytes: Math.max(...rounds.map(({ merge }) => merge.peak / 1e6)),
  };
}

/** Tells the system to forget the content of the first files; false where `dd` can't say so. */
function forget(folder: string, count: number): boolean {
  return Array.from({ length: count }, (_, index) => checkpointFile(folder, index)).every(
    (file) => spawnSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']).status === 0,
  );
}

function runOnce(mode: Mode, folder: string, count: number, output: string): Once {
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
  for (let index = 0; index < count; index++) {
    if (existsSync(checkpointFile(folder, index))) continue;
    if (index < DISTINCT) await writeSafetensors(checkpointFile(folder, index), adapterOfBase(index + 1));
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

function checkpointFile(folder: string, index: number): string {
  return join(folder, `${String(index).padStart(4, '0')}.safetensors`);
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
