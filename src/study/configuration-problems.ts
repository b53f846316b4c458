import { DeltaloomError } from '../core/errors.js';
import { SCORE_METHOD_INFO } from '../core/methods.js';
import { chooseData, nearestName, type ChosenData } from './catalogue.js';
import type { StudyConfiguration } from './configuration.js';
import { STUDY_FILE } from './paths.js';
import type { StudyProblem, TaskEntry } from './snapshot.js';

type Path = (string | number)[];

/**
 * What a valid configuration says that does not fit the tasks there are: names of tasks that do not exist, groups that
 * can't serve, shots without a file. Nothing is read.
 */
export function configurationProblems(
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
  ): void => {
    problems.push({ severity, code, message, remedy, file: STUDY_FILE, line: lineOf(path), path });
  };
  const names = tasks.map(({ name }) => name);
  const known = new Set(names);

  if (tasks.length === 0) {
    add(
      'error',
      'tasks-missing',
      ['tasks'],
      `The folder '${configuration.tasks}' holds no task.`,
      'A task is a folder NAME with files NAME_{shots}_{seed}_{train,dev,test}.tsv.',
    );
    return problems;
  }

  const checkNames = (list: readonly string[] | undefined, path: Path): void => {
    list?.forEach((name, i) => {
      if (known.has(name)) return;
      const near = nearestName(name, names);
      add(
        'error',
        'task-unknown',
        [...path, i],
        `There is no task '${name}' in '${configuration.tasks}'.`,
        near === undefined ? 'Remove it, or add the task.' : `Did you mean '${near}'?`,
      );
    });
  };
  checkNames(configuration.sources.tasks, ['sources', 'tasks']);
  checkNames(configuration.targets.tasks, ['targets', 'tasks']);
  for (const [group, members] of Object.entries(configuration.groups)) {
    checkNames(members, ['groups', group]);
    if (members.filter((name) => known.has(name)).length === 1) {
      add(
        'warning',
        'group-of-one',
        ['groups', group],
        `The group '${group}' has a single task: merging by group has no other source to average.`,
        'Add related tasks, or remove the group.',
      );
    }
  }
  for (const name of Object.keys(configuration.metrics)) {
    if (!known.has(name)) {
      add(
        'warning',
        'task-unknown',
        ['metrics', name],
        `A metric is given for '${name}', which is no task of the study.`,
        'Correct the name, or remove the line.',
      );
    }
  }
  if (Object.keys(configuration.deltas).length === 0) {
    add(
      'error',
      'deltas-missing',
      ['deltas'],
      'The study has no delta settings.',
      'Add one, for example "adapter": { "type": "adapter" }.',
    );
  }
  const byDelta = [
    { path: ['sources', 'tuningByDelta'], own: configuration.sources.tuningByDelta },
    { path: ['targets', 'tuningByDelta'], own: configuration.targets.tuningByDelta },
    { path: ['weights', 'temperaturesByDelta'], own: configuration.weights.temperaturesByDelta },
  ];
  for (const { path, own } of byDelta) {
    for (const name of Object.keys(own)) {
      if (Object.hasOwn(configuration.deltas, name)) continue;
      const near = nearestName(name, Object.keys(configuration.deltas));
      add(
        'error',
        'delta-unknown',
        [...path, name],
        `The study has no delta settings called '${name}'.`,
        near === undefined ? 'Remove it, or add the delta.' : `Did you mean '${near}'?`,
      );
    }
  }
  for (const granularity of configuration.scores.granularities) {
    const served = configuration.scores.methods.some((method) =>
      SCORE_METHOD_INFO[method].granularities.includes(granularity),
    );
    if (!served && configuration.scores.methods.length > 0) {
      add(
        'warning',
        'granularity-unused',
        ['scores', 'granularities'],
        `None of the chosen methods has the granularity '${granularity}'.`,
        "Add 'grand' or 'hidden-cosine', or remove the granularity.",
      );
    }
  }
  problems.push(...dataProblems(configuration, tasks, lineOf));
  return problems;
}

/** What the study asks of its tasks' files and they do not have. */
function dataProblems(
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
