import { describe, expect, it } from 'vitest';
import { averagingWeights } from '../../src/core/averaging-weights.js';
import {
  describeCell,
  heatmapModel,
  heatmapTable,
  profile,
  shortPart,
} from '../../webview/models/heatmap.js';
import {
  cellColours,
  heatmapLayout,
  legendColours,
  legendTexts,
  numberText,
} from '../../webview/pictures/heatmap-layout.js';
import { cellText } from '../../webview/models/table.js';
import { heatmapSvg } from '../../webview/pictures/heatmap-svg.js';
import { multiplesSvg } from '../../webview/pictures/multiples-svg.js';
import { exampleStudy } from '../support/example-study.js';
import { sheetOf } from '../support/sheet.js';

const study = exampleStudy({ tasks: 8, methods: ['loss', 'el2n'], blocks: 2 });
const options = { part: 0, order: 'group', colour: 'value', temperature: 0.1, groups: study.groups } as const;
const LIGHT = {
  ground: 'light',
  background: '#ffffff',
  foreground: '#111111',
  muted: '#555555',
  line: '#cccccc',
  focus: '#0000ff',
  accent: '#0000ff',
  series: ['#0000ff'],
  font: 'sans-serif',
} as const;

describe('heatmap model', () => {
  it("weighs every row as the core does, the target's own source left out", () => {
    const sheet = sheetOf(study);
    const model = heatmapModel(sheet, null, options);
    const target = 'compare_02';
    const row = model.rows.indexOf(target);
    const scored = study.matrices[0]?.cells
      .filter((cell) => cell.target === target)
      .map(({ source, values }) => ({ task: source, value: values[0] ?? null }));
    const expected = averagingWeights(target, scored ?? [], { direction: 'lower', temperature: 0.1 });
    const shown = expected.sources.map(
      (source) => model.weights[row * model.columns.length + model.columns.indexOf(source)],
    );
    expect(shown).toEqual([...expected.weights]);
    expect(model.weights[row * model.columns.length + model.columns.indexOf(target)]).toBeNaN();
    expect(model.ranks[row * model.columns.length + model.columns.indexOf(target)]).toBeNaN();
  });

  it('ranks the lowest loss first and the highest cosine first', () => {
    for (const method of ['loss', 'logits-label-cosine'] as const) {
      const sheet = sheetOf(exampleStudy({ tasks: 8, methods: [method] }));
      const model = heatmapModel(sheet, null, { ...options, colour: 'rank' });
      const [first, last] = [1, 7].map(
        (rank) => model.values[model.ranks.findIndex((value, place) => value === rank && place < 8)],
      );
      if (method === 'loss') expect(first).toBeLessThan(last ?? 0);
      else expect(first).toBeGreaterThan(last ?? 1);
    }
  });

  it('draws boundaries between groups in their order only', () => {
    const sheet = sheetOf(study);
    expect(heatmapModel(sheet, null, options).rowBoundaries).toEqual([4]);
    expect(heatmapModel(sheet, null, { ...options, order: 'value' }).rowBoundaries).toEqual([]);
  });

  it('clusters relatives together and keeps the diagonal', () => {
    const model = heatmapModel(sheetOf(study), null, { ...options, order: 'clustering' });
    expect(model.rows).toEqual(model.columns);
    const families = model.rows.map((name) => name.split('_')[0]);
    expect(families.slice(0, 4)).toEqual(Array(4).fill(families[0]));
  });

  it('shows the difference of two versions on a scale around zero', () => {
    const other = sheetOf(exampleStudy({ tasks: 8, methods: ['loss'], seed: 5 }));
    const model = heatmapModel(sheetOf(study), other, { ...options, comparedWith: '1a2b3c4' });
    expect(model.scale.kind).toBe('diverging');
    expect(model.scale.low).toBe(-model.scale.high);
    expect(model.shown[1]).toBeCloseTo((model.values[1] ?? 0) - (model.compared?.[1] ?? 0), 12);
    expect(describeCell(model, 0, 1)).toMatch(/1a2b3c4 \d\.\d{4} · difference [+-]\d\.\d{4}/);
    expect(heatmapModel(sheetOf(study), sheetOf(study), options).shown.every((value) => value === 0)).toBe(
      true,
    );
  });

  it('leaves the diagonal out of the colours and says what is missing', () => {
    const first = study.matrices[0];
    if (first === undefined) throw new Error('no matrix');
    const holed = {
      ...study,
      matrices: [{ ...first, cells: first.cells.filter(({ source }) => source !== 'count_05') }],
    };
    const model = heatmapModel(sheetOf(holed), null, options);
    expect(model.missing).toBe(8);
    const column = model.columns.indexOf('count_05');
    expect(describeCell(model, 0, column)).toBe('compare_00 ← count_05: – · not computed');
    expect(describeCell(model, 0, 0)).toMatch(/own source, left out/);
    // A row with a hole can't be weighed: other sources would get the hole's share.
    expect(model.weights[1]).toBeNaN();
    const colours = cellColours(model.shown, model.rows, model.columns, model.scale, 'dark');
    expect(colours[0]).toBeNull();
    expect(colours[column]).toBeNull();
    expect(colours[1]).not.toBeNull();
  });

  it('is the same as a table, every number kept and own sources set aside', () => {
    const model = heatmapModel(sheetOf(study), null, options);
    const table = heatmapTable(model, []);
    expect(table.rows).toHaveLength(8);
    expect(table.rows[2]?.[5]).toBe(model.values[2 * 8 + 4]);
    expect([table.aside?.(2, 3), table.aside?.(2, 4)]).toEqual([true, false]);
  });

  it('writes ranks and weights as such, in the table and in the legend', () => {
    const ranks = heatmapModel(sheetOf(study), null, { ...options, colour: 'rank' });
    expect(cellText(heatmapTable(ranks, []), 0, 2)).toMatch(/^[1-7]$/);
    expect(legendTexts(ranks.scale)).toEqual(['1 more similar', '7 less similar']);
    const weights = heatmapModel(sheetOf(study), null, { ...options, colour: 'weight' });
    expect(cellText(heatmapTable(weights, []), 0, 2)).toBe((100 * (weights.weights[1] ?? 0)).toFixed(2));
    expect(legendTexts(weights.scale)[0]).toBe('0.0 % of the merge');
  });

  it('says which way a difference means more similar', () => {
    const other = sheetOf(exampleStudy({ tasks: 8, methods: ['loss'], seed: 5 }));
    const model = heatmapModel(sheetOf(study), other, { ...options, colour: 'weight' });
    const [low, high] = legendTexts(model.scale);
    expect(low).toMatch(/^-\d\.\d\d lower: more similar$/);
    expect(high).toMatch(/^\+\d\.\d\d higher: less similar$/);
  });

  it('follows one pair through all blocks', () => {
    const block = study.matrices.findIndex(({ granularity }) => granularity === 'block');
    const line = profile(sheetOf(study, block), 'compare_00', 'count_05');
    const cell = study.matrices[block]?.cells.find(
      ({ target, source }) => target === 'compare_00' && source === 'count_05',
    );
    expect(line).toEqual(cell?.values);
    expect(shortPart('decoder.block.3.layer.2')).toBe('dec 3.2');
  });
});

describe('heatmap layout', () => {
  const measure = (text: string) => text.length * 6;
  const large = heatmapModel(sheetOf(exampleStudy({ tasks: 128, methods: ['loss'] })), null, options);

  it('writes numbers only where they fit', () => {
    const model = heatmapModel(sheetOf(study), null, options);
    expect(heatmapLayout(model, 900, measure).numbers).toBe(true);
    expect(heatmapLayout(model, 300, measure).numbers).toBe(false);
    expect(heatmapLayout(large, 900, measure)).toMatchObject({ numbers: false, cellWidth: 6, cellHeight: 6 });
  });

  it('never makes a cell smaller than three pixels: it scrolls instead', () => {
    const layout = heatmapLayout(large, 200, measure);
    expect(layout.cellWidth).toBe(3);
    expect(layout.width).toBeGreaterThan(200);
  });

  it('fits cell texts into five characters', () => {
    for (const value of [0.1234, 12.34, 123.4, 1234, 123456, 0.00012, -1.5]) {
      expect(numberText(value, 'value').length).toBeLessThanOrEqual(5);
    }
    expect(numberText(0.5, 'difference')).toBe('+0.50');
    expect(numberText(0.5, 'weight')).toBe('50.0');
    expect(numberText(Number.NaN, 'value')).toBe('');
  });

  it("puts the strong colour at the method's similar end", () => {
    const lower = legendColours(heatmapModel(sheetOf(study), null, options).scale, 'dark', 3);
    const cosine = sheetOf(exampleStudy({ tasks: 8, methods: ['logits-label-cosine'] }));
    const higher = legendColours(heatmapModel(cosine, null, options).scale, 'dark', 3);
    expect(lower).toEqual([...higher].reverse());
  });

  it('draws an SVG that stands alone: title, every cell, legend, provenance', () => {
    const model = heatmapModel(sheetOf(study), null, options);
    const svg = heatmapSvg({ heatmap: model, chosen: null, notes: ['made at <1a2b3c4> & kept'] }, LIGHT);
    expect(svg).toContain('Loss (adapter)');
    expect(svg).toContain('made at &lt;1a2b3c4&gt; &amp; kept');
    expect(svg.match(/shape-rendering/g)).toHaveLength(56);
    expect(svg).not.toContain('NaN');
  });

  it('leaves room in an SVG for names and a title of any length', () => {
    const name = 'blimp-determiner_noun_agreement_with_adj_irregular_1';
    const model = heatmapModel(sheetOf(study), null, options);
    const [, ...others] = model.rows;
    const heatmap = { ...model, title: name.repeat(9), rows: [name, ...others], columns: [name, ...others] };
    const svg = heatmapSvg({ heatmap, chosen: null, notes: [] }, LIGHT);
    const width = Number(/ width="([\d.]+)"/.exec(svg)?.[1]);
    expect(width).toBeGreaterThan(heatmap.title.length * 8);
    const end = Number(new RegExp(`x="([\\d.]+)"[^>]*text-anchor="end">${name}`).exec(svg)?.[1]);
    expect(end).toBeGreaterThan(name.length * 6);
    const standing = Number(new RegExp(`translate\\([\\d.]+ ([\\d.]+)\\)[^>]*>${name}`).exec(svg)?.[1]);
    expect(standing).toBeGreaterThan(name.length * 6);
  });

  it('draws every part in small', () => {
    const block = sheetOf(
      study,
      study.matrices.findIndex(({ granularity }) => granularity === 'block'),
    );
    const shown = { sheet: block, part: 0, rows: study.tasks, columns: study.tasks };
    const svg = multiplesSvg(shown, ['a note'], LIGHT);
    expect(svg).toContain('GraNd (adapter), every part on its own scale');
    expect(svg).toContain('dec 1');
    // The ground, and all cells but the diagonal of four parts.
    expect(svg.match(/<rect /g)).toHaveLength(1 + 4 * 56);
    expect(svg).not.toContain('NaN');
  });
});
