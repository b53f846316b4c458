import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { DeltaSettings } from '../../../src/core/delta-settings.js';
import type { DeltaTensors } from '../../../src/core/tensor.js';
import type { Engine } from '../../../src/engine/contract.js';
import { openEngine } from '../../../src/engine/index.js';
import { Random } from '../../../src/model/random.js';
import type { Batch, Model } from '../../../src/study/compute/contract.js';
import { openBackbone, openModel, type OpenedBackbone } from '../../../src/study/compute/index.js';
import { padBatch } from '../../../src/study/compute/padding.js';
import { goldenFixture, refusal } from '../../formats/shared-data.js';

const DELTAS: Record<string, DeltaSettings> = {
  adapter: {
    type: 'adapter',
    size: 4,
    nonlinearity: 'gelu_new',
    placement: ['self-attention', 'feed-forward'],
  },
  lora: { type: 'lora', rank: 3, alpha: 6, targetModules: ['q', 'k', 'v', 'o'] },
  prefix: { type: 'prefix', length: 5, hiddenSize: 6 },
};

// Compiling dozens of programs takes its time on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

let engine: Engine;
let backbone: OpenedBackbone;
beforeAll(async () => {
  engine = await openEngine({ device: 'cpu' });
  backbone = await openBackbone(goldenFixture('modelA'), { tokenizerDirectory: goldenFixture('tokenizer') });
});
afterAll(() => engine.dispose());

/** Rows of different lengths, in an order of the seed. */
function rows(seed: number, count: number) {
  const random = new Random(seed);
  const draw = (length: number) => Int32Array.from({ length }, () => 2 + random.below(250));
  return Array.from({ length: count }, (_, row) => ({
    row,
    input: draw(3 + random.below(20)),
    label: draw(1 + random.below(6)),
  }));
}

function batch(seed: number, count = 3): Batch {
  return padBatch(rows(seed, count));
}

/** A delta far enough from nothing to change what is generated. */
function someDelta(model: Model, seed: number): DeltaTensors {
  const random = new Random(seed);
  return new Map(
    [...model.deltaShapes].map(([name, shape]) => [
      name,
      {
        shape,
        data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.15 * random.normal()),
      },
    ]),
  );
}

describe.each(Object.entries(DELTAS))('a model with %s', (_, settings) => {
  let model: Model;
  let delta: DeltaTensors;
  beforeAll(async () => {
    model = await openModel(backbone, settings, engine);
    delta = someDelta(model, 7);
  });
  afterAll(() => model.dispose());

  it('computes the same for a row whatever it is padded with', async () => {
    const all = rows(1, 4);
    const together = await model.sweep(delta, padBatch(all), null);
    const width = Math.max(...all.map(({ label }) => label.length));
    for (const [index, row] of all.entries()) {
      const alone = await model.sweep(delta, padBatch([row]), null);
      alone.loss.forEach((loss, position) =>
        expect(together.loss[index * width + position]).toBeCloseTo(loss, 3),
      );
      expect([...together.labelMask.slice(index * width, (index + 1) * width)]).toEqual(
        Array.from({ length: width }, (__, position) => (position < row.label.length ? 1 : 0)),
      );
    }
  });

  it('decodes each row of a batch as it decodes it alone, and as the logits say', async () => {
    const all = rows(2, 5);
    const together = await model.generate(delta, padBatch(all), 12);
    for (const [index, row] of all.entries()) {
      const [alone] = await model.generate(delta, padBatch([row]), 12);
      expect([...(together[index] ?? [])]).toEqual([...(alone ?? [])]);
      const ids = alone?.length === 11 ? [...alone] : [...(alone ?? []), 1];
      const forced = padBatch([{ ...row, label: Int32Array.from(ids) }]);
      const { logits } = await model.logits(delta, forced);
      const vocabulary = logits.shape[2] ?? 0;
      const argmax = ids.map((__, position) => {
        const values = logits.data.subarray(position * vocabulary, (position + 1) * vocabulary);
        return values.indexOf(Math.max(...values));
      });
      expect(argmax).toEqual(ids);
    }
  });

  it('has gradients that predict how the loss changes', async () => {
    const probe = batch(3);
    const { loss, gradients } = await model.gradients(delta, probe);
    const { squaredNorms } = await model.gradientNorms(delta, probe);
    for (const [name, gradient] of [...gradients].slice(0, 6)) {
      const squared = gradient.data.reduce((sum, g) => sum + g * g, 0);
      expect((squaredNorms.get(name) ?? 0) / squared).toBeCloseTo(1, 4);
      const norm = Math.sqrt(squared);
      if (norm < 1e-3) continue;
      const step = 0.01 / norm;
      const [before, after] = await Promise.all(
        [-step, step].map(async (size) => {
          const moved = new Map(delta);
          const tensor = delta.get(name);
          if (tensor === undefined) throw new Error(name);
          moved.set(name, {
            shape: tensor.shape,
            data: tensor.data.map((x, i) => x + size * (gradient.data[i] ?? 0)),
          });
          return (await model.logits(moved, probe)).loss;
        }),
      );
      expect(((after ?? 0) - (before ?? 0)) / (2 * 0.01) / norm).toBeCloseTo(1, 1);
    }
    expect(loss).toBeGreaterThan(0);
  });

  it('finds no difference between a delta and itself as the teacher', async () => {
    const probe = batch(4);
    const teacher = await model.teach(delta, probe);
    const own = await model.sweep(delta, probe, teacher);
    own.klDivergence?.forEach((kl) => expect(Math.abs(kl)).toBeLessThan(1e-5));
    for (const cosines of own.hiddenCosine?.values() ?? []) {
      cosines.forEach((cosine) => expect(cosine).toBeCloseTo(1, 5));
    }
    expect([...(own.hiddenCosine?.keys() ?? [])]).toEqual(model.blocks);
    const other = await model.sweep(someDelta(model, 8), probe, teacher);
    expect(Math.max(...(other.klDivergence ?? []))).toBeGreaterThan(0.001);
    await expect(model.sweep(delta, batch(5), teacher)).rejects.toThrow(/teacher/);
    teacher.dispose();
  });

  it.each([
    ['adafactor', 0],
    ['adamw', 0.2],
  ] as const)('resumes a training by %s exactly, dropout %f', async (name, dropout) => {
    const options = { optimizer: { name, clip: 1, weightDecay: 0.01 }, dropout, seed: 11 } as const;
    const advance = async (training: Awaited<ReturnType<Model['train']>>, steps: number[]) => {
      const losses: number[] = [];
      for (const step of steps) losses.push((await training.advance(batch(20 + step), 1e-2)).loss);
      return losses;
    };
    const whole = await model.train(model.initialDelta(1), options);
    const losses = await advance(whole, [1, 2, 3, 4]);
    const begun = await model.train(model.initialDelta(1), options);
    await advance(begun, [1, 2]);
    const resumed = await model.train(await begun.state(), options);
    expect(await advance(resumed, [3, 4])).toEqual(losses.slice(2));
    expect(resumed.step).toBe(4);
    expect(await resumed.state()).toEqual(await whole.state());
    for (const training of [whole, begun, resumed]) training.dispose();
  });
});

describe.each(Object.keys(DELTAS))('%s: a batch that is too large for one run', (type) => {
  const large = batch(31, 7);
  let [whole, cut]: (Model | undefined)[] = [];
  beforeAll(async () => {
    whole = await openModel(backbone, DELTAS[type] ?? null, engine);
    // So little that every row is a part of its own.
    cut = await openModel(backbone, DELTAS[type] ?? null, engine, { stepMemory: 1 });
  });
  afterAll(async () => {
    await whole?.dispose();
    await cut?.dispose();
  });

  it.each([0, 0.2])('is tuned on as if it went through in one, dropout %f', async (dropout) => {
    const options = { optimizer: { name: 'adamw', clip: 0.1, weightDecay: 0 }, dropout, seed: 5 } as const;
    const [expected, found] = await Promise.all(
      [whole, cut].map(async (model) => {
        if (model === undefined) throw new Error('No model.');
        const training = await model.train(someDelta(model, 4), options);
        const steps = [await training.advance(large, 1e-2), await training.advance(batch(32, 4), 1e-2)];
        const { delta } = await training.state();
        training.dispose();
        return { steps, delta };
      }),
    );
    found?.steps.forEach(({ loss, gradientNorm }, index) => {
      expect(loss / (expected?.steps[index]?.loss ?? 0)).toBeCloseTo(1, 5);
      expect(gradientNorm / (expected?.steps[index]?.gradientNorm ?? 0)).toBeCloseTo(1, 4);
    });
    // AdamW turns rounding of a gradient near zero into a whole step: nearly all values agree, not every one.
    let [same, all] = [0, 0];
    for (const [name, { data }] of found?.delta ?? []) {
      data.forEach((value, index) => {
        all++;
        if (Math.abs(value - (expected?.delta.get(name)?.data[index] ?? 0)) < 1e-4) same++;
      });
    }
    expect(same / all).toBeGreaterThan(0.99);
  });

  it('has the gradient norms of the whole', async () => {
    const delta = someDelta(whole as Model, 4);
    const expected = await whole?.gradientNorms(delta, large);
    const found = await cut?.gradientNorms(delta, large);
    expect((found?.loss ?? 0) / (expected?.loss ?? 1)).toBeCloseTo(1, 5);
    for (const [name, norm] of expected?.squaredNorms ?? []) {
      expect((found?.squaredNorms.get(name) ?? 0) / norm).toBeCloseTo(1, 3);
    }
  });
});

describe('a delta that does not belong to the model', () => {
  let model: Model;
  beforeAll(async () => {
    model = await openModel(backbone, DELTAS['adapter'] ?? null, engine);
  });
  afterAll(() => model.dispose());

  it('is refused by kind, by names, by shapes and by values', async () => {
    const good = model.initialDelta(1);
    const [first] = good.keys();
    const name = first ?? '';
    const cases: [DeltaTensors, string, RegExp][] = [
      [
        new Map([
          ['encoder.block.0.layer.0.SelfAttention.q.lora_A', { shape: [1], data: Float32Array.of(1) }],
        ]),
        'delta-wrong-type',
        /LoRA.*adapter/,
      ],
      [new Map([...good].slice(1)), 'delta-names', /lacks '/],
      [
        new Map([
          ...good,
          ['encoder.block.9.layer.0.adapter.adapter_A', { shape: [1], data: Float32Array.of(1) }],
        ]),
        'delta-names',
        /block\.9/,
      ],
      [
        new Map([...good, [name, { shape: [64, 4], data: new Float32Array(256) }]]),
        'delta-shape',
        /\[64, 4\].*\[32, 4\]/,
      ],
      [
        new Map([...good, [name, { shape: [32, 4], data: new Float32Array(128).fill(Number.NaN, 5, 6) }]]),
        'delta-not-finite',
        /NaN.*element 5/,
      ],
    ];
    for (const [delta, code, message] of cases) {
      const error = await refusal(model.generate(delta, batch(1), 4));
      expect(error.code).toBe(code);
      expect(error.message).toMatch(message);
    }
    expect((await refusal(model.sweep(null, batch(1), null))).code).toBe('delta-missing');
  });

  it('is refused where the backbone is alone', async () => {
    const alone = await openModel(backbone, null, engine);
    expect((await refusal(alone.sweep(model.initialDelta(1), batch(1), null))).code).toBe('delta-unexpected');
    const statistics = await alone.sweep(null, batch(1), null);
    expect(Math.min(...statistics.el2n)).toBeGreaterThanOrEqual(0);
    expect(statistics.klDivergence).toBeNull();
  });
});
