import { describe, expect, it } from 'vitest';
import type { Memento } from 'vscode';
import { MEMORY } from '../../../src/extension/identifiers.js';
import { Arrangements } from '../../../src/extension/panels/arrangements.js';
import { arrangementSchema, REQUESTS, type Arrangement } from '../../../src/extension/panels/messages.js';

/** As VS Code does it: what is kept is JSON. */
function newMemory(): Pick<Memento, 'get' | 'update'> {
  const texts = new Map<string, string>();
  return {
    // Nobody can say what is kept, so that it stands for whatever is asked for.
    get: (key: string) => {
      const text = texts.get(key);
      return (text === undefined ? undefined : JSON.parse(text)) as never;
    },
    update: (key, value) => {
      texts.set(key, JSON.stringify(value));
      return Promise.resolve();
    },
  };
}

function arranged(study: string, patch: Partial<Arrangement> = {}): Arrangement {
  return { ...arrangementSchema.parse({ version: 1, study }), ...patch };
}

describe('what panels were arranged like', () => {
  it('is kept by kind and study, the last of each', async () => {
    const memory = newMemory();
    const arrangements = new Arrangements(memory);
    await arrangements.keep('heatmap', arranged('/a', { method: 'loss' }));
    await arrangements.keep('heatmap', arranged('/b', { method: 'grand', granularity: 'block' }));
    await arrangements.keep('results', arranged('/a', { filter: 'who', hidden: ['group'] }));
    const last = arranged('/a', { method: 'el2n', order: 'value', temperature: 0.25, comparedVersion: null });
    await arrangements.keep('heatmap', last);
    const again = new Arrangements(memory);
    expect(again.of('heatmap', '/a')).toEqual(last);
    expect(again.of('heatmap', '/b')).toMatchObject({ method: 'grand', granularity: 'block' });
    expect(again.of('results', '/a')).toMatchObject({ filter: 'who', hidden: ['group'] });
    expect(again.of('weights', '/a')).toBeNull();
  });

  it('no longer compares what was compared before', async () => {
    const arrangements = new Arrangements(newMemory());
    await arrangements.keep('heatmap', arranged('/a', { comparedVersion: 'f'.repeat(40) }));
    await arrangements.keep('heatmap', arranged('/a'));
    expect(arrangements.of('heatmap', '/a')?.comparedVersion).toBeUndefined();
  });

  it('finds the last panel of a kind when its study is not known', async () => {
    const arrangements = new Arrangements(newMemory());
    await arrangements.keep('curves', arranged('/b'));
    await arrangements.keep('curves', arranged('/a'));
    await arrangements.keep('results', arranged('/b'));
    expect(arrangements.of('curves', null)?.study).toBe('/a');
  });

  it('forgets what another version wrote, and grows no further than some tens of panels', async () => {
    const memory = newMemory();
    await memory.update(MEMORY.panels, [{ kind: 'pie', arrangement: {} }]);
    const arrangements = new Arrangements(memory);
    expect(arrangements.of('heatmap', null)).toBeNull();
    for (let i = 0; i < 60; i++) await arrangements.keep('heatmap', arranged(`/${i}`));
    expect(memory.get<unknown[]>(MEMORY.panels)).toHaveLength(40);
    expect(arrangements.of('heatmap', '/59')).not.toBeNull();
  });
});

describe('what one panel asks another to show', () => {
  const { parameters } = REQUESTS.openPanel;

  it('is only what it names', () => {
    const patch = { target: 'boolq', shownVersion: null };
    expect(parameters.parse({ kind: 'results', patch }).patch).toEqual(patch);
  });

  it('is refused where it is no part of an arrangement', () => {
    expect(parameters.safeParse({ kind: 'results', patch: { split: 'train' } }).success).toBe(false);
    expect(parameters.parse({ kind: 'results', patch: { colours: 'many' } }).patch).toEqual({});
  });
});
