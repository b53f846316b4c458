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

/** What the study asks of its tasks' files and they do not have: shots, splits, data seeds; and seeds that share their data. Nothing is read. */
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
  for (const [seeds, names] of tasksOfSharedData(targets, tasks)) {
    const [first = ''] = names;
    const where = names.length === 1 ? `the task '${first}'` : `${names.length} tasks, '${first}' among them`;
    add(
      'warning',
      'seeds-share-data',
      ['targets', 'seeds'],
      `The seeds ${seeds} train on the same files of ${where}: their results differ by the course of training alone, and are averaged as separate samples.`,
      "Name in 'targets.seeds' those that have files of their own, or add the files.",
    );
  }
}

/** Seeds that read one file, for people ('7 and 13'), with the tasks in which they do: hundreds of tasks are one finding. */
function tasksOfSharedData(
  { tasks: names, shots, seeds }: StudyConfiguration['targets'],
  tasks: readonly TaskEntry[],
): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>();
  for (const task of tasks) {
    if (names !== undefined && !names.includes(task.name)) continue;
    const readers = new Map<number, number[]>();
    for (const seed of new Set(seeds)) {
      const chosen = chosenOrRefused(task, shots, { seed, required: false });
      if (chosen instanceof DeltaloomError) continue;
      readers.set(chosen.data.seed, [...(readers.get(chosen.data.seed) ?? []), seed]);
    }
    for (const sharing of readers.values()) {
      if (sharing.length === 1) continue;
      const said = `${sharing.slice(0, -1).join(', ')} and ${sharing.at(-1)}`;
      found.set(said, [...(found.get(said) ?? []), task.name]);
    }
  }
  return found;
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
