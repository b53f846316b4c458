import {
  collectResults,
  resultsThatCount,
  type ResultCell,
  type ResultsTable,
  type Standing,
} from '../../src/core/results.js';
import type { Arrangement, RunView, StudyView } from '../../src/extension/panels/messages.js';
import { PAGE_STRINGS } from '../strings.js';
import { initialisationTitle, startRank } from './runs.js';
import type { TableModel } from './table.js';

/** Tables of results, arranged as the person likes: figure, sort, filter, hidden columns, or the difference of two versions. Pure. */

export function tablesOf(study: StudyView, split: 'test' | 'dev'): ResultsTable[] {
  return collectResults(
    // Columns come in order of appearance: methods in the catalogue's.
    finishedTargets(study.runs).sort((a, b) => startRank(a.initialisation) - startRank(b.initialisation)),
    study.tasks,
    split,
  );
}

/** The runs that tables are made of, oldest first. */
function finishedTargets(runs: readonly RunView[]): (RunView & Standing)[] {
  return runs
    .flatMap((run) => (run.standing === null || run.status !== 'done' ? [] : [{ ...run, ...run.standing }]))
    .sort((a, b) => a.provenance.time.localeCompare(b.provenance.time));
}

export function tableKey({ deltaName, shots }: { deltaName: string; shots: number | 'full' }): string {
  return `${deltaName}, ${PAGE_STRINGS.runs.data(shots)}`;
}

export interface ResultsModel {
  readonly table: ResultsTable;
  /** As shown: filtered and sorted, the mean over tasks last. */
  readonly tasks: readonly string[];
  readonly initialisations: readonly string[];
  readonly model: TableModel;
  /** Columns left out of a difference because the other version has none of them. */
  readonly onlyNow: readonly string[];
  /** Runs behind each cell, [tasks][initialisations]. */
  readonly runs: readonly (readonly (readonly RunView[])[])[];
}

export type ResultsArrangement = Pick<Arrangement, 'figure' | 'sort' | 'filter' | 'hidden' | 'split'>;

/** @param before the same table in another version: cells then show the difference of the means */
export function resultsModel(
  table: ResultsTable,
  before: ResultsTable | null,
  runs: readonly RunView[],
  arrangement: ResultsArrangement,
  notes: readonly string[],
): ResultsModel {
  const { figure, sort, filter, hidden, split } = arrangement;
  const wanted = table.columns
    .map(({ initialisation }) => initialisation)
    .filter((name) => !hidden.includes(name));
  const inBoth = (name: string) =>
    before === null || before.columns.some(({ initialisation }) => initialisation === name);
  const initialisations = wanted.filter(inBoth);
  const needle = filter.trim().toLowerCase();
  const kept = table.tasks.filter(({ name }) => name.toLowerCase().includes(needle));
  const cell = (task: string, initialisation: string) => cellOf(table, task, initialisation);
  const value = (task: string, initialisation: string): number | null => {
    const now = cell(task, initialisation);
    if (now === null) return null;
    if (before !== null) {
      const then = cellOf(before, task, initialisation);
      return then === null ? null : now.mean - then.mean;
    }
    return figure === 'value'
      ? now.mean
      : figure === 'gain-random'
        ? now.gainOverRandom
        : now.gainOverAverage;
  };
  const tasks = sorted(
    kept.map(({ name }) => name),
    sort,
    value,
  );
  const plainFigure = before === null && figure === 'value';
  const shownCell = (found: ResultCell | null, shown: number | null) =>
    shown === null
      ? null
      : {
          mean: shown,
          deviation: plainFigure ? (found?.deviation ?? null) : null,
          best: before === null && (found?.best ?? false),
        };
  const summary = initialisations.map((initialisation) => {
    const column = table.columns.find((candidate) => candidate.initialisation === initialisation);
    const values = tasks.flatMap((task) => value(task, initialisation) ?? []);
    if (column === undefined || values.length === 0) return null;
    const whole = plainFigure && needle === '';
    return {
      mean: whole ? column.mean : values.reduce((sum, entry) => sum + entry, 0) / values.length,
      deviation: whole ? column.deviation : null,
      best: before === null && column.best,
    };
  });
  const finished = finishedTargets(runs).filter(
    (run) => run.deltaName === table.deltaName && run.shots === table.shots && run[split] !== null,
  );
  const metric = new Map(table.tasks.map(({ name, metric: named }) => [name, named]));
  return {
    table,
    tasks,
    initialisations,
    onlyNow: wanted.filter((name) => !inBoth(name)),
    model: {
      caption: caption(table, before !== null, figure, split),
      columns: [
        { title: PAGE_STRINGS.results.task, numeric: false },
        { title: PAGE_STRINGS.results.metric, numeric: false },
        ...initialisations.map((name) => ({ title: initialisationTitle(name), numeric: true })),
      ],
      rows: [
        ...tasks.map((task) => [
          task,
          metric.get(task) ?? '',
          ...initialisations.map((name) => shownCell(cell(task, name), value(task, name))),
        ]),
        [PAGE_STRINGS.results.meanRow(tasks.length), '', ...summary],
      ],
      digits: 1,
      scale: 100,
      signed: !plainFigure,
      notes,
    },
    runs: tasks.map((task) =>
      initialisations.map((initialisation) =>
        resultsThatCount(
          finished.filter((run) => run.task === task && run.initialisation === initialisation),
        ),
      ),
    ),
  };
}

function caption(
  table: ResultsTable,
  difference: boolean,
  figure: Arrangement['figure'],
  split: 'test' | 'dev',
): string {
  const seeds = Math.max(...table.cells.flatMap((row) => row.map((cell) => cell?.seeds.length ?? 0)));
  const { differenceOfMeans, overSeeds, oneSeed, figures } = PAGE_STRINGS.results;
  const what = difference
    ? differenceOfMeans
    : figure === 'value'
      ? seeds > 1
        ? overSeeds
        : oneSeed
      : figures[figure];
  return PAGE_STRINGS.results.caption(what, split, tableKey(table));
}

function cellOf(table: ResultsTable, task: string, initialisation: string): ResultCell | null {
  const row = table.tasks.findIndex(({ name }) => name === task);
  const column = table.columns.findIndex((candidate) => candidate.initialisation === initialisation);
  return table.cells[row]?.[column] ?? null;
}

function sorted(
  tasks: string[],
  sort: Arrangement['sort'],
  value: (task: string, initialisation: string) => number | null,
): string[] {
  if (sort === null) return tasks;
  const sign = sort.descending ? -1 : 1;
  if (sort.column === 'task') return tasks.sort((a, b) => sign * a.localeCompare(b));
  return tasks.sort((a, b) => {
    const [x, y] = [value(a, sort.column), value(b, sort.column)];
    // What is unknown stays last in both directions.
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return sign * (x - y);
  });
}
