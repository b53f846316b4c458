import { DeltaloomError } from '../core/errors.js';
import { SCORE_METHOD_INFO } from '../core/methods.js';
import { chooseData, type ChosenData } from './catalogue.js';
import type { StudyConfiguration } from './configuration.js';
import type { StudyProblem, TaskEntry } from './snapshot.js';

/** Adds a problem of `deltaloom.json` at a property. */
export type AddProblem = (
  severity: StudyProblem['severity'],
  code: string,
  path: (string | number)[],
  message: string,
  remedy: string,
) => void;

/** What the study asks of its tasks' files and they do not have: shots, splits, data seeds. Nothing is read. */
export function dataProblems(
  configuration: StudyConfiguration,
  tasks: readonly TaskEntry[],
  report: AddProblem,
): void {
  // A task may be source and target: one finding is enough.
  const told = new Set<string>();
  const add: AddProblem = (severity, code, path, message, remedy) => {
    if (told.has(message)) return;
    told.add(message);
    report(severity, code, path, message, remedy);
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
            `The task '${task.name}' has no test file: it has no results on test, only on dev.`,
            `Add ${missing('test')}, or look at dev (deltaloom results --split dev).`,
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
