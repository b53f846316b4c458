import { DeltaloomError } from '../core/errors.js';
import { SCORE_METHOD_INFO } from '../core/methods.js';
import { chooseData, type ChosenData } from './catalogue.js';
import type { StudyConfiguration } from './configuration.js';
import { STUDY_FILE } from './paths.js';
import type { StudyProblem, TaskEntry } from './snapshot.js';

type Path = (string | number)[];

/** What the study asks of its tasks' files and they do not have: shots, splits, data seeds. Nothing is read. */
export function dataProblems(
  configuration: StudyConfiguration,
  tasks: readonly TaskEntry[],
  lineOf: (path: Path) => number,
): StudyProblem[] {
  const problems: StudyProblem[] = [];
  const add = (
    severity: StudyProblem['severity'],
    code: string,
    path: Path,
    message: string,
    remedy: string,
  ) => {
    problems.push({ severity, code, message, remedy, file: STUDY_FILE, line: lineOf(path), path });
  };
  const { sources, targets, scores } = configuration;
  const readsProbe = scores.methods.some((method) => SCORE_METHOD_INFO[method].cost !== 'weights');
  const roles = [
    { role: 'sources', ...sources, seeds: [sources.dataSeed], required: true },
    { role: 'targets', ...targets, required: false },
  ] as const;
  for (const { role, tasks: names, shots, seeds, required } of roles) {
    for (const task of tasks) {
      if (names !== undefined && !names.includes(task.name)) continue;
      for (const [index, seed] of seeds.entries()) {
        const chosen = chosenOrRefused(task, shots, seed === undefined ? undefined : { seed, required });
        if (chosen instanceof DeltaloomError) {
          add('error', chosen.code, [role, 'shots'], chosen.message, chosen.remedy ?? 'Add the file.');
          continue;
        }
        const { data } = chosen;
        const missing = (split: string) => `${task.name}_${data.shots}_${data.seed}_${split}.tsv`;
        if (data.files.dev === undefined) {
          add(
            'warning',
            'task-without-dev',
            ['tasks'],
            `The task '${task.name}' has no ${missing('dev')}: its tuning keeps the last step.`,
            'Add the file, and the best step is kept.',
          );
        }
        if (role === 'targets' && chosen.test === undefined) {
          add(
            'warning',
            'task-without-test',
            ['tasks'],
            `The task '${task.name}' has no test file: its results are those on dev.`,
            `Add ${missing('test')}.`,
          );
        }
        // Scores read the files of the first seed.
        const { split } = scores.probe;
        if (role === 'targets' && index === 0 && readsProbe && data.files[split] === undefined) {
          add(
            'error',
            'probe-missing',
            ['scores', 'probe'],
            `The target '${task.name}' has no ${missing(split)} to score on.`,
            "Add the file, or choose another split ('scores.probe.split').",
          );
        }
      }
    }
  }
  // A task may be source and target: one finding is enough.
  const seen = new Set<string>();
  return problems.filter(({ code, message }) => {
    const place = `${code} ${message}`;
    if (seen.has(place)) return false;
    seen.add(place);
    return true;
  });
}

function chosenOrRefused(
  task: TaskEntry,
  shots: number | 'full',
  dataSeed: { readonly seed: number; readonly required: boolean } | undefined,
): ChosenData | DeltaloomError {
  try {
    return chooseData(task, shots, dataSeed);
  } catch (error) {
    if (error instanceof DeltaloomError) return error;
    throw error;
  }
}
