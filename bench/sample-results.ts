import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ResultCell, ResultColumn, ResultsTable } from '../src/core/results.js';
import { mean, winCounts } from '../src/core/statistics.js';
import { describeResults, resultsOf } from '../src/cli/results-text.js';
import { readJudgedSnapshot } from '../src/study/judged-snapshot.js';
import type { StudySnapshot } from '../src/study/snapshot.js';

/**
 * The results of finished studies, every initialisation beside random, average, group and best source:
 *
 *   npx tsx bench/sample-results.ts DIR [DIR ...]       (what `npm run demo -- --full` or `deltaloom run` wrote)
 *
 * Writes bench/results/sample-results.md.
 */
const BASELINES = ['random', 'average', 'group', 'best-source'];
/** A claim of the paper: at least so much better than random and than the plain average, on so many of the tasks. */
const CLAIMED_GAIN = 0.1;
const CLAIMED_SHARE = 0.75;

const percent = (value: number): string => (value * 100).toFixed(1);
const signed = (value: number | null): string =>
  value === null ? '-' : `${value >= 0 ? '+' : ''}${percent(value)}`;

async function main(): Promise<void> {
  const studies = process.argv.slice(2);
  if (studies.length === 0) throw new Error('Name at least one study folder.');
  const sections: string[] = [];
  for (const study of studies) {
    const snapshot = await readJudgedSnapshot(resolve(study));
    sections.push(...resultsOf(snapshot, 'test').map((table) => section(table, snapshot)));
  }
  const text = [
    '# Results of the sample study',
    '',
    'Accuracy in percent on test splits of 500 that nothing was chosen on. Mean over tasks; ± is the deviation of that mean from seed ' +
      'to seed (a seed draws the shots and orders them). Gains are in points. Won, tied and lost count tasks, by the mean over seeds. ' +
      'Sources: how many equally weighted sources the weights are worth, on average over targets (and blocks). ' +
      'Written by `bench/sample-results.ts` from the studies of `npm run demo -- --full`, or of `deltaloom run` on the sample.',
    '',
    ...sections,
  ].join('\n');
  const folder = join(import.meta.dirname, 'results');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'sample-results.md'), text);
  console.log(text);
}

function section(table: ResultsTable, snapshot: StudySnapshot): string {
  const { deltaName, shots, columns, tasks } = table;
  const seeds = [...new Set(table.cells.flatMap((row) => row.flatMap((cell) => cell?.seeds ?? [])))];
  const incomplete = columns.filter((column) => column.tasks < tasks.length);
  return [
    `## ${deltaName}, ${shots} shots`,
    '',
    `${tasks.length} tasks, ${seeds.length} seeds (${seeds.sort((a, b) => a - b).join(', ')}).`,
    ...incomplete.map(({ initialisation, tasks: count }) => `${initialisation}: ${count} tasks only.`),
    '',
    `| initialisation | accuracy | over random | over average | ${BASELINES.map((name) => `against ${name}`).join(' | ')} | sources |`,
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...columns.map((column, index) => row(table, column, index, snapshot)),
    '',
    verdict(table),
    '',
    '```',
    describeResults(table),
    '```',
    '',
  ].join('\n');
}

function row(table: ResultsTable, column: ResultColumn, index: number, snapshot: StudySnapshot): string {
  const name = column.best ? `**${column.initialisation}**` : column.initialisation;
  const deviation = column.deviation === null ? '' : ` ± ${percent(column.deviation)}`;
  const against = BASELINES.map((baseline) =>
    baseline === column.initialisation ? '' : tasksAgainst(table, index, baseline),
  );
  return `| ${[
    name,
    `${percent(column.mean)}${deviation}`,
    signed(column.gainOverRandom),
    signed(column.gainOverAverage),
    ...against,
    effectiveSources(snapshot, table.deltaName, column.initialisation),
  ].join(' | ')} |`;
}

/** Won/tied/lost tasks of a column against another one. */
function counts(table: ResultsTable, index: number, baseline: string) {
  const other = table.columns.findIndex(({ initialisation }) => initialisation === baseline);
  const pairs = table.cells.flatMap((cells): [ResultCell, ResultCell][] => {
    const [own, base] = [cells[index] ?? null, cells[other] ?? null];
    return own === null || base === null ? [] : [[own, base]];
  });
  return winCounts(
    pairs.map(([own]) => own.mean),
    pairs.map(([, base]) => base.mean),
  );
}

function tasksAgainst(table: ResultsTable, index: number, baseline: string): string {
  const { wins, ties, losses } = counts(table, index, baseline);
  return `${wins}/${ties}/${losses}`;
}

/** Of the merges on record by this way of weighing. */
function effectiveSources({ merges }: StudySnapshot, deltaName: string, label: string): string {
  const rows = merges
    .filter((merge) => merge.deltaName === deltaName && merge.label === label)
    .flatMap(({ weights }) => weights);
  if (rows.length === 0) return '';
  const effective = rows.map((weights) =>
    Math.exp(weights.reduce((sum, weight) => (weight > 0 ? sum - weight * Math.log(weight) : sum), 0)),
  );
  return mean(effective).toFixed(1);
}

/** Which initialisations do what the paper claims, and which do not help at all. */
function verdict(table: ResultsTable): string {
  const { columns, tasks } = table;
  const claimed = columns.filter((column, index) => {
    const gains = [column.gainOverRandom ?? 0, column.gainOverAverage ?? 0];
    const won = ['random', 'average'].map((name) => counts(table, index, name).wins);
    return Math.min(...gains) >= CLAIMED_GAIN && Math.min(...won) >= CLAIMED_SHARE * tasks.length;
  });
  const useless = columns.filter(
    ({ initialisation, gainOverAverage }) =>
      !['random', 'average'].includes(initialisation) && (gainOverAverage ?? 0) <= 0,
  );
  const list = (found: readonly ResultColumn[]): string =>
    found.length === 0 ? 'none' : found.map(({ initialisation }) => initialisation).join(', ');
  return (
    `At least 10 points over random and over the plain average, and at least three quarters of the tasks won against both: ${list(claimed)}. ` +
    `No better than the plain average: ${list(useless)}.`
  );
}

await main();
