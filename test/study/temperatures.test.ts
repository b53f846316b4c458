import { describe, expect, it } from 'vitest';
import { defaultTemperature } from '../../src/core/averaging-weights.js';
import { studySchema } from '../../src/study/configuration.js';
import { configuredTemperatures, temperatureOf } from '../../src/study/temperatures.js';

const configuration = studySchema.parse({
  version: 1,
  backbone: 'backbone',
  tasks: 'tasks',
  weights: {
    temperatures: { loss: 0.2, grand: 3 },
    temperaturesByDelta: { 'my lora': { grand: 7, euclidean: 2 } },
  },
});

describe('temperatures', () => {
  it("are the study's, where a delta has none of its own", () => {
    expect(configuredTemperatures(configuration, 'adapter')).toEqual({ loss: 0.2, grand: 3 });
    expect(configuredTemperatures(configuration, 'my lora')).toEqual({
      loss: 0.2,
      grand: 7,
      euclidean: 2,
    });
    // A name that every object has.
    expect(configuredTemperatures(configuration, 'constructor')).toEqual({ loss: 0.2, grand: 3 });
  });

  it("fall back to the method's own, in reference mode to the reference's", () => {
    const euclidean = { method: 'euclidean', compatibility: 'default' } as const;
    expect(temperatureOf({ ...euclidean, deltaName: 'my lora' }, configuration)).toBe(2);
    expect(temperatureOf({ ...euclidean, deltaName: 'adapter' }, configuration)).toBe(
      defaultTemperature('euclidean', 'default'),
    );
    const el2n = { method: 'el2n', deltaName: 'adapter' } as const;
    expect(temperatureOf({ ...el2n, compatibility: 'default' }, null)).toBe(0.35);
    expect(temperatureOf({ ...el2n, compatibility: 'reference' }, null)).toBe(0.1);
  });
});
