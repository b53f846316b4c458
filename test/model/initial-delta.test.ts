import { describe, expect, it } from 'vitest';
import type { DeltaSettings } from '../../src/core/delta-settings.js';
import type { T5Architecture } from '../../src/core/t5-architecture.js';
import { initialDelta } from '../../src/model/deltas/initial.js';
import { deltaShapes } from '../../src/model/deltas/shapes.js';

const ARCHITECTURE: T5Architecture = {
  vocabularySize: 100,
  modelSize: 64,
  headSize: 8,
  feedForwardSize: 128,
  heads: 16,
  encoderBlocks: 2,
  decoderBlocks: 3,
  relativeBuckets: 32,
  relativeMaxDistance: 128,
  layerNormEpsilon: 1e-6,
  feedForward: 'gated-gelu',
  scalesLogits: false,
  padId: 0,
  eosId: 1,
  decoderStartId: 0,
};
const LORA: DeltaSettings = { type: 'lora', rank: 4, alpha: 16, targetModules: ['q', 'o'] };
const PREFIX: DeltaSettings = { type: 'prefix', length: 5, hiddenSize: 7 };
const ADAPTER: DeltaSettings = {
  type: 'adapter',
  size: 6,
  nonlinearity: 'silu',
  placement: ['cross-attention', 'feed-forward'],
};

function values(settings: DeltaSettings, seed: number, ending: string): number[] {
  return [...initialDelta(ARCHITECTURE, settings, seed)]
    .filter(([name]) => name.endsWith(ending))
    .flatMap(([, { data }]) => [...data]);
}

describe('the shapes of deltas', () => {
  it('follow placement and target modules, also where heads * d_kv is not d_model', () => {
    const lora = deltaShapes(ARCHITECTURE, LORA);
    expect(lora.size).toBe((2 + 3 * 2) * 2 * 2);
    expect(lora.get('decoder.block.2.layer.1.EncDecAttention.q.lora_B')).toEqual([4, 128]);
    expect(lora.get('encoder.block.0.layer.0.SelfAttention.o.lora_A')).toEqual([128, 4]);
    const adapter = deltaShapes(ARCHITECTURE, ADAPTER);
    expect(adapter.has('encoder.block.0.layer.0.adapter.adapter_A')).toBe(false);
    expect(adapter.get('decoder.block.0.layer.1.adapter.adapter_A')).toEqual([64, 6]);
    const prefix = deltaShapes(ARCHITECTURE, PREFIX);
    expect(prefix.get('decoder.prefix.prefix_project.2.weight')).toEqual([2 * 3 * 128, 7]);
  });
});

describe('the random start of a delta', () => {
  it('is the same for a seed and another for another', () => {
    expect(initialDelta(ARCHITECTURE, ADAPTER, 3)).toEqual(initialDelta(ARCHITECTURE, ADAPTER, 3));
    expect(values(ADAPTER, 3, 'A')).not.toEqual(values(ADAPTER, 4, 'A'));
  });

  it("has the reference's distributions", () => {
    const adapter = values(ADAPTER, 1, 'adapter_B');
    const deviation = Math.sqrt(adapter.reduce((sum, x) => sum + x * x, 0) / adapter.length);
    expect(deviation).toBeGreaterThan(0.019);
    expect(deviation).toBeLessThan(0.021);
    expect(values(LORA, 1, 'lora_B').every((x) => x === 0)).toBe(true);
    const a = values(LORA, 1, 'lora_A');
    // U(-1/sqrt(r), 1/sqrt(r)): the fan-in is the rank.
    expect(Math.max(...a)).toBeLessThanOrEqual(0.5);
    expect(Math.max(...a)).toBeGreaterThan(0.49);
    const up = values(PREFIX, 1, 'prefix_project.2.weight');
    expect(Math.max(...up)).toBeLessThanOrEqual(1 / Math.sqrt(7));
    expect(Math.max(...up)).toBeGreaterThan(0.99 / Math.sqrt(7));
  });
});
