/** Peak resident memory of tuning over inputs of 16 to 512 tokens, in a process of its own: see engine.ts. */
import { openEngine } from '../src/engine/index.js';
import { openModel } from '../src/study/compute/model.js';
import { fixedBatch } from './engine-batches.js';
import { DELTAS, randomBackbone, type Size } from './engine-model.js';
import { peakMemory } from './peak-memory.js';

const [size = 'tiny', folder = '', threads = '2', packing] = process.argv.slice(2);
const backbone = await randomBackbone(size as Size, folder);
const engine = await openEngine({
  device: 'cpu',
  threads: Number(threads),
  packWeights: packing === 'pack-weights',
});
const model = await openModel(backbone, DELTAS.adapter, engine);
const training = await model.train(model.initialDelta(1), {
  optimizer: { name: 'adafactor', clip: 0.1, weightDecay: 0 },
  dropout: 0,
  seed: 1,
});
for (const length of [16, 32, 64, 128, 256, 512, 384, 192, 160, 448, 320, 96, 48, 16]) {
  await training.advance(fixedBatch(8, length, 16, backbone.vocabularySize), 5e-4);
}
const bytes = peakMemory();
const weights = backbone.parameters * 4;
console.log(
  `\nPeak resident memory of tuning over inputs of 16 to 512 tokens, one session: ${(bytes / 2 ** 30).toFixed(2)} GiB, ` +
    `${(bytes / weights).toFixed(2)} times the float32 weights.`,
);
await engine.dispose();
