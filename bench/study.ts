import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SIZES, type Size } from './engine-model.js';
import type { MergeMeasurement } from './study/merging.js';
import { measureMerging } from './study/merging.js';
import type { ScoringMeasurement, ScoringOptions } from './study/scoring.js';
import { measureScoring } from './study/scoring.js';

/**
 * npm run bench:study -- [--only scoring|merging] [--size small] [--count 8] [--examples 16] [--threads 2]
 *                        [--tasks DIR] [--tokenizer DIR] [--cache DIR]
 *
 * Writes bench/results/study-scoring.md and study-merging.md; what they mean is said in study.md. The PyTorch side runs where DELTALOOM_PEER_PYTHON has torch, and says so where not.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    size: { type: 'string', default: 'small' },
    count: { type: 'string', default: '8' },
    examples: { type: 'string', default: '16' },
    threads: { type: 'string', default: String(Math.min(2, os.availableParallelism())) },
    tasks: { type: 'string', default: path.join(root, '..', 'shared', 'tasks') },
    tokenizer: { type: 'string', default: path.join(root, '..', 'shared', 'models', 't5-tokenizer') },
    cache: { type: 'string', default: path.join(os.homedir(), '.cache', 'deltaloom', 'bench') },
  },
});
const log = (line: string) => {
  console.log(line);
};
// The tokenizer's vocabulary has to fit.
const sizes = Object.keys(SIZES).filter((size) => SIZES[size as Size].vocab_size >= 32100);
if (!sizes.includes(values.size)) throw new Error(`--size is one of ${sizes.join(', ')}.`);

const load = os.loadavg()[0] ?? 0;
if (values.only !== 'merging') {
  const options: ScoringOptions = {
    size: values.size as Size,
    threads: Number(values.threads),
    count: Number(values.count),
    examples: Number(values.examples),
    tasks: values.tasks,
    tokenizer: values.tokenizer,
    cache: values.cache,
    log,
  };
  if (existsSync(options.tasks) && existsSync(options.tokenizer)) {
    await write('study-scoring.md', scoringSection(await measureScoring(options), options));
  } else {
    log(
      `Scoring is not measured: ${options.tasks} or ${options.tokenizer} is missing (--tasks, --tokenizer).`,
    );
  }
}
if (values.only !== 'scoring') {
  await write(
    'study-merging.md',
    mergingSection(await measureMerging(path.join(values.cache, 'merging'), log)),
  );
}

async function write(name: string, section: string): Promise<void> {
  const cpu = os.cpus()[0]?.model ?? 'unknown processor';
  const results = path.join(root, 'bench', 'results');
  const when = `${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} x ${cpu}, Node ${process.versions.node}`;
  const command = ['npm run bench:study --', ...process.argv.slice(2)].join(' ');
  const measured = `\`${command}\`, ${when}. Load of the machine at the start: ${load.toFixed(1)}.`;
  await mkdir(results, { recursive: true });
  await writeFile(path.join(results, name), `${section}\n${measured}\n`);
}

function scoringSection(measured: ScoringMeasurement, options: ScoringOptions): string {
  const { tasks, seconds, opening, half, peer } = measured;
  const cells = tasks * tasks;
  const lines = [
    '# Scoring',
    '',
    `Loss, KL, EL2N, cosine and block cosine of ${tasks} x ${tasks} cells: T5 v1.1 ${options.size} with random weights, adapters of size 12, ${options.examples} dev examples of each of ${tasks} real tasks, batches of 8, ${options.threads} threads. Ours is measured whole, ${opening.toFixed(1)} s for opening the model and compiling its programs included.`,
    '',
    '| | seconds | against ours | |',
    '| --- | --- | --- | --- |',
    `| Deltaloom, five methods in one sweep | ${seconds.toFixed(1)} | 1 | measured |`,
  ];
  if (typeof peer === 'string') {
    lines.push('', peer);
  } else {
    lines.push(
      `| careful PyTorch: dynamic padding, one sweep a method | ${peer.careful.toFixed(0)} | ${(peer.careful / seconds).toFixed(1)} | extrapolated from 2 rows x 2 sources, by tokens |`,
      `| the reference's procedure: 512 and 64, one sweep a method, model loaded per target and method | ${peer.reference.toFixed(0)} | ${(peer.reference / seconds).toFixed(1)} | extrapolated from one batch of every method, one load |`,
      '',
      `Peer: ${peer.configuration}. Largest relative difference between the two sides' values: ${peer.disagreement.toExponential(1)}.`,
    );
  }
  lines.push(
    '',
    `Linear in cells: opening aside, ${(((seconds - opening) * 1000) / cells).toFixed(0)} ms a cell for ${cells} cells, ${((half.seconds * 1000) / half.cells).toFixed(0)} ms a cell for ${half.cells}, the targets' own outputs included.`,
    '',
  );
  return lines.join('\n');
}

function mergingSection(measurements: readonly MergeMeasurement[]): string {
  return [
    '# Merging',
    '',
    'Synthetic adapters of T5-base (120 tensors, 4.4 MB each, or 35 MB where 8 are 283 MB), equal weights. Reading is the same bytes and nothing else, in pieces as large as a merge reads, by whichever way was faster in that round: four files at a time, or one after the other with blocking calls. `disk`: after the page cache was told to forget the files (posix_fadvise); `memory`: out of the page cache. A merge also writes its result and waits until that is on disk: with few sources this is most of its time, so the second share compares with reading and then writing as many bytes. Medians of 5 rounds, every measurement in a process of its own: `first` is the first merge of the process, which still compiles its code, beside the first reading of another; `next` the second in each, as in a session of the editor. Peak memory is that of the whole process, Node and loader included.',
    '',
    '| sources | MB | from | in its process | merging GB/s | reading GB/s | share of reading | of reading and writing | peak MB |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...measurements.flatMap(({ count, origin, megabytes, peakMegabytes, ...turns }) =>
      (['first', 'next'] as const).map((turn) => {
        const { merge, read, share, shareOfReadingAndWriting } = turns[turn];
        return `| ${count} | ${megabytes.toFixed(0)} | ${origin} | ${turn} | ${merge.toFixed(2)} | ${read.toFixed(2)} | ${share.toFixed(2)} | ${shareOfReadingAndWriting.toFixed(2)} | ${peakMegabytes.toFixed(0)} |`;
      }),
    ),
    '',
  ].join('\n');
}
