import { SCORE_METHOD_INFO } from '../core/methods.js';
import { nearestName, sourceTasks, targetTasks } from './catalogue.js';
import type { StudyConfiguration } from './configuration.js';
import { dataProblems, type AddProblem } from './data-problems.js';
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
  const add: AddProblem = (severity, code, path, message, remedy) => {
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
      if (list.indexOf(name) < i) {
        add(
          'warning',
          'task-named-twice',
          [...path, i],
          `The task '${name}' is named more than once in '${path.join('.')}'. It counts once.`,
          'Remove it here, or name the task that is meant.',
        );
        return;
      }
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
  const sources = sourceTasks(configuration, tasks);
  for (const target of targetTasks(configuration, tasks).filter((name) => known.has(name))) {
    if (sources.some((name) => name !== target && known.has(name))) continue;
    add(
      'error',
      'no-other-source',
      ['sources', 'tasks'],
      `There is no source for the target '${target}' but its own: nothing to merge.`,
      'Add another task to the sources.',
    );
  }
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
  dataProblems(configuration, tasks, add);
  return problems;
}
