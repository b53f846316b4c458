import { SCORE_METHOD_INFO } from '../core/methods.js';
import { nearestName } from './catalogue.js';
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
  problems.push(...shotProblems(configuration, tasks, lineOf));
  return problems;
}

function shotProblems(
  configuration: StudyConfiguration,
  tasks: readonly TaskEntry[],
  lineOf: (path: Path) => number,
): StudyProblem[] {
  const problems: StudyProblem[] = [];
  const roles = [
    { name: 'sources', names: configuration.sources.tasks, shots: configuration.sources.shots },
    { name: 'targets', names: configuration.targets.tasks, shots: configuration.targets.shots },
  ] as const;
  for (const { name: role, names, shots } of roles) {
    for (const task of tasks) {
      if (names !== undefined && !names.includes(task.name)) continue;
      const train = task.data.filter(({ files }) => files.train !== undefined);
      const serves = train.some((data) => shots === 'full' || data.shots === 'full' || data.shots >= shots);
      if (!serves) {
        const path = [role, 'shots'];
        problems.push({
          severity: 'error',
          code: train.length === 0 ? 'task-without-train' : 'task-shots-missing',
          message:
            train.length === 0
              ? `The task '${task.name}' has no train file.`
              : `The task '${task.name}' has no file for ${shots} shots, nor for more (it has ${train.map((data) => data.shots).join(', ')}).`,
          remedy: 'Ask for fewer shots, add the file, or name the tasks to use.',
          file: STUDY_FILE,
          line: lineOf(path),
          path,
        });
      }
      if (!task.data.some(({ files }) => files.dev !== undefined)) {
        problems.push({
          severity: 'warning',
          code: 'task-without-dev',
          message: `The task '${task.name}' has no dev file: tuning keeps the last step, and nothing can be scored on it.`,
          remedy: `Add ${task.name}_{shots}_{seed}_dev.tsv.`,
          file: STUDY_FILE,
          line: lineOf(['tasks']),
          path: ['tasks'],
        });
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
