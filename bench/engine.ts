/**
 * The engine beside PyTorch: `npm run bench:engine -- [--size tiny|small|base] [--delta adapter,lora,prefix] [--measure forward,step,real,decode,memory]
 * [--rounds N] [--clock wall|cpu] [--pack-weights]`.
 * Rounds are interleaved (ours, theirs, ours, ...), results are medians and the median of the paired ratios.
 */
import * as tf from '@tensorflow/tfjs';
import esbuild from 'esbuild';
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DELTA_TYPES, type DeltaSettings } from '../src/core/delta-settings.js';
import type { Engine, HostTensor } from '../src/engine/contract.js';
import { openEngine } from '../src/engine/index.js';
import type { OpenedBackbone } from '../src/study/compute/backbone.js';
import type { Batch, Model, Training } from '../src/study/compute/contract.js';
import { openModel } from '../src/study/compute/model.js';
import { byLength, cutIntoBatches, fixedBatch, peerBatch, realRows } from './engine-batches.js';
import { DELTAS, forwardFlops, randomBackbone, SIZES, type Size } from './engine-model.js';
import { Peer, type PeerAnswer } from './engine-peer.js';

const [BATCH, SOURCE, TARGET] = [8, 128, 16];
const REAL_ROWS = 32;
const MATMUL_REPEATS = 100;
const OPTIMIZER = { name: 'adafactor', clip: 0.1, weightDecay: 0 } as const;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'base' },
    delta: { type: 'string', default: 'adapter,lora,prefix' },
    /** Parts of the benchmark; `real` takes minutes at the size `base`. */
    measure: { type: 'string', default: 'forward,step,real,decode,memory' },
    rounds: { type: 'string', default: '5' },
    /** `cpu` counts the processor time of each process instead: for machines that others use too, with --threads 1. */
    clock: { type: 'string', default: 'wall' },
    threads: { type: 'string', default: String(Math.min(2, os.availableParallelism())) },
    /** What \`deltaloom --pack-weights\` does: more speed for more memory. */
    'pack-weights': { type: 'boolean', default: false },
    cache: { type: 'string', default: path.join(ROOT, '.cache', 'bench') },
    shared: { type: 'string', default: path.join(ROOT, '..', 'shared') },
  },
});
const PARTS = ['forward', 'step', 'real', 'decode', 'memory'] as const;
const measured = new Set(values.measure.split(','));
for (const part of measured) {
  if (!PARTS.some((known) => known === part)) throw new Error(`--measure is a list of ${PARTS.join(', ')}`);
}
const rounds = Number(values.rounds);
const threads = Number(values.threads);

interface Side {
  readonly seconds: number;
  readonly tokens?: number;
}
type Measured = () => Promise<Side>;

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/** Runs both sides in turn, once unmeasured; prints one row of the table. */
async function compare(what: string, ours: Measured, theirs: Measured | null, flops?: number): Promise<void> {
  await ours();
  await theirs?.();
  const own: Side[] = [];
  const other: Side[] = [];
  for (let round = 0; round < rounds; round++) {
    own.push(await ours());
    if (theirs !== null) other.push(await theirs());
  }
  const seconds = median(own.map((side) => side.seconds));
  const cells = [what, milliseconds(seconds)];
  if (theirs === null) cells.push('', '');
  else {
    const ratios = own.map((side, index) => perToken(side) / perToken(other[index] ?? { seconds: NaN }));
    cells.push(milliseconds(median(other.map((side) => side.seconds))), median(ratios).toFixed(2));
  }
  const tokens = own[0]?.tokens;
  cells.push(
    flops === undefined
      ? tokens === undefined
        ? ''
        : `${(tokens / seconds).toFixed(0)} tokens/s`
      : `${(flops / seconds / 1e9).toFixed(1)} GFLOP/s, ${((100 * flops) / seconds / 1e9 / peak).toFixed(0)}% of the matmul`,
  );
  console.log(`| ${cells.join(' | ')} |`);
}

function perToken({ seconds, tokens }: Side): number {
  return seconds / (tokens ?? 1);
}

function milliseconds(seconds: number): string {
  return `${(seconds * 1000).toFixed(1)} ms`;
}

/** Seconds of the chosen clock. */
function now(): number {
  if (values.clock !== 'cpu') return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function timed(work: () => Promise<unknown>): Promise<Side> {
  const start = now();
  await work();
  return { seconds: now() - start };
}

/** GFLOP/s of ONNX Runtime on one product, of a plain or a transposed operand, whichever is faster: shares are given of it. */
async function matmulPeak(engine: Engine): Promise<number> {
  const [m, k, n] = [1024, 768, 3072];
  const filled = (rows: number, columns: number): HostTensor => ({
    dtype: 'float32',
    shape: [rows, columns],
    data: new Float32Array(rows * columns).fill(0.5),
  });
  let best = Infinity;
  for (const transposed of [false, true]) {
    const b = transposed ? filled(n, k) : filled(k, n);
    const executable = await engine.compile(
      {
        name: 'matmul',
        inputs: { a: { dtype: 'float32', shape: [m, k] }, b: { dtype: 'float32', shape: [...b.shape] } },
        outputs: ['c'],
        compute: (inputs) => ({ c: tf.matMul(inputs.a, inputs.b, false, transposed) }),
      },
      new Map(),
    );
    const inputs = { a: filled(m, k), b };
    for (let repeat = 0; repeat < MATMUL_REPEATS; repeat++) {
      const { seconds } = await timed(async () => {
        (await executable.run(inputs)).c.dispose();
      });
      best = Math.min(best, seconds);
    }
    await executable.dispose();
  }
  return (2 * m * k * n) / best / 1e9;
}

async function measureDelta(
  backbone: OpenedBackbone,
  delta: DeltaSettings,
  engine: Engine,
  peer: Peer | null,
): Promise<void> {
  const model = await openModel(backbone, delta, engine);
  const initial = model.initialDelta(1);
  const batch = fixedBatch(BATCH, SOURCE, TARGET, backbone.vocabularySize);
  const asked = async (command: Readonly<Record<string, unknown>>): Promise<Side> => {
    const answer: PeerAnswer = (await peer?.ask(command)) ?? { seconds: NaN, cpuSeconds: NaN };
    const seconds = values.clock === 'cpu' ? answer.cpuSeconds : answer.seconds;
    return answer.tokens === undefined ? { seconds } : { seconds, tokens: answer.tokens };
  };
  await peer?.ask({ do: 'load', folder: backbone.directory, delta });
  const opening = now();
  const training = await model.train(initial, { optimizer: OPTIMIZER, dropout: 0, seed: 1 });
  const compile = now() - opening;
  const flops = forwardFlops(backbone, BATCH, SOURCE, TARGET);
  const given = peerBatch(batch);

  console.log(`\n### ${delta.type}: trace, compile and load of the training step ${compile.toFixed(2)} s\n`);
  console.log('| | ours | PyTorch | ours / PyTorch | |\n|-|-|-|-|-|');
  if (measured.has('forward'))
    await compare(
      `forward, ${BATCH} x ${SOURCE} -> ${TARGET}`,
      () => timed(() => model.sweep(initial, batch, null)),
      peer === null ? null : () => asked({ do: 'forward', batch: given }),
      flops,
    );
  if (measured.has('step'))
    await compare(
      `training step, ${BATCH} x ${SOURCE} -> ${TARGET}`,
      () => timed(() => training.advance(batch, 5e-4)),
      peer === null ? null : () => asked({ do: 'step', batches: [given] }),
      // The frozen weights get no gradient: the backward pass costs about one more forward pass.
      2 * flops,
    );
  if (measured.has('real')) await compareReal(training, peer, asked);
  // Both sides generate the same number of tokens for the prefix only without a cache on PyTorch's side: not compared.
  const withPeer = peer !== null && delta.type !== 'prefix';
  if (measured.has('decode'))
    await compare(
      `greedy decoding, ${BATCH} rows to 32 tokens`,
      () => decode(model, initial, batch),
      withPeer ? () => asked({ do: 'generate', batch: given, maxLength: 33 }) : null,
    );
  training.dispose();
  await model.dispose();
}

async function decode(model: Model, initial: ReturnType<Model['initialDelta']>, batch: Batch): Promise<Side> {
  let tokens = 0;
  const { seconds } = await timed(async () => {
    const texts = await model.generate(initial, batch, 33);
    tokens = texts.reduce((sum, ids) => sum + Math.min(32, ids.length + 1), 0);
  });
  return { seconds, tokens };
}

async function compareReal(
  training: Training,
  peer: Peer | null,
  asked: (command: Readonly<Record<string, unknown>>) => Promise<Side>,
): Promise<void> {
  const rows = await realRows(values.shared, REAL_ROWS);
  if (typeof rows === 'string') {
    console.log(`| ${rows} | | | | |`);
    return;
  }
  const capped = rows.map(({ row, input, label }) => ({
    row,
    input: input.map((id) => id % vocabulary),
    label: label.map((id) => id % vocabulary),
  }));
  const ours = cutIntoBatches(byLength(capped), BATCH);
  const theirs = cutIntoBatches(capped, BATCH).map(peerBatch);
  await compare(
    `${ours.length} training steps on ${capped.length} real lines; ours by length, PyTorch's in random batches`,
    () =>
      timed(async () => {
        for (const batch of ours) await training.advance(batch, 5e-4);
      }),
    peer === null ? null : () => asked({ do: 'step', batches: theirs }),
  );
}

const size = values.size as Size;
if (!(size in SIZES)) throw new Error(`--size is one of ${Object.keys(SIZES).join(', ')}`);
const deltas = values.delta.split(',').map((name) => {
  const type = DELTA_TYPES.find((known) => known === name);
  if (type === undefined) throw new Error(`--delta is a list of ${DELTA_TYPES.join(', ')}`);
  return DELTAS[type];
});
const vocabulary = SIZES[size].vocab_size;
const folder = path.join(values.cache, `t5-${size}`);
const backbone = await randomBackbone(size, folder);
const started = Peer.start(threads);
const peer = typeof started === 'string' ? null : started;
if (typeof started === 'string') console.log(started);
const packWeights = values['pack-weights'];
const engine = await openEngine({ device: 'cpu', threads, packWeights });
const peak = await matmulPeak(engine);

console.log(
  `## T5-${size}, ${(backbone.parameters / 1e6).toFixed(0)}M parameters, ${threads} threads, medians of ${rounds} paired rounds, ${values.clock} clock${packWeights ? ', packed weights' : ''}\n`,
);
console.log(
  `${os.cpus()[0]?.model ?? 'unknown processor'}, Node ${process.versions.node}, ONNX Runtime ${engine.versions['onnxruntime-node'] ?? ''}.`,
);
console.log(`Plain matmul 1024 x 768 x 3072: ours ${peak.toFixed(1)} GFLOP/s.`);
if (peer !== null) {
  const theirs = await peer.ask({
    do: 'matmul',
    shape: [1024, 768, 3072],
    repeat: MATMUL_REPEATS,
    clock: values.clock,
  });
  const configuration = await peer.ask({ do: 'configuration' });
  console.log(
    `PyTorch's on the same product: ${Number(theirs.gflops).toFixed(1)} GFLOP/s. ${JSON.stringify(configuration)}`,
  );
}
for (const delta of deltas) await measureDelta(backbone, delta, engine, peer);
if (peer !== null) {
  const { peakBytes = 0 } = await peer.ask({ do: 'memory' });
  console.log(`\nPeak resident memory of the PyTorch process: ${(peakBytes / 2 ** 30).toFixed(2)} GiB.`);
}
peer?.stop();
await engine.dispose();

if (measured.has('memory')) {
  // Bundled, as what is shipped is: a TypeScript loader would be measured with it.
  const program = fileURLToPath(new URL('../.cache/bench/engine-memory.mjs', import.meta.url));
  await esbuild.build({
    entryPoints: [fileURLToPath(new URL('./engine-memory.ts', import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  const memory = spawnSync(
    process.execPath,
    [program, size, folder, String(threads), ...(packWeights ? ['pack-weights'] : [])],
    { encoding: 'utf8' },
  );
  console.log(memory.status === 0 ? memory.stdout.trim() : `Memory was not measured: ${memory.stderr}`);
}
