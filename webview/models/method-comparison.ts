import { SCORE_METHOD_INFO, type ScoreMethod } from '../../src/core/methods.js';
import type { ResultCell, ResultsTable } from '../../src/core/results.js';
import { spearman } from '../../src/core/statistics.js';
import { PAGE_STRINGS } from '../strings.js';
import type { ScoreSheet } from './heatmap.js';
import { formatNumber, type TableModel } from './table.js';
import { isFailure, scoredRow, weightsModel, type WeightsFailure, type WeightsModel } from './weights.js';

/** Methods side by side for one target. Pure. */

export interface MethodColumn {
  readonly method: ScoreMethod;
  readonly title: string;
  readonly temperature: number;
  readonly weights: WeightsModel | WeightsFailure;
  /** The few-shot result of the target from this method's merge; null: not tuned yet. */
  readonly result: ResultCell | null;
  readonly won: boolean;
}

export interface MethodComparison {
  readonly sources: readonly string[];
  readonly columns: readonly MethodColumn[];
  /** Spearman's correlation of how methods rank the sources, [methods][methods]; null where a side has no full row. */
  readonly correlations: readonly (readonly (number | null)[])[];
  /** Titles of the methods whose merge tested best; empty unless two were tested. */
  readonly winners: readonly string[];
}

/** Whole-model matrices of one delta side by side, each at its study's temperature. */
export function compareMethods(
  sheets: readonly ScoreSheet[],
  target: string,
  results: ResultsTable | null,
): MethodComparison {
  const options = { part: 0, order: 'study', groups: {} } as const;
  const taskRow = results?.tasks.findIndex(({ name }) => name === target) ?? -1;
  const found = sheets.map((sheet) => {
    const { method, temperature } = sheet.summary;
    const column = results?.columns.findIndex(({ initialisation }) => initialisation === method) ?? -1;
    return {
      method,
      title: SCORE_METHOD_INFO[method].title,
      temperature,
      weights: weightsModel(sheet, target, { ...options, temperature }),
      result: results?.cells[taskRow]?.[column] ?? null,
    };
  });
  const best = Math.max(...found.map(({ result }) => result?.mean ?? Number.NEGATIVE_INFINITY));
  const tested = found.filter(({ result }) => result !== null).length;
  const columns = found.map((column) => ({ ...column, won: tested > 1 && column.result?.mean === best }));
  const similarity = sheets.map((sheet) => {
    const sign = sheet.summary.direction === 'lower' ? -1 : 1;
    const row = scoredRow(sheet, target, 0) ?? [];
    return new Map(
      row.flatMap(({ task, value }) => (value === null || task === target ? [] : [[task, sign * value]])),
    );
  });
  return {
    sources: [
      ...new Set(columns.flatMap(({ weights }) => (isFailure(weights) ? [] : weights.summary.sources))),
    ],
    columns,
    correlations: similarity.map((left) => similarity.map((right) => correlation(left, right))),
    winners: columns.filter(({ won }) => won).map(({ title }) => title),
  };
}

function correlation(left: ReadonlyMap<string, number>, right: ReadonlyMap<string, number>): number | null {
  const shared = [...left.keys()].filter((task) => right.has(task));
  if (shared.length < 3) return null;
  const value = spearman(
    shared.map((task) => left.get(task) ?? 0),
    shared.map((task) => right.get(task) ?? 0),
  );
  return Number.isNaN(value) ? null : value;
}

/** Weights below this are as good as none, and stand back. */
const FAINT = 0.0005;

/** @param results name of the table of results that the last row is taken from; null: there is none */
export function methodsTable(
  { columns, sources }: MethodComparison,
  target: string,
  results: string | null,
): TableModel {
  const weights = sources.map((source) =>
    columns.map(({ weights: own }) =>
      isFailure(own) ? null : (own.rows.find((row) => row.source === source)?.weight ?? null),
    ),
  );
  const tested = ({ result, won }: MethodColumn) =>
    result === null
      ? '–'
      : [
          formatNumber(result.mean, { digits: 1, scale: 100 }),
          result.deviation === null ? '' : ` ± ${formatNumber(result.deviation, { digits: 1, scale: 100 })}`,
          won ? ' ★' : '',
        ].join('');
  return {
    caption: PAGE_STRINGS.methods.weights(target),
    columns: [
      { title: PAGE_STRINGS.common.source, numeric: false },
      ...columns.map(({ title }) => ({ title, numeric: true })),
    ],
    rows: [
      ...sources.map((source, i) => [source, ...(weights[i] ?? [])]),
      [PAGE_STRINGS.common.temperature, ...columns.map(({ temperature }) => String(temperature))],
      [
        PAGE_STRINGS.common.effectiveSources,
        ...columns.map(({ weights: own }) =>
          isFailure(own) ? '–' : formatNumber(own.summary.effectiveSources, { digits: 2 }),
        ),
      ],
      ...(results === null ? [] : [[PAGE_STRINGS.methods.tested(results), ...columns.map(tested)]]),
    ],
    digits: 1,
    scale: 100,
    aside: (row, column) => (weights[row]?.[column - 1] ?? 1) < FAINT,
  };
}

export function correlationTable({ columns, correlations }: MethodComparison, target: string): TableModel {
  return {
    caption: PAGE_STRINGS.methods.correlation(target),
    columns: [
      { title: PAGE_STRINGS.common.method, numeric: false },
      ...columns.map(({ title }) => ({ title, numeric: true })),
    ],
    rows: columns.map(({ title }, i) => [title, ...(correlations[i] ?? [])]),
    digits: 2,
    aside: (row, column) => row === column - 1,
  };
}
