import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { wholePlan } from '../../src/core/merging.js';
import { BinaryFile } from '../../src/formats/binary-file.js';
import { mergeCheckpoints } from '../../src/study/merging/index.js';
import { peakMemory } from '../peak-memory.js';
import { checkpointFile, forget } from './checkpoint-files.js';

/**
 * The same done twice in a process of its own, so that its peak memory is its own: a command line merges once, a session of
 * the editor many times. `merge` merges the first n checkpoints of a
 * folder. The others are the bandwidth to compare with, and compute nothing: they read the same bytes into a few buffers
 * that are used over and over, `read-parallel` four files at a time as a merge does, `read-in-turn` one after the other with
 * blocking calls, which is as fast as one processor can copy; and `write` writes as many bytes as the merge does, on disk
 * when it returns.
 */
const MODES = {
  merge: mergeAll,
  'read-parallel': readParallel,
  'read-in-turn': readInTurn,
  write: writeOne,
} as const;
export type Mode = keyof typeof MODES;

export interface Measured {
  readonly seconds: { readonly first: number; readonly next: number };
  readonly bytes: number;
  /** Bytes of resident memory. */
  readonly peak: number;
}

/** As large as the pieces of a merge. */
const PIECE = 2 ** 20;
const AT_ONCE = 4;

const [mode = '', folder = '', count = '0', output = '', origin = ''] = process.argv.slice(2);
const files = Array.from({ length: Number(count) }, (_, index) => checkpointFile(folder, index));
const { size } = await stat(files[0] ?? '');
const first = await measure();
if (origin === 'disk') forget(folder, files.length);
const measured: Measured = {
  seconds: { first, next: await measure() },
  bytes: size * files.length,
  peak: peakMemory(),
};
console.log(JSON.stringify(measured));

async function measure(): Promise<number> {
  const before = performance.now();
  await MODES[mode as Mode](files);
  return (performance.now() - before) / 1000;
}

async function mergeAll(all: readonly string[]): Promise<void> {
  const sources = all.map((file, i) => ({ task: `task ${i}`, file }));
  const weights = wholePlan(all.map(() => 1 / all.length));
  await mergeCheckpoints(sources, weights, output, { loraRule: 'factors' });
}

async function readParallel(all: readonly string[]): Promise<void> {
  let next = 0;
  const reader = async () => {
    const buffer = Buffer.alloc(PIECE);
    for (let file = all[next++]; file !== undefined; file = all[next++]) {
      await BinaryFile.use(file, async (opened) => {
        for (let at = 0; at < opened.size; at += PIECE) {
          await opened.readInto(buffer.subarray(0, Math.min(PIECE, opened.size - at)), at);
        }
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, reader));
}

function readInTurn(all: readonly string[]): Promise<void> {
  const buffer = Buffer.alloc(PIECE);
  for (const file of all) {
    const descriptor = openSync(file, 'r');
    for (let at = 0; at < size; at += PIECE) {
      readSync(descriptor, buffer, 0, Math.min(PIECE, size - at), at);
    }
    closeSync(descriptor);
  }
  return Promise.resolve();
}

function writeOne(): Promise<void> {
  const descriptor = openSync(output, 'w');
  writeSync(descriptor, Buffer.alloc(size));
  fsyncSync(descriptor);
  closeSync(descriptor);
  return Promise.resolve();
}
