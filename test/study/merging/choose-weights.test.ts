import { describe, expect, it } from 'vitest';
import { SCORE_METHOD_INFO } from '../../../src/core/methods.js';
import { mergeAsRecorded } from '../../../src/study/merge-choices.js';
import type { ScoreMatrix } from '../../../src/study/records.js';
import type { MergeBy, WeightRequest } from '../../../src/study/merging/index.js';
import { chooseWeights } from '../../../src/study/merging/index.js';

const SOURCES = ['a', 'b', 'c'];

function matrix(parts: string[], values: Record<string, number[]>): ScoreMatrix {
  return {
    format: 'deltaloom/scores',
    version: 1,
    method: 'hidden-cosine',
    methodVersion: 1,
    granularity: 'block',
    direction: 'higher',
    compatibility: 'default',
    deltaName: 'adapter',
    delta: { type: 'prefix', length: 2, hiddenSize: 2 },
    targets: SOURCES,
    sources: SOURCES,
    parts,
    probe: { split: 'dev', shots: 16, examples: null },
    cells: Object.entries(values).map(([source, numbers]) => ({
      target: 'a',
      source,
      key: '0'.repeat(64),
      values: numbers,
      provenance: 0,
    })),
    provenances: [],
  };
}

function request(by: MergeBy, change: Partial<WeightRequest> = {}): WeightRequest {
  return {
    target: 'a',
    deltaName: 'adapter',
    by,
    compatibility: 'default',
    sources: SOURCES,
    groups: {},
    temperatures: {},
    matrix: null,
    ...change,
  };
}

const blocks = matrix(['encoder.block.0', 'decoder.block.0'], { a: [1, 1], b: [0.9, 0.1], c: [0.5, 0.2] });
const byBlock: MergeBy = { kind: 'score', method: 'hidden-cosine', granularity: 'block' };

describe('chooseWeights', () => {
  it('averages', () => {
    const chosen = chooseWeights(request({ kind: 'average' }));
    expect(chosen).toMatchObject({
      label: 'average',
      sources: ['b', 'c'],
      parts: ['model'],
      temperature: null,
    });
    expect(chosen.weights[0]?.weights).toEqual([0.5, 0.5]);
  });

  it('weighs every block by its own scores', () => {
    const chosen = chooseWeights(request({ ...byBlock, temperature: 0 }, { matrix: blocks }));
    expect(chosen.label).toBe('hidden-cosine/per-block');
    expect(chosen.parts).toEqual(blocks.parts);
    expect(chosen.weights.map(({ weights }) => weights)).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  it("makes a whole merge of one part's scores", () => {
    const part = 'decoder.block.0';
    const chosen = chooseWeights(request({ ...byBlock, part, temperature: 0 }, { matrix: blocks }));
    expect(chosen).toMatchObject({ label: `hidden-cosine/${part}`, parts: ['model'] });
    expect(chosen.weights[0]?.weights).toEqual([0, 1]);
    expect(() => chooseWeights(request({ ...byBlock, part: 'x' }, { matrix: blocks }))).toThrow(
      /no part 'x'/,
    );
  });

  it("takes the temperature given, then the study's, then the method's", () => {
    const temperature = (by: MergeBy, temperatures = {}) =>
      chooseWeights(request(by, { matrix: blocks, temperatures })).temperature;
    expect(temperature(byBlock)).toBe(SCORE_METHOD_INFO['hidden-cosine'].defaultTemperature);
    expect(temperature(byBlock, { 'hidden-cosine': 2 })).toBe(2);
    expect(temperature({ ...byBlock, temperature: 3 }, { 'hidden-cosine': 2 })).toBe(3);
  });

  it('takes the best source, by the mean over parts where there are several', () => {
    const chosen = chooseWeights(
      request({ kind: 'best-source', method: 'hidden-cosine' }, { matrix: blocks }),
    );
    expect(chosen).toMatchObject({ label: 'best-source', sources: ['b'], score: 'hidden-cosine' });
  });

  it('takes explicit weights in the order of the study', () => {
    const chosen = chooseWeights(request({ kind: 'explicit', weights: { c: 0.75, b: 0.25 } }));
    expect(chosen.sources).toEqual(['b', 'c']);
    expect(chosen.weights[0]?.weights).toEqual([0.25, 0.75]);
    expect(() => chooseWeights(request({ kind: 'explicit', weights: { x: 1 } }))).toThrow(/'x'/);
  });

  it('says what is missing', () => {
    const partial = { ...blocks, cells: blocks.cells.filter(({ source }) => source !== 'c') };
    expect(() => chooseWeights(request(byBlock, { matrix: partial }))).toThrow(
      expect.objectContaining({
        message: "There is no score by hidden-cosine of source 'c' for target 'a'.",
        remedy: 'Run: deltaloom score --method hidden-cosine --granularity block --target a --delta adapter.',
      }),
    );
    expect(() => chooseWeights(request({ kind: 'average' }, { sources: ['a'] }))).toThrow(/but its own/);
    expect(() => chooseWeights(request({ kind: 'group' }))).toThrow(/in no group/);
    expect(() => chooseWeights(request({ kind: 'group' }, { groups: { g: ['a'] } }))).toThrow(
      /no other task/,
    );
  });

  it('makes a choice that its record gives back', () => {
    const part = 'decoder.block.0';
    const choices: MergeBy[] = [
      { kind: 'average' },
      { kind: 'group' },
      { kind: 'best-source', method: 'hidden-cosine' },
      { kind: 'explicit', weights: { b: 0.25, c: 0.75 } },
      { ...byBlock, temperature: 3 },
      { ...byBlock, part, temperature: 0.5 },
      { kind: 'score', method: 'loss', granularity: 'model', temperature: 0.2 },
    ];
    for (const by of choices) {
      const { weights, sources, ...chosen } = chooseWeights(
        request(by, { matrix: blocks, groups: { all: ['a', 'b'] } }),
      );
      const record = {
        ...chosen,
        sources: sources.map((task) => ({ task, id: task, sha256: '0'.repeat(64) })),
        weights: weights.map((one) => [...one.weights]),
      };
      expect(mergeAsRecorded(record)).toEqual(by);
    }
  });
});
