import { averagingWeights } from '../../src/core/averaging-weights.js';
import { orderByClustering, orderByGroup, orderByValue } from '../../src/core/matrix-order.js';
import { SCORE_METHOD_INFO } from '../../src/core/methods.js';
import { mean, ranks } from '../../src/core/statistics.js';
import type { Arrangement, MatrixSummary, MatrixValues } from '../../src/extension/panels/messages.js';
import { PAGE_STRINGS } from '../strings.js';
import { formatNumber, type TableModel } from './table.js';

/** From a score matrix to a picture of it: one part, ordered, with ranks and weights. Pure. */

export interface ScoreSheet {
  readonly summary: MatrixSummary;
  readonly values: MatrixValues;
}

export interface HeatmapModel {
  readonly title: string;
  /** Targets from top to bottom and sources from left to right, as shown. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** What the colour shows, [rows, columns] row-major; NaN: nothing to show. */
  readonly shown: Float64Array;
  readonly values: Float64Array;
  /** Of the version compared with; null when nothing is compared. */
  readonly compared: Float64Array | null;
  /** That version's name. */
  readonly comparedWith: string;
  /** 1: the most similar source of this target; NaN for the target's own. */
  readonly ranks: Float64Array;
  /** Averaging weights at the temperature; NaN for the target's own and where the row can't be weighed. */
  readonly weights: Float64Array;
  readonly scale: ColourDomain;
  /** Indices before which a group boundary runs. */
  readonly rowBoundaries: readonly number[];
  readonly columnBoundaries: readonly number[];
  readonly missing: number;
}

export interface ColourDomain {
  /** What the numbers are, and so how they are written. */
  readonly of: Arrangement['colour'] | 'difference';
  readonly low: number;
  readonly high: number;
  /** diverging: symmetric around 0. */
  readonly kind: 'sequential' | 'diverging';
  /** sequential: which end is the more similar one. */
  readonly strong: 'low' | 'high';
  readonly lowLabel: string;
  readonly highLabel: string;
}

export interface HeatmapOptions {
  readonly part: number;
  readonly order: Arrangement['order'];
  readonly colour: Arrangement['colour'];
  readonly temperature: number;
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** The compared version's name, for people. */
  readonly comparedWith?: string;
}

/** @param compared another version of the same scores: the picture then shows sheet - compared */
export function heatmapModel(
  sheet: ScoreSheet,
  compared: ScoreSheet | null,
  options: HeatmapOptions,
): HeatmapModel {
  const { summary } = sheet;
  const { targets, sources, direction } = summary;
  const merged = new Set(summary.merged);
  const plain = partValues(sheet, options.part);
  const row = (i: number) =>
    Array.from({ length: sources.length }, (_, j) => known(plain[i * sources.length + j]));
  const column = (j: number) => targets.map((_, i) => known(plain[i * sources.length + j]));
  const [rowOrder, columnOrder] = orders(targets, sources, row, column, direction, options);
  const size = rowOrder.length * columnOrder.length;
  const [values, rankOf, weightOf] = [nothing(size), nothing(size), nothing(size)];
  const before = compared === null ? null : nothing(size);
  const look = compared === null ? null : lookup(compared, options.part);
  rowOrder.forEach((i, r) => {
    const target = targets[i] ?? '';
    const scored = row(i);
    const others = columnOrder.filter((j) => sources[j] !== target && scored[j] !== null);
    const sign = direction === 'lower' ? 1 : -1;
    const ranked = ranks(others.map((j) => sign * (scored[j] ?? 0)));
    const rank = new Map(others.map((j, k) => [j, ranked[k] ?? Number.NaN]));
    const weights = weightsOf(
      target,
      sources.flatMap((task, j) => (merged.has(task) ? [{ task, value: scored[j] ?? null }] : [])),
      direction,
      options.temperature,
    );
    columnOrder.forEach((j, c) => {
      const place = r * columnOrder.length + c;
      values[place] = scored[j] ?? Number.NaN;
      rankOf[place] = rank.get(j) ?? Number.NaN;
      weightOf[place] = weights?.get(sources[j] ?? '') ?? Number.NaN;
      if (before !== null && look !== null) before[place] = look(target, sources[j] ?? '');
    });
  });
  const rows = rowOrder.map((i) => targets[i] ?? '');
  const columns = columnOrder.map((j) => sources[j] ?? '');
  const shown =
    before !== null
      ? values.map((value, place) => value - (before[place] ?? Number.NaN))
      : { value: values, rank: rankOf, weight: weightOf }[options.colour];
  return {
    title: title(summary, options.part),
    rows,
    columns,
    shown,
    values,
    compared: before,
    comparedWith: options.comparedWith ?? PAGE_STRINGS.heatmap.before,
    ranks: rankOf,
    weights: weightOf,
    scale: domain(shown, rows, columns, before !== null ? 'difference' : options.colour, direction),
    rowBoundaries: options.order === 'group' ? boundaries(rows, options.groups) : [],
    columnBoundaries: options.order === 'group' ? boundaries(columns, options.groups) : [],
    missing: values.reduce((count, value) => count + (Number.isNaN(value) ? 1 : 0), 0),
  };
}

/** What is said of a cell under the pointer or the cursor. */
export function describeCell(model: HeatmapModel, row: number, column: number): string {
  const name = PAGE_STRINGS.cell.name(model.rows[row] ?? '', model.columns[column] ?? '');
  return `${name}: ${cellFacts(model, row, column)}`;
}

/** The same without the cell's name. */
export function cellFacts(model: HeatmapModel, row: number, column: number): string {
  const [target, source] = [model.rows[row] ?? '', model.columns[column] ?? ''];
  const place = row * model.columns.length + column;
  const value = model.values[place] ?? Number.NaN;
  const parts = [formatNumber(value, { digits: 4 })];
  if (model.compared !== null) {
    const before = model.compared[place] ?? Number.NaN;
    parts.push(
      `${model.comparedWith} ${formatNumber(before, { digits: 4 })}`,
      PAGE_STRINGS.cell.difference(formatNumber(value - before, { digits: 4, signed: true })),
    );
  }
  if (target === source) parts.push(PAGE_STRINGS.cell.ownSource);
  else if (Number.isNaN(value)) parts.push(PAGE_STRINGS.heatmap.notComputed);
  else {
    const others = model.columns.filter((name) => name !== target).length;
    const rank = formatNumber(model.ranks[place], { digits: Number.isInteger(model.ranks[place]) ? 0 : 1 });
    parts.push(
      PAGE_STRINGS.cell.rank(rank, others),
      PAGE_STRINGS.cell.weight(formatNumber(model.weights[place], { digits: 2, scale: 100 })),
    );
  }
  return parts.join(' · ');
}

/** Own sources are kept in it, set aside: they are worth knowing and no part of the weights. */
export function heatmapTable(model: HeatmapModel, notes: readonly string[]): TableModel {
  const width = model.columns.length;
  const { of } = model.scale;
  const tied = model.shown.some((value) => !Number.isNaN(value) && !Number.isInteger(value));
  return {
    caption: PAGE_STRINGS.heatmap.caption(model.title, of, model.comparedWith),
    columns: [
      { title: PAGE_STRINGS.common.target, numeric: false },
      ...model.columns.map((name) => ({ title: name, numeric: true })),
    ],
    rows: model.rows.map((name, r) => [
      name,
      ...Array.from(model.shown.subarray(r * width, (r + 1) * width), (value) => known(value)),
    ]),
    digits: { value: 4, rank: tied ? 1 : 0, weight: 2, difference: 4 }[of],
    scale: of === 'weight' ? 100 : 1,
    signed: of === 'difference',
    aside: (row, column) => model.rows[row] === model.columns[column - 1],
    notes,
  };
}

/** One (target, source) through all parts: the profile line; and the small pictures of every part. */
export function partValues({ summary, values }: ScoreSheet, part: number): Float64Array {
  const depth = summary.parts.length;
  return Float64Array.from(
    { length: summary.targets.length * summary.sources.length },
    (_, cell) => values.values[cell * depth + part] ?? Number.NaN,
  );
}

export function profile({ summary, values }: ScoreSheet, target: string, source: string): number[] {
  const [i, j] = [summary.targets.indexOf(target), summary.sources.indexOf(source)];
  const start = (i * summary.sources.length + j) * summary.parts.length;
  return summary.parts.map((_, part) =>
    i < 0 || j < 0 ? Number.NaN : (values.values[start + part] ?? Number.NaN),
  );
}

/** Lowest and highest finite value, the diagonal left out: a target's own source would stretch the scale. */
export function extent(
  values: Float64Array,
  rows: readonly string[],
  columns: readonly string[],
): { low: number; high: number } {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  rows.forEach((target, r) => {
    columns.forEach((source, c) => {
      const value = values[r * columns.length + c] ?? Number.NaN;
      if (target === source || Number.isNaN(value)) return;
      if (value < low) low = value;
      if (value > high) high = value;
    });
  });
  return low > high ? { low: 0, high: 1 } : { low, high };
}

/** `encoder.block.3.layer.0` in few letters: `enc 3.0`. */
export function shortPart(part: string): string {
  const numbers = part.match(/\d+/g) ?? [];
  if (part.startsWith('encoder')) return `${PAGE_STRINGS.heatmap.encoder} ${numbers.join('.')}`.trim();
  if (part.startsWith('decoder')) return `${PAGE_STRINGS.heatmap.decoder} ${numbers.join('.')}`.trim();
  return part;
}

function title(summary: MatrixSummary, part: number): string {
  const method = SCORE_METHOD_INFO[summary.method].title;
  const where = summary.granularity === 'model' ? '' : `, ${summary.parts[part] ?? ''}`;
  return `${method} (${summary.deltaName}${where})`;
}

function orders(
  targets: readonly string[],
  sources: readonly string[],
  row: (i: number) => (number | null)[],
  column: (j: number) => (number | null)[],
  direction: 'lower' | 'higher',
  { order, groups }: HeatmapOptions,
): [number[], number[]] {
  const same = targets.length === sources.length && targets.every((task, i) => task === sources[i]);
  switch (order) {
    case 'study':
      return [targets.map((_, i) => i), sources.map((_, j) => j)];
    case 'group':
      return [orderByGroup(targets, groups), orderByGroup(sources, groups)];
    case 'clustering': {
      const rows = orderByClustering(targets.map((_, i) => row(i)));
      // The same tasks on both sides keep their diagonal.
      return [rows, same ? [...rows] : orderByClustering(sources.map((_, j) => column(j)))];
    }
    case 'value': {
      const average = (values: (number | null)[], own: number) => {
        const present = values.filter((value, k): value is number => value !== null && k !== own);
        return present.length === 0 ? null : mean(present);
      };
      return [
        orderByValue(
          targets.map((task, i) => average(row(i), sources.indexOf(task))),
          direction,
        ),
        orderByValue(
          sources.map((task, j) => average(column(j), targets.indexOf(task))),
          direction,
        ),
      ];
    }
  }
}

function weightsOf(
  target: string,
  row: readonly { task: string; value: number | null }[],
  direction: 'lower' | 'higher',
  temperature: number,
): Map<string, number> | null {
  const others = row.filter(({ task }) => task !== target);
  if (others.length === 0 || others.some(({ value }) => value === null)) return null;
  const { sources, weights } = averagingWeights(target, row, { direction, temperature });
  return new Map(sources.map((source, k) => [source, weights[k] ?? Number.NaN]));
}

function lookup(sheet: ScoreSheet, part: number): (target: string, source: string) => number {
  const values = partValues(sheet, part);
  const { targets, sources } = sheet.summary;
  const [row, column] = [indexOf(targets), indexOf(sources)];
  return (target, source) => {
    const [i, j] = [row.get(target), column.get(source)];
    return i === undefined || j === undefined ? Number.NaN : (values[i * sources.length + j] ?? Number.NaN);
  };
}

function domain(
  shown: Float64Array,
  rows: readonly string[],
  columns: readonly string[],
  what: ColourDomain['of'],
  direction: 'lower' | 'higher',
): ColourDomain {
  const { low, high } = extent(shown, rows, columns);
  const { moreSimilar, lessSimilar, lower, higher, ofTheMerge } = PAGE_STRINGS.heatmap;
  if (what === 'difference') {
    const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return {
      of: what,
      low: -reach,
      high: reach,
      kind: 'diverging',
      strong: 'high',
      lowLabel: lower(direction === 'lower' ? moreSimilar : lessSimilar),
      highLabel: higher(direction === 'lower' ? lessSimilar : moreSimilar),
    };
  }
  const strong =
    what === 'rank' ? 'low' : what === 'weight' ? 'high' : direction === 'lower' ? 'low' : 'high';
  const [more, less] = what === 'weight' ? [ofTheMerge, ofTheMerge] : [moreSimilar, lessSimilar];
  return {
    of: what,
    low: what === 'weight' ? 0 : low,
    high: high > low ? high : low + (Math.abs(low) || 1) * 1e-6,
    kind: 'sequential',
    strong,
    lowLabel: strong === 'low' ? more : less,
    highLabel: strong === 'low' ? less : more,
  };
}

function boundaries(names: readonly string[], groups: Readonly<Record<string, readonly string[]>>): number[] {
  const members = Object.values(groups);
  if (members.length === 0) return [];
  const group = names.map((name) => members.findIndex((tasks) => tasks.includes(name)));
  return group.flatMap((own, i) => (i > 0 && own !== group[i - 1] ? [i] : []));
}

function indexOf(names: readonly string[]): Map<string, number> {
  return new Map(names.map((name, index) => [name, index]));
}

function nothing(size: number): Float64Array {
  return new Float64Array(size).fill(Number.NaN);
}

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}
