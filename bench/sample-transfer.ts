import { cp, mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { SCORE_METHOD_INFO } from '../src/core/methods.js';
import { areaUnderCurve, mean, regret, spearman } from '../src/core/statistics.js';
import { readSnapshot, type StudySnapshot } from '../src/study/snapshot.js';
import type { RunRecord, ScoreMatrix } from '../src/study/records.js';
import { argument, ConsoleJobs, tellFailure } from '../scripts/console-job.js';

/**
 * How good the scores are: against the declared families, and against the transfer that is really measured when every target
 * starts from every single source. Needs a study whose sources are tuned and scored (`npm run demo -- --full`).
 *
 *   npx tsx bench/sample-transfer.ts [--study DIR] [--delta NAME] [--seeds N] [--threads N]
 */
async function main(): Promise<void> {
  const root = join(import.meta.dirname, '..');
  const deltaName = argument('delta') ?? 'adapter';
  const study = resolve(argument('study') ?? join(root, '.cache', 'demo', '16-shots'));
  const directory = join(root, '.cache', `sample-transfer-${deltaName}`);
  await copyStudy(study, directory);
  const before = await readSnapshot(directory);
  const targets = before.configuration?.targets;
  if (targets === undefined) throw new Error(`There is no study in ${study}.`);
  const seeds = targets.seeds.slice(0, Number(argument('seeds') ?? 1));
  const sources = before.runs.filter(
    (run) =>
      run.role === 'source' &&
      run.deltaName === deltaName &&
      run.status === 'done' &&
      run.checkpoint !== null,
  );
  const threads = argument('threads');
  const jobs = new ConsoleJobs(threads === undefined ? undefined : Number(threads));
  try {
    for (const source of sources) {
      await jobs.run(directory, {
        kind: 'tune',
        tasks: sources.map(({ task }) => task).filter((task) => task !== source.task),
        deltaName,
        role: 'target',
        initialisation: { kind: 'checkpoint', path: source.checkpoint?.path ?? '' },
        seeds: [...seeds],
      });
    }
  } finally {
    await jobs.close();
  }
  const report = describe(await readSnapshot(directory), deltaName, seeds);
  const folder = join(root, 'bench', 'results');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `sample-transfer-${deltaName}.md`), report);
  console.log(report);
}

/** The many runs from single sources belong to the measurement, not to the study's own records. */
async function copyStudy(study: string, directory: string): Promise<void> {
  const left = ['predictions', 'cache', 'lock', 'logs'].map((name) => join(study, '.deltaloom', name));
  await cp(study, directory, {
    recursive: true,
    dereference: true,
    filter: (source) => !left.includes(source),
  });
}

/** Mean test metric of a target over seeds when it starts from each source. */
function measuredTransfer(
  runs: readonly RunRecord[],
  deltaName: string,
  shots: number | 'full',
  seeds: readonly number[],
): Map<string, Map<string, number>> {
  const values = new Map<string, Map<string, number[]>>();
  for (const { task, initialisation, results, ...run } of runs) {
    const counts =
      run.role === 'target' && run.deltaName === deltaName && run.shots === shots && seeds.includes(run.seed);
    if (!counts || initialisation.kind !== 'checkpoint' || results.test === null) continue;
    const row = values.get(task) ?? new Map<string, number[]>();
    row.set(initialisation.task, [...(row.get(initialisation.task) ?? []), results.test]);
    values.set(task, row);
  }
  return new Map(
    [...values].map(([task, row]) => [
      task,
      new Map([...row].map(([source, tests]) => [source, mean(tests)])),
    ]),
  );
}

function describe(snapshot: StudySnapshot, deltaName: string, seeds: readonly number[]): string {
  const shots = snapshot.configuration?.targets.shots ?? 16;
  const transfer = measuredTransfer(snapshot.runs, deltaName, shots, seeds);
  const groupOf = new Map(snapshot.tasks.map(({ name, groups }) => [name, groups[0] ?? '']));
  const rows = snapshot.matrices
    .filter((matrix) => matrix.deltaName === deltaName)
    .flatMap((matrix) => qualityOf(matrix, transfer, groupOf));
  const tasks = [...transfer.keys()];
  const own = [
    ...tasks.map((target) => {
      const cells = tasks.map((source) => transfer.get(target)?.get(source));
      return `| ${target} | ${cells.map((cell) => (cell === undefined ? '' : (cell * 100).toFixed(0))).join(' | ')} |`;
    }),
  ];
  return [
    '# How good the scores are on the sample study',
    '',
    `Delta \`${deltaName}\`, ${shots} shots, ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}. Every target was tuned from every single source; test accuracy. ` +
      'AUC: chance that a source of the same family scores as more similar than one of another, over all pairs. ' +
      "Rank correlation (Spearman): between a target's scores and the accuracy reached from each source, mean over targets. " +
      'Regret: how much accuracy is lost by starting from the source that the score likes best instead of the truly best one, mean over targets.',
    '',
    '| method | AUC same family | rank correlation | regret (points) |',
    '| --- | --- | --- | --- |',
    ...rows,
    `| a source at random | 0.50 | 0.00 | ${(100 * mean(regretsAtRandom(transfer))).toFixed(1)} |`,
    '',
    'The performance counts what k steps on the target add to a source (METHODS): a relative is good at the target before the first step and has little to gain, ' +
      'so the score likes strangers, by its definition and not by a wrong sign. What its merges are worth comes from merging the copies that were tuned on the target.',
    '',
    '## Measured transfer',
    '',
    'Rows: target; columns: source, in the same order; accuracy in percent.',
    '',
    `| target | ${tasks.map((task) => task.replaceAll('_', ' ')).join(' | ')} |`,
    `| --- |${' --- |'.repeat(tasks.length)}`,
    ...own,
    '',
    `Machine: ${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores.`,
    '',
  ].join('\n');
}

/** What choosing blindly costs on every target. */
function regretsAtRandom(transfer: Map<string, Map<string, number>>): number[] {
  return [...transfer.values()].map((row) => regret(mean([...row.values()]), [...row.values()]));
}

/** One row a matrix; a matrix of several parts is read as the mean over its parts. */
function qualityOf(
  matrix: ScoreMatrix,
  transfer: Map<string, Map<string, number>>,
  groupOf: Map<string, string>,
): string[] {
  const sign = matrix.direction === 'lower' ? -1 : 1;
  const similarity: number[] = [];
  const isSameFamily: boolean[] = [];
  const correlations: number[] = [];
  const regrets: number[] = [];
  for (const target of matrix.targets) {
    const measured = transfer.get(target);
    const scores: number[] = [];
    const reached: number[] = [];
    for (const { source, values } of matrix.cells.filter(
      (cell) => cell.target === target && cell.source !== target,
    )) {
      const finite = values.filter((value) => value !== null);
      if (finite.length === 0) continue;
      const score = sign * mean(finite);
      similarity.push(score);
      isSameFamily.push(groupOf.get(source) === groupOf.get(target));
      const accuracy = measured?.get(source);
      if (accuracy === undefined) continue;
      scores.push(score);
      reached.push(accuracy);
    }
    if (scores.length < 2) continue;
    correlations.push(spearman(scores, reached));
    regrets.push(regret(reached[scores.indexOf(Math.max(...scores))] ?? NaN, reached));
  }
  const title = SCORE_METHOD_INFO[matrix.method].title;
  const granularity = matrix.granularity === 'model' ? '' : `, mean over ${matrix.granularity}s`;
  const finite = correlations.filter((value) => Number.isFinite(value));
  return [
    `| ${title}${granularity} | ${areaUnderCurve(similarity, isSameFamily).toFixed(2)} | ${mean(finite).toFixed(2)} | ${(100 * mean(regrets)).toFixed(1)} |`,
  ];
}

await tellFailure(main);
