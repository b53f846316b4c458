import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import type { OpenedBackbone } from '../../src/study/compute/index.js';
import { openBackbone, openModel } from '../../src/study/compute/index.js';
import { isAbsent, shared } from '../formats/shared-data.js';
import { checkScores, GOLDEN_DELTAS } from './score-checks.js';

describe.skipIf(isAbsent('golden'))("the reference's scores, through the study's own scoring", () => {
  let engine: Engine;
  let backbone: OpenedBackbone;
  beforeAll(async () => {
    engine = await openEngine({ device: 'cpu' });
    backbone = await openBackbone(shared('golden', 'modelA'), {
      tokenizerDirectory: shared('golden', 'tokenizer'),
    });
  });
  afterAll(() => engine.dispose());

  it.each(Object.entries(GOLDEN_DELTAS))('%s', async (name, delta) => {
    const model = await openModel(backbone, delta, engine);
    const comparisons = await checkScores(shared('golden'), name, model);
    await model.dispose();
    expect(comparisons.length).toBeGreaterThan(10);
    expect(comparisons.filter(({ difference, tolerance }) => !(difference <= tolerance))).toEqual([]);
  });
});
