import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { goldenFixture, isAbsent, shared } from '../formats/shared-data.js';
import { passes } from './golden-checks.js';
import { checkModels } from './model-checks.js';
import { checkTokenizers } from './tokenizer-checks.js';

// Compiling dozens of programs takes its time on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

/** One model with one delta of the open golden folder, so that every checkout checks against the reference. */
const FIXTURE = goldenFixture();

describe("the reference's model, compiled for the cpu", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ device: 'cpu' });
  });
  afterAll(() => engine.dispose());

  it('computes what the fixture says', async () => {
    const comparisons = await checkModels(FIXTURE, engine, { models: ['modelA'], deltas: ['adapter'] });
    expect(comparisons.length).toBeGreaterThanOrEqual(28);
    expect(comparisons.filter((comparison) => !passes(comparison))).toEqual([]);
  });

  it.skipIf(isAbsent('golden'))(
    'computes what the whole golden folder says',
    async () => {
      const comparisons = await checkModels(shared('golden'), engine);
      expect(comparisons.length).toBeGreaterThanOrEqual(150);
      expect(comparisons.filter((comparison) => !passes(comparison))).toEqual([]);
    },
    240_000,
  );

  it.skipIf(isAbsent('golden'))('reads and writes text as the reference', async () => {
    const comparisons = await checkTokenizers(shared('golden'));
    expect(comparisons).toHaveLength(6);
    expect(comparisons.filter((comparison) => !passes(comparison))).toEqual([]);
  });
});

describe("the reference's model, operation by operation", () => {
  it('computes what the fixture says', async () => {
    const engine = await openEngine({ device: 'reference' });
    const comparisons = await checkModels(FIXTURE, engine, { models: ['modelA'], deltas: ['adapter'] });
    expect(comparisons.filter((comparison) => !passes(comparison))).toEqual([]);
    await engine.dispose();
  });
});
