import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { wholePlan } from '../../src/core/merging.js';
import { BinaryFile } from '../../src/formats/binary-file.js';
import { mergeCheckpoints } from '../../src/study/merging/index.js';

/**
 * One measurement in a process of its own, so that its peak memory is its own: `merge` or `read` the first n checkpoints
 * of a folder. `read` is the bandwidth to compare with: the same bytes through the same calls into memory that is used
 * over and over, and nothing else.
 */
const [mode, folder = '', count = '0', output = ''] = process.argv.slice(2);

const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors')).sort();
const files = names.slice(0, Number(count)).map((name) => join(folder, name));
const before = performance.now();
const bytes = mode === 'read' ? await readAll(files) : await mergeAll(files);
const seconds = (performance.now() - before) / 1000;
// maxRSS is in KiB on every system that Node runs on.
console.log(JSON.stringify({ seconds, bytes, peak: process.resourceUsage().maxRSS * 1024 }));

/** @returns bytes of the sources */
async function mergeAll(all: readonly string[]): Promise<number> {
  const sources = all.map((file, i) => ({ task: `task ${i}`, file }));
  const weights = wholePlan(all.map(() => 1 / all.length));
  const merged = await mergeCheckpoints(sources, weights, output, { loraRule: 'factors' });
  return merged.bytes * all.length;
}

/** Four files at a time, as a merge reads them. */
async function readAll(all: readonly string[]): Promise<number> {
  const buffers = Array.from({ length: 4 }, () => Buffer.alloc(0));
  let total = 0;
  for (let start = 0; start < all.length; start += buffers.length) {
    await Promise.all(
      all.slice(start, start + buffers.length).map((file, j) =>
        BinaryFile.use(file, async (opened) => {
          if ((buffers[j]?.length ?? 0) < opened.size) buffers[j] = Buffer.alloc(opened.size);
          await opened.readInto((buffers[j] ?? Buffer.alloc(0)).subarray(0, opened.size), 0);
          total += opened.size;
        }),
      ),
    );
  }
  return total;
}
