import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { z } from 'zod';
import { counted } from '../core/counted.js';
import { DeltaloomError } from '../core/errors.js';
import { listDevices } from '../engine/index.js';
import { loadStudy } from '../study/load.js';
import { preflight } from '../study/preflight.js';
import { studyReport } from '../study/report/report.js';
import { describeStale } from '../study/merge-scores.js';
import { readJudgedSnapshot } from '../study/judged-snapshot.js';
import type { StudyProblem } from '../study/snapshot.js';
import { studyStatus } from '../study/status.js';
import { studyWeights } from '../study/study-weights.js';
import type { Advise } from './advice.js';
import { chosenDelta, withCommonOptions } from './common.js';
import { addMergeChoice, mergeChoiceOf, mergeChoiceSchema } from './merge-choice.js';
import { resultsInWords, resultsOf } from './results-text.js';
import { describeStatus } from './status-text.js';
import { alignColumns } from './terminal.js';

/** The commands that only read: check, weights, results, report, status, devices. */

export function checkCommand(signal: AbortSignal): Command {
  const command = new Command('check').description(
    'find everything that would stop the study, with its remedy',
  );
  return withCommonOptions(
    command,
    z.object({}),
    signal,
    async (_options, { directory, terminal, advise }) => {
      const problems = await preflight(directory);
      const errors = problems.filter(({ severity }) => severity === 'error').length;
      const summary =
        problems.length === 0
          ? 'Everything is in order.'
          : `${counted(errors, 'error')}, ${counted(problems.length - errors, 'warning')}.`;
      terminal.result([...problems.map((problem) => describeProblem(problem, advise)), summary].join('\n'), {
        problems,
        errors,
      });
      if (errors > 0) process.exitCode = 1;
    },
  );
}

function describeProblem(
  { severity, file, line, message, remedy, path }: StudyProblem,
  advise: Advise,
): string {
  const where = line === undefined ? file : `${file}:${line}`;
  const at = path === undefined || path.length === 0 ? '' : ` (${path.join('.')})`;
  return `${severity}  ${where}${at}: ${message} ${advise(remedy)}`;
}

export function weightsCommand(signal: AbortSignal): Command {
  const command = addMergeChoice(new Command('weights')).description(
    'averaging weights of a target, with entropy and effective number of sources',
  );
  return withCommonOptions(command, mergeChoiceSchema, signal, async (chosen, context) => {
    const deltaName = await chosenDelta(context, chosen.delta);
    const { configuration } = await loadStudy(context.directory);
    const request = { target: chosen.target, deltaName, by: mergeChoiceOf(chosen, configuration) };
    const weights = await studyWeights(context.directory, request, context.seed);
    const rows = [
      ['source', ...weights.parts],
      ...weights.sources.map((source, j) => [
        source,
        ...weights.weights.map((row) => (row.weights[j] ?? 0).toFixed(4)),
      ]),
      ['entropy', ...weights.weights.map(({ entropy }) => entropy.toFixed(4))],
      ['effective sources', ...weights.weights.map(({ effectiveSources }) => effectiveSources.toFixed(2))],
    ];
    const notices = weights.weights.flatMap(({ notice }) => (notice === null ? [] : [notice.message]));
    const stale = describeStale(request, weights.stale);
    if (weights.missing.length > 0) {
      notices.push(`Left out, since no source is on record: ${weights.missing.join(', ')}.`);
    }
    if (stale !== null) notices.push(`${stale.message} ${context.advise(stale.remedy)}`);
    const title = `${weights.label} for ${chosen.target}${weights.temperature === null ? '' : ` at temperature ${weights.temperature}`}`;
    context.terminal.result([title, alignColumns(rows), ...new Set(notices)].join('\n'), {
      target: chosen.target,
      deltaName,
      ...weights,
      weights: weights.weights.map((row) => row.weights),
      entropy: weights.weights.map(({ entropy }) => entropy),
      effectiveSources: weights.weights.map(({ effectiveSources }) => effectiveSources),
      notices: weights.weights.map(({ notice }) => notice),
    });
  });
}

export function resultsCommand(signal: AbortSignal): Command {
  const command = new Command('results')
    .description('tasks x initialisations: mean and deviation over seeds, gain over random and average')
    .addOption(new Option('--split <split>', 'which examples').choices(['dev', 'test']).default('test'));
  const options = z.object({ split: z.enum(['dev', 'test']) });
  return withCommonOptions(
    command,
    options,
    signal,
    async ({ split }, { directory, terminal, seed, advise }) => {
      const snapshot = await readJudgedSnapshot(directory, seed);
      terminal.result(resultsInWords(snapshot, split, seed, advise), resultsOf(snapshot, split, seed));
    },
  );
}

export function reportCommand(signal: AbortSignal): Command {
  const command = new Command('report')
    .description('one HTML file with heatmaps, weights, curves and results, to read or send')
    .option('--out <file>', 'where to write it', 'deltaloom-report.html');
  const options = z.object({ out: z.string() });
  return withCommonOptions(command, options, signal, async ({ out }, { directory, terminal }) => {
    const file = resolve(out);
    const html = studyReport(await readJudgedSnapshot(directory));
    try {
      await writeFile(file, html);
    } catch (cause) {
      throw new DeltaloomError('report-not-written', "The report can't be written.", {
        place: { file },
        remedy: 'Choose another place with --out.',
        cause,
      });
    }
    terminal.result(`Wrote ${file}.`, { file });
  });
}

export function statusCommand(signal: AbortSignal): Command {
  const command = new Command('status').description('what is done, stale, running or failed, and why');
  return withCommonOptions(
    command,
    z.object({}),
    signal,
    async (_options, { directory, terminal, seed, advise }) => {
      const status = await studyStatus(directory, seed);
      terminal.result(describeStatus(status, advise), status);
    },
  );
}

export function devicesCommand(signal: AbortSignal): Command {
  const command = new Command('devices').description('what can compute here, and why or why not');
  return withCommonOptions(command, z.object({}), signal, async (_options, { terminal }) => {
    const devices = await listDevices();
    const rows = devices.map(({ id, usable, title, reason }) => [
      id,
      usable ? 'usable' : 'no',
      title,
      reason,
    ]);
    terminal.result(alignColumns(rows), devices);
  });
}
