import { BASELINES } from './methods.js';
import { mean, standardDeviation, winCounts } from './statistics.js';

/** From single target runs to the table of the paper: tasks x initialisations over seeds. Pure. */

/** Where a result stands among those of the same cell: of several settings only one is shown. */
export interface Standing {
  /** Numbers what a result was got with, but for its seed: results of different numbers are never averaged. */
  readonly settings: number;
  /** 2: what the study's configuration asks for now; 1: so, but for the seed; 0: anything else. */
  readonly asked: 0 | 1 | 2;
  /** Whether its data, its backbone or another of its inputs is known to have changed since. */
  readonly stale: boolean;
}

/** What the table needs of a target's run. */
export interface TargetResult extends Standing {
  readonly task: string;
  readonly deltaName: string;
  readonly shots: number | 'full';
  /** Names the column: `random`, a score method, `average`, `group`, `best-source`, `<method>/<part>`, ... */
  readonly initialisation: string;
  readonly seed: number;
  readonly metric: string;
  readonly dev: number | null;
  readonly test: number | null;
}

export interface ResultCell {
  /** By seed, ascending. */
  readonly seeds: readonly number[];
  readonly values: readonly number[];
  readonly mean: number;
  /** Over seeds; null for a single one. */
  readonly deviation: number | null;
  /** Difference to the mean of the same task from random initialisation; null where that is missing. */
  readonly gainOverRandom: number | null;
  readonly gainOverAverage: number | null;
  /** The highest mean of its row; equals are all best. */
  readonly best: boolean;
}

export interface ResultColumn {
  readonly initialisation: string;
  /** Tasks measured. */
  readonly tasks: number;
  /** Mean over tasks of the cells' means, and the deviation of that mean from seed to seed. */
  readonly mean: number;
  readonly deviation: number | null;
  /** Over the tasks that both this column and the baseline have. */
  readonly gainOverRandom: number | null;
  readonly gainOverAverage: number | null;
  readonly best: boolean;
  /** Tasks on which this column's mean is above, equal to or below random initialisation. */
  readonly againstRandom: { readonly wins: number; readonly ties: number; readonly losses: number };
}

export interface ResultsTable {
  readonly deltaName: string;
  readonly shots: number | 'full';
  readonly split: 'dev' | 'test';
  readonly tasks: readonly { readonly name: string; readonly metric: string }[];
  readonly columns: readonly ResultColumn[];
  /** cells[task][column]; null: not run. */
  readonly cells: readonly (readonly (ResultCell | null)[])[];
}

const RANDOM = 'random';
const AVERAGE = 'average';
/** The baselines come first, in this order; what else there is follows in order of appearance. */
export const LEADING_COLUMNS: readonly string[] = [RANDOM, ...BASELINES];

/**
 * Which results of one cell count: those that the study asks for now; where there are none, those of the newest settings, so
 * that an older study still shows what it has. Of them those that are not stale, if there are any: what was tuned on other data is
 * neither shown in their place nor averaged with them. A seed that occurs twice counts once, the later run.
 *
 * @param results of one task, initialisation, delta and number of shots, oldest first
 */
export function resultsThatCount<Result extends Standing & { readonly seed: number }>(
  results: readonly Result[],
): Result[] {
  const asked = Math.max(...results.map((result) => result.asked));
  const askedFor = results.filter((result) => result.asked === asked);
  const fresh = askedFor.filter(({ stale }) => !stale);
  const best = fresh.length > 0 ? fresh : askedFor;
  const newest = best.at(-1)?.settings;
  const ofOne = best.filter(({ settings }) => settings === newest);
  return [...new Map(ofOne.map((result) => [result.seed, result])).values()];
}

/**
 * One table per delta and number of shots, in order of appearance. Runs whose split was not measured are left out; of the
 * others those count that {@link resultsThatCount} chooses for each cell.
 *
 * @param results oldest first, at least within each cell
 * @param taskOrder the study's; tasks outside it come last
 */
export function collectResults(
  results: readonly TargetResult[],
  taskOrder: readonly string[],
  split: 'dev' | 'test' = 'test',
): ResultsTable[] {
  const measured = results.flatMap((result) => {
    const value = result[split];
    return value === null ? [] : [{ ...result, value }];
  });
  const cells = groupBy(measured, ({ deltaName, shots, task, initialisation }) =>
    JSON.stringify([deltaName, shots, task, initialisation]),
  );
  const counting = new Set([...cells.values()].flatMap((cell) => resultsThatCount(cell)));
  const groups = groupBy(
    measured.filter((result) => counting.has(result)),
    ({ deltaName, shots }) => `${deltaName} ${shots}`,
  );
  return [...groups.values()].flatMap((runs) => {
    const [first] = runs;
    return first === undefined ? [] : [collectTable(runs, first, taskOrder, split)];
  });
}

type Measured = TargetResult & { readonly value: number };

function collectTable(
  runs: readonly Measured[],
  { deltaName, shots }: Measured,
  taskOrder: readonly string[],
  split: 'dev' | 'test',
): ResultsTable {
  const byTask = groupBy(runs, ({ task }) => task);
  const position = (task: string) => {
    const index = taskOrder.indexOf(task);
    return index < 0 ? taskOrder.length : index;
  };
  const names = [...byTask.keys()].sort((a, b) => position(a) - position(b));
  const seen = [...new Set(runs.map(({ initialisation }) => initialisation))];
  const initialisations = [
    ...LEADING_COLUMNS.filter((name) => seen.includes(name)),
    ...seen.filter((name) => !LEADING_COLUMNS.includes(name)),
  ];
  const cells = names.map((name) => collectRow(byTask.get(name) ?? [], initialisations));
  const columns = initialisations.map((initialisation, j) =>
    collectColumn(
      initialisation,
      cells.map((row) => row[j] ?? null),
      cells.map((row) => row[initialisations.indexOf(RANDOM)] ?? null),
      cells.map((row) => row[initialisations.indexOf(AVERAGE)] ?? null),
    ),
  );
  // Columns are only comparable where they cover the same tasks.
  const complete = columns.filter(({ tasks }) => tasks === names.length).map((column) => column.mean);
  const highest = Math.max(...complete);
  return {
    deltaName,
    shots,
    split,
    tasks: names.map((name) => ({ name, metric: byTask.get(name)?.[0]?.metric ?? '' })),
    columns: columns.map((column) => ({
      ...column,
      best: column.tasks === names.length && column.mean === highest,
    })),
    cells,
  };
}

function collectRow(runs: readonly Measured[], initialisations: readonly string[]): (ResultCell | null)[] {
  const bySeed = initialisations.map((initialisation) => {
    const own = runs.filter((run) => run.initialisation === initialisation);
    return own.map(({ seed, value }) => [seed, value] as const).sort(([a], [b]) => a - b);
  });
  const means = bySeed.map((entries) =>
    entries.length === 0 ? null : mean(entries.map(([, value]) => value)),
  );
  const highest = Math.max(...means.filter((value) => value !== null));
  const gain = (value: number, baseline: string) => {
    const base = means[initialisations.indexOf(baseline)] ?? null;
    return base === null ? null : value - base;
  };
  return bySeed.map((entries, j) => {
    const average = means[j] ?? null;
    if (average === null) return null;
    const values = entries.map(([, value]) => value);
    return {
      seeds: entries.map(([seed]) => seed),
      values,
      mean: average,
      deviation: standardDeviation(values),
      gainOverRandom: gain(average, RANDOM),
      gainOverAverage: gain(average, AVERAGE),
      best: average === highest,
    };
  });
}

function collectColumn(
  initialisation: string,
  cells: readonly (ResultCell | null)[],
  random: readonly (ResultCell | null)[],
  average: readonly (ResultCell | null)[],
): Omit<ResultColumn, 'best'> {
  const present = cells.filter((cell) => cell !== null);
  const paired = cells.flatMap((cell, i) => {
    const base = random[i] ?? null;
    return cell === null || base === null ? [] : [{ own: cell.mean, base: base.mean }];
  });
  return {
    initialisation,
    tasks: present.length,
    mean: mean(present.map((cell) => cell.mean)),
    deviation: deviationOverSeeds(present),
    gainOverRandom: meanGain(cells, random),
    gainOverAverage: meanGain(cells, average),
    againstRandom: winCounts(
      paired.map(({ own }) => own),
      paired.map(({ base }) => base),
    ),
  };
}

/** Deviation from seed to seed of the mean over tasks, over the seeds that every task has. */
function deviationOverSeeds(cells: readonly ResultCell[]): number | null {
  const shared = (cells[0]?.seeds ?? []).filter((seed) => cells.every(({ seeds }) => seeds.includes(seed)));
  return standardDeviation(
    shared.map((seed) => mean(cells.map(({ seeds, values }) => values[seeds.indexOf(seed)] ?? Number.NaN))),
  );
}

function meanGain(
  cells: readonly (ResultCell | null)[],
  baseline: readonly (ResultCell | null)[],
): number | null {
  const gains = cells.flatMap((cell, i) => {
    const base = baseline[i] ?? null;
    return cell === null || base === null ? [] : [cell.mean - base.mean];
  });
  return gains.length === 0 ? null : mean(gains);
}

function groupBy<Item>(items: readonly Item[], key: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}
