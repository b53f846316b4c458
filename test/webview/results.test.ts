import { describe, expect, it } from 'vitest';
import { collectCurve } from '../../src/extension/panels/collect.js';
import type { RunView } from '../../src/extension/panels/messages.js';
import { curvesModel, curvesTable } from '../../webview/models/curves.js';
import { resultsModel, tablesOf, type ResultsArrangement } from '../../webview/models/results.js';
import { describeRun, describeRuns, initialisationTitle, inStudyOrder } from '../../webview/models/runs.js';
import { writeTable, type TableModel } from '../../webview/models/table.js';
import { exampleStudy } from '../support/example-study.js';
import { viewOf } from '../support/sheet.js';

const study = exampleStudy({ tasks: 6, methods: ['loss', 'el2n'] });
const view = viewOf(study);
const arrangement: ResultsArrangement = {
  figure: 'value',
  sort: null,
  filter: '',
  hidden: [],
  split: 'test',
};
const [table] = tablesOf(view, 'test');
if (table === undefined) throw new Error('no results');

function model(patch: Partial<ResultsArrangement> = {}, before: typeof table | null = null) {
  if (table === undefined) throw new Error('no results');
  return resultsModel(table, before, view.runs, { ...arrangement, ...patch }, []);
}

describe('results', () => {
  it("has the study's tasks in rows and initialisations in columns, baselines first", () => {
    const shown = model();
    expect(shown.tasks).toEqual(study.tasks);
    expect(shown.initialisations).toEqual(['random', 'average', 'group', 'loss', 'el2n']);
    expect(shown.model.columns.map(({ title }) => title)).toEqual([
      'Task',
      'Metric',
      'Random',
      'Average',
      'Group',
      'Loss',
      'EL2N',
    ]);
    expect(shown.runs[0]?.[0]?.map(({ seed }) => seed)).toEqual([42, 43, 44]);
  });

  it('names initialisations for people', () => {
    expect(initialisationTitle('grand/encoder.block.1')).toBe('GraNd, encoder.block.1');
    expect(initialisationTitle('best-source')).toBe('Best source');
    expect(initialisationTitle('from film-reviews')).toBe('From film-reviews');
  });

  it('sorts both ways with what is unknown last, filters and hides', () => {
    const up = model({ sort: { column: 'loss', descending: false } });
    const down = model({ sort: { column: 'loss', descending: true } });
    expect(up.tasks).toEqual([...down.tasks].reverse());
    const values = down.model.rows.slice(0, -1).map((row) => (row[5] as { mean: number }).mean);
    expect(values).toEqual([...values].sort((a, b) => b - a));
    expect(model({ filter: 'COUNT' }).tasks).toEqual(['count_04', 'count_05']);
    expect(model({ hidden: ['loss'] }).initialisations).not.toContain('loss');
  });

  it('shows gains over a baseline', () => {
    const shown = model({ figure: 'gain-random' });
    const cell = shown.model.rows[0]?.[5];
    expect(cell).toMatchObject({ mean: table.cells[0]?.[3]?.gainOverRandom, deviation: null });
    expect(shown.model.rows[0]?.[2]).toMatchObject({ mean: 0 });
    expect(writeTable(shown.model, 'markdown')).toMatch(/\| \*{0,2}\+\d/);
  });

  it('names behind a cell only the runs that are in it', () => {
    const [first] = view.runs.filter(({ role }) => role === 'target');
    if (first === undefined) throw new Error('no target');
    const other: RunView = {
      ...first,
      id: 'other',
      seed: 7,
      standing: { settings: 1000, asked: 0, stale: false },
      provenance: { ...first.provenance, time: '2020-01-01T00:00:00.000Z' },
    };
    const [both] = tablesOf({ ...view, runs: [...view.runs, other] }, 'test');
    if (both === undefined) throw new Error('no results');
    expect(both).toEqual(table);
    const { runs } = resultsModel(both, null, [...view.runs, other], arrangement, []);
    expect(runs).toEqual(model().runs);
  });

  it('shows the difference of two versions', () => {
    const [other] = tablesOf(viewOf(exampleStudy({ tasks: 6, methods: ['loss', 'el2n'], seed: 9 })), 'test');
    const shown = model({}, other ?? null);
    const expected = (table.cells[1]?.[3]?.mean ?? 0) - (other?.cells[1]?.[3]?.mean ?? 0);
    expect((shown.model.rows[1]?.[5] as { mean: number }).mean).toBeCloseTo(expected, 12);
    expect(shown.model.caption).toMatch(/^Difference/);
    expect(shown.model.rows[1]?.some((cell) => typeof cell === 'object' && cell?.best)).toBe(false);
  });

  it('leaves out of a difference the columns that only one version has', () => {
    const [other] = tablesOf(viewOf(exampleStudy({ tasks: 6, methods: ['loss'], seed: 9 })), 'test');
    const shown = model({}, other ?? null);
    expect(shown.onlyNow).toEqual(['el2n']);
    expect(shown.initialisations).toEqual(['random', 'average', 'group', 'loss']);
    expect(model().onlyNow).toEqual([]);
  });
});

describe('tables as text', () => {
  const small: TableModel = {
    caption: 'Scores of a_b & more',
    columns: [
      { title: 'Task', numeric: false },
      { title: 'Loss, 50%', numeric: true },
    ],
    rows: [
      ['a_b|c', { mean: 0.7123456789, deviation: 0.01, best: true }],
      ['say "hi", then', { mean: 0.5, deviation: 0.02, best: false }],
      ['none', null],
    ],
    digits: 1,
    scale: 100,
  };

  it('writes CSV with all digits, a column for deviations and quotes', () => {
    expect(writeTable(small, 'csv')).toBe(
      'Task,"Loss, 50%","Loss, 50% (sd)"\r\na_b|c,0.7123456789,0.01\r\n"say ""hi"", then",0.5,0.02\r\nnone,,\r\n',
    );
  });

  it('writes JSON that reads back', () => {
    const read = JSON.parse(writeTable(small, 'json')) as { rows: Record<string, unknown>[] };
    expect(read.rows[0]).toEqual({ Task: 'a_b|c', 'Loss, 50%': 0.7123456789, 'Loss, 50% (sd)': 0.01 });
  });

  it('writes Markdown with the best in bold', () => {
    expect(writeTable(small, 'markdown').split('\n').slice(0, 4)).toEqual([
      '| Task | Loss, 50% |',
      '| --- | ---: |',
      String.raw`| a_b\|c | **71.2 ± 1.0** |`,
      '| say "hi", then | 50.0 ± 2.0 |',
    ]);
  });

  it('writes LaTeX with everything special escaped', () => {
    const latex = writeTable(small, 'latex');
    expect(latex).toContain(String.raw`a\_b|c & \textbf{71.2 $\pm$ 1.0} \\`);
    expect(latex).toContain(String.raw`\caption{Scores of a\_b \& more}`);
    expect(latex).toContain(String.raw`Task & Loss, 50\% \\`);
    expect(latex).toContain(String.raw`none & -- \\`);
    expect(writeTable({ ...small, caption: '50.0 ★' }, 'latex')).toContain(String.raw`50.0 $\star$`);
  });
});

describe('learning curves', () => {
  it('lays runs over shared steps, with gaps where one has no point', () => {
    const [first, second] = study.runs;
    if (first === undefined || second === undefined) throw new Error('no runs');
    const shorter = { ...second, curve: { train: second.curve.train.slice(0, 2), dev: [] } };
    const curves = curvesModel([collectCurve(first), collectCurve(shorter)], view.runs, 'train');
    expect(curves.steps).toEqual([10, 20, 30, 40, 50, 60]);
    expect(curves.series[1]?.values.slice(2)).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    expect(curvesTable(curves, []).rows[3]?.slice(0, 3)).toEqual(['40', first.curve.train[3]?.loss, null]);
    expect(curvesModel([collectCurve(first)], view.runs, 'dev').steps).toEqual([20, 40, 60]);
  });

  it('tells runs apart by what differs and says once what they have in common', () => {
    const seeds = view.runs.filter(
      ({ task, role, initialisation }) =>
        task === 'compare_00' && role === 'target' && initialisation === 'loss',
    );
    expect(describeRuns(seeds)).toEqual({
      common: 'compare_00 from Loss, adapter, 16 shots',
      labels: ['seed 42', 'seed 43', 'seed 44'],
    });
    const [source, first] = view.runs;
    if (source === undefined || first === undefined) throw new Error('no runs');
    expect(describeRun(source)).toBe('compare_00 source, adapter, full data, seed 42');
    expect(describeRuns([source]).labels).toEqual([describeRun(source)]);
    expect(describeRun({ ...source, role: 'step-k', initialisation: 'from count_04' })).toBe(
      'compare_00, a few steps from count_04, adapter, full data, seed 42',
    );
    expect(describeRuns([first, first]).labels).toEqual([first.id, first.id]);
    // Alike in all that is said but told apart from a third.
    const again = { ...first, id: 'another' };
    const third = { ...first, seed: 77 };
    expect(describeRuns([first, again, third]).labels).toEqual([
      `seed ${first.seed}, ${first.id}`,
      `seed ${first.seed}, another`,
      'seed 77',
    ]);
  });

  it('lists runs by task, start and seed, targets before sources', () => {
    const listed = [...view.runs].reverse().sort(inStudyOrder(study.tasks));
    expect(listed.slice(0, 4).map(describeRun)).toEqual([
      'compare_00 from Random, adapter, 16 shots, seed 42',
      'compare_00 from Random, adapter, 16 shots, seed 43',
      'compare_00 from Random, adapter, 16 shots, seed 44',
      'compare_00 from Average, adapter, 16 shots, seed 42',
    ]);
    expect(listed.slice(-study.tasks.length).map(({ task, role }) => [task, role])).toEqual(
      study.tasks.map((task) => [task, 'source']),
    );
    const [ten, two] = [100, 21].map((seed) => ({ ...view.runs[0], seed })) as [RunView, RunView];
    expect([ten, two].sort(inStudyOrder(study.tasks))).toEqual([two, ten]);
  });

  it('keeps the own label of a curve that is not on record yet', () => {
    const running = { id: 'a/r', label: 'r on a (running)', running: true, train: [], dev: [], metric: '' };
    expect(curvesModel([running], view.runs, 'train').series[0]?.label).toBe('r on a (running)');
  });
});
