import { describe, expect, it } from 'vitest';
import { spearman } from '../../src/core/statistics.js';
import { tablesOf } from '../../webview/models/results.js';
import { compareMethods, correlationTable, methodsTable } from '../../webview/models/method-comparison.js';
import { heatmapModel } from '../../webview/models/heatmap.js';
import {
  isFailure,
  SLIDER_STEPS,
  sliderPosition,
  sliderTemperature,
  temperatureRange,
  weightsModel,
  weightsTable,
} from '../../webview/models/weights.js';
import { exampleStudy } from '../support/example-study.js';
import { sheetOf, viewOf } from '../support/sheet.js';

const study = exampleStudy({ tasks: 8, methods: ['loss', 'el2n', 'logits-label-cosine'] });
const options = { part: 0, temperature: 0.1, order: 'value', groups: study.groups } as const;

function weigh(temperature: number, target = 'compare_00') {
  const model = weightsModel(sheetOf(study), target, { ...options, temperature });
  if (isFailure(model)) throw new Error(model.message);
  return model;
}

describe('averaging weights of a target', () => {
  it('orders by score, so that bars keep their places while the temperature moves', () => {
    const names = [0.001, 0.1, 10].map((temperature) =>
      weigh(temperature)
        .rows.map(({ source }) => source)
        .join(),
    );
    expect(new Set(names).size).toBe(1);
    const { rows } = weigh(0.1);
    expect(rows.map(({ weight }) => weight)).toEqual(rows.map(({ weight }) => weight).sort((a, b) => b - a));
  });

  it('sums to one without the own source', () => {
    const { rows } = weigh(0.1);
    expect(rows).toHaveLength(7);
    expect(rows.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 12);
    expect(rows.some(({ source }) => source === 'compare_00')).toBe(false);
  });

  it('weighs only what the study merges, whatever else is on record', () => {
    const [target = '', first, second] = study.tasks;
    const configuration = { ...(study.configuration as object), sources: { tasks: [first, second] } };
    const sheet = sheetOf({ ...study, configuration });
    const model = weightsModel(sheet, target, options);
    if (isFailure(model)) throw new Error(model.message);
    expect(model.summary.sources).toEqual([first, second]);
    const { columns, weights } = heatmapModel(sheet, null, {
      part: 0,
      order: 'study',
      groups: study.groups,
      colour: 'weight',
      temperature: options.temperature,
    });
    const shown = columns.filter((_, j) => !Number.isNaN(weights[j] ?? Number.NaN));
    expect(shown).toEqual([first, second]);
  });

  it('warns of collapse to one source and to uniform, and of nothing between', () => {
    expect(weigh(0.001).summary.notice?.kind).toBe('collapsed');
    expect(weigh(1000).summary.notice?.kind).toBe('uniform');
    expect(weigh(0.2).summary.notice).toBeNull();
    expect(weigh(1000).summary.effectiveSources).toBeCloseTo(7, 3);
  });

  it('says what is missing instead of weighing the rest', () => {
    const first = study.matrices[0];
    if (first === undefined) throw new Error('no matrix');
    const holed = { ...study, matrices: [{ ...first, cells: first.cells.slice(0, 6) }] };
    expect(weightsModel(sheetOf(holed), 'compare_00', options)).toMatchObject({
      message: expect.stringMatching(/^2 of 7 scores of compare_00 are missing/) as string,
    });
    expect(weightsModel(sheetOf(study), 'elsewhere', options)).toMatchObject({
      message: 'There are no scores for elsewhere.',
    });
  });

  it('gives a table with every digit', () => {
    const model = weigh(0.1);
    expect(weightsTable(model, 'Loss', []).rows[0]).toEqual([
      model.rows[0]?.source,
      model.rows[0]?.value,
      model.rows[0]?.weight,
    ]);
  });
});

describe('temperature slider', () => {
  it("has the study's temperature in the middle and comes back to where it was", () => {
    const range = temperatureRange(0.35);
    expect(sliderPosition(0.35, range)).toBe(SLIDER_STEPS / 2);
    expect(sliderTemperature(SLIDER_STEPS / 2, range)).toBe(0.35);
    for (const position of [0, 1, 333, 999, SLIDER_STEPS]) {
      expect(sliderPosition(sliderTemperature(position, range), range)).toBe(position);
    }
    expect(sliderPosition(1e9, range)).toBe(SLIDER_STEPS);
  });
});

describe('methods side by side', () => {
  const sheets = [0, 1, 2].map((index) => sheetOf(study, index));
  const table = tablesOf(viewOf(study), 'test')[0] ?? null;

  it('correlates how methods rank the sources, lower and higher alike', () => {
    const { correlations } = compareMethods(sheets, 'count_04', table);
    expect(correlations[0]?.[0]).toBeCloseTo(1, 12);
    expect(correlations[0]?.[2]).toBe(correlations[2]?.[0]);
    const row = (index: number, sign: number) =>
      study.matrices[index]?.cells
        .filter(({ target, source }) => target === 'count_04' && source !== target)
        .map(({ values }) => sign * (values[0] ?? 0)) ?? [];
    expect(correlations[0]?.[2]).toBeCloseTo(spearman(row(0, -1), row(2, 1)), 12);
    // All are made from the same families.
    expect(correlations[0]?.[2]).toBeGreaterThan(0.5);
  });

  it('says whose merge tested best', () => {
    const compared = compareMethods(sheets, 'count_04', table);
    const means = compared.columns.map(({ result }) => result?.mean ?? 0);
    const best = means.indexOf(Math.max(...means));
    expect(compared.columns[best]?.won).toBe(true);
    expect(compared.winners).toEqual([compared.columns[best]?.title]);
    expect(compareMethods(sheets, 'count_04', null).winners).toEqual([]);
  });

  it('names all methods that share the first place', () => {
    if (table === null) throw new Error('no results');
    const row = table.tasks.findIndex(({ name }) => name === 'count_04');
    const level = (cells: (typeof table.cells)[number]) =>
      cells.map((cell) => cell && { ...cell, mean: 0.5 });
    const tied = { ...table, cells: table.cells.map((cells, i) => (i === row ? level(cells) : cells)) };
    expect(compareMethods(sheets, 'count_04', tied).winners).toHaveLength(3);
  });

  it('makes tables of weights and agreement that keep every digit', () => {
    const compared = compareMethods(sheets, 'count_04', table);
    const weights = methodsTable(compared, 'count_04', 'adapter, 16 shots');
    const [first] = compared.columns;
    if (first === undefined || isFailure(first.weights)) throw new Error('no weights');
    const weight = first.weights.rows.find(({ source }) => source === weights.rows[0]?.[0])?.weight;
    expect(weights.rows[0]?.[1]).toBe(weight);
    expect(weights.rows).toHaveLength(7 + 3);
    expect(
      weights.rows.at(-1)?.filter((cell) => typeof cell === 'string' && cell.includes('★')),
    ).toHaveLength(1);
    expect(correlationTable(compared, 'count_04').rows[0]?.[3]).toBe(compared.correlations[0]?.[2]);
  });
});
