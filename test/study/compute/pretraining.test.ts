import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Engine } from '../../../src/engine/contract.js';
import { openEngine } from '../../../src/engine/index.js';
import type { T5Config } from '../../../src/formats/t5-config.js';
import { Random } from '../../../src/model/random.js';
import { openPretraining } from '../../../src/study/compute/index.js';
import { padBatch } from '../../../src/study/compute/padding.js';

// Compiling and 150 steps take their time on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const CONFIG: T5Config = {
  vocabularySize: 40,
  modelSize: 24,
  headSize: 8,
  feedForwardSize: 32,
  heads: 4,
  encoderBlocks: 1,
  decoderBlocks: 1,
  relativeBuckets: 8,
  relativeMaxDistance: 16,
  layerNormEpsilon: 1e-6,
  dropoutRate: 0,
  feedForward: 'gated-gelu',
  scalesLogits: false,
  padId: 0,
  eosId: 1,
  decoderStartId: 0,
};

describe('training every parameter of a small T5', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ device: 'cpu' });
  });
  afterAll(() => engine.dispose());

  it.each([
    ['untied with gated-gelu', CONFIG],
    ['tied with relu', { ...CONFIG, scalesLogits: true, feedForward: 'relu' } as const],
  ])('learns to copy one word, %s', async (_, config) => {
    const pretraining = openPretraining(config, engine);
    const random = new Random(5);
    const draw = () =>
      padBatch(
        Array.from({ length: 16 }, (__, row) => {
          const ids = Int32Array.of(10 + random.below(6), 1);
          return { row, input: ids, label: ids };
        }),
      );
    const training = await pretraining.train(pretraining.initialParameters(1), {
      optimizer: { name: 'adafactor', clip: 1, weightDecay: 0, scaleParameter: true },
      dropout: 0,
      seed: 1,
    });
    for (let step = 0; step < 150; step++) await training.advance(draw(), 0.03);
    const { delta } = await training.state();
    const probe = draw();
    expect(await pretraining.loss(delta, probe)).toBeLessThan(0.2);
    const generated = await pretraining.generate(delta, probe, 4);
    const right = generated.filter((ids, row) => ids.length === 1 && ids[0] === probe.inputIds[2 * row]);
    expect(right.length).toBeGreaterThanOrEqual(14);
    training.dispose();
    await pretraining.dispose();
  });
});
