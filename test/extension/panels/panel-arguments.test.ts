import { describe, expect, it } from 'vitest';
import { panelArguments } from '../../../src/extension/panels/panel-arguments.js';

describe('what a command that shows a panel is called with', () => {
  it('may be nothing at all', () => {
    for (const argument of [undefined, null, 'x', 7, {}]) {
      expect(panelArguments(argument)).toEqual({ directory: undefined, patch: {} });
    }
  });

  it("is a study's folder with what to arrange", () => {
    expect(panelArguments({ study: '/studies/a', method: 'loss', granularity: 'block' })).toEqual({
      directory: '/studies/a',
      patch: { method: 'loss', granularity: 'block' },
    });
  });

  it('is a row of the tree: of its study, and of a task as the target', () => {
    const study = { directory: '/studies/b', name: 'B' };
    expect(panelArguments({ kind: 'study', study, index: {} })).toEqual({
      directory: '/studies/b',
      patch: {},
    });
    const task = { kind: 'task', study, group: 'g', contents: { task: { name: 'boolq' }, runs: [] } };
    expect(panelArguments(task)).toEqual({ directory: '/studies/b', patch: { target: 'boolq' } });
  });

  it('is not trusted where it makes no sense', () => {
    expect(panelArguments({ study: { directory: 7 }, method: 'magic', version: 2, runs: 'all' })).toEqual({
      directory: undefined,
      patch: {},
    });
  });
});
