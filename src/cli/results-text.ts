import { collectResults, type ResultsTable } from '../core/results.js';
import { withSeed } from '../study/configuration.js';
import type { JudgedSnapshot } from '../study/judged-snapshot.js';
import { targetResults } from '../study/target-results.js';
import type { Advise } from './advice.js';
import { alignColumns } from './terminal.js';

/**
 * The results tables of a study, one per delta and number of shots.
 *
 * @param seed instead of the study's own seeds: what was run with it is then what is asked for
 */
export function resultsOf(
  { configuration, tasks, stale, ...records }: JudgedSnapshot,
  split: 'dev' | 'test',
  seed?: number,
): ResultsTable[] {
  const names = tasks.map(({ name }) => name);
  const asked = configuration === null ? null : withSeed(configuration, seed);
  return collectResults(targetResults({ ...records, configuration: asked }, names, stale), names, split);
}

/**
 * The tables in words, and where there are none what else there is.
 *
 * @param seed as of {@link resultsOf}
 */
export function resultsInWords(
  snapshot: JudgedSnapshot,
  split: 'dev' | 'test',
  seed: number | undefined,
  advise: Advise,
): string {
  const tables = resultsOf(snapshot, split, seed);
  if (tables.length > 0) return tables.map(describeResults).join('\n\n');
  const other = split === 'test' ? 'dev' : 'test';
  return advise(
    resultsOf(snapshot, other, seed).length > 0
      ? `Nothing was measured on ${split}, but there are results on ${other}: deltaloom results --split ${other}.`
      : 'No results yet: tune targets (deltaloom run, or deltaloom tune --role target --test).',
  );
}

const percent = (value: number): string => (value * 100).toFixed(1);
const gain = (value: number | null): string =>
  value === null ? '-' : `${value >= 0 ? '+' : ''}${percent(value)}`;

/** Values in percent, `mean ±deviation`; the best of a row has a star. */
export function describeResults(table: ResultsTable): string {
  const { deltaName, shots, split, tasks, columns, cells } = table;
  const shown = (value: { mean: number; deviation: number | null; best: boolean }): string =>
    `${percent(value.mean)}${value.deviation === null ? '' : ` ±${percent(value.deviation)}`}${value.best ? '*' : ''}`;
  const rows = [
    ['task', 'metric', ...columns.map(({ initialisation }) => initialisation)],
    ...tasks.map(({ name, metric }, i) => [
      name,
      metric,
      ...(cells[i] ?? []).map((cell) => (cell === null ? '-' : shown(cell))),
    ]),
    ['mean', '', ...columns.map(shown)],
    ['gain over random', '', ...columns.map(({ gainOverRandom }) => gain(gainOverRandom))],
    ['gain over average', '', ...columns.map(({ gainOverAverage }) => gain(gainOverAverage))],
    [
      'wins/ties/losses',
      '',
      ...columns.map(({ againstRandom: { wins, ties, losses } }) => `${wins}/${ties}/${losses}`),
    ],
  ];
  return `${deltaName}, ${shots === 'full' ? 'full data' : `${shots} shots`}, ${split} (%)\n${alignColumns(rows)}`;
}
