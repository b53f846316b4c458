import { DeltaloomError } from '../core/errors.js';
import { FALLBACK_METRIC, metricOfTask, type MetricName } from '../core/metric-names.js';
import { listCrossFitTasks } from '../formats/crossfit.js';
import type { StudyConfiguration } from './configuration.js';
import { relativeToStudy, resolveInStudy } from './paths.js';
import type { TaskData, TaskEntry } from './snapshot.js';

/** The tasks of a study with their files, metrics and groups. */

/**
 * Lists the tasks folder; nothing is read but directories.
 *
 * @throws DeltaloomError `folder-missing` naming the tasks folder
 */
export async function readCatalogue(
  directory: string,
  configuration: StudyConfiguration,
): Promise<TaskEntry[]> {
  const tasks = await listCrossFitTasks(resolveInStudy(directory, configuration.tasks));
  return tasks.map(({ name, samplings }) => ({
    name,
    groups: groupsOf(name, configuration),
    metric: metricNameOf(name, configuration),
    data: samplings.map(({ shots, seed, files }) => ({
      shots,
      seed,
      files: Object.fromEntries(
        Object.entries(files).map(([split, file]) => [split, relativeToStudy(directory, file)]),
      ),
    })),
  }));
}

function groupsOf(task: string, configuration: StudyConfiguration): string[] {
  return Object.entries(configuration.groups)
    .filter(([, members]) => members.includes(task))
    .map(([name]) => name);
}

/** The study's own choice, else CrossFit's, else exact match. */
export function metricNameOf(task: string, configuration: StudyConfiguration): MetricName {
  const own = Object.hasOwn(configuration.metrics, task) ? configuration.metrics[task] : undefined;
  return own ?? metricOfTask(task) ?? FALLBACK_METRIC;
}

/** @throws DeltaloomError `task-unknown`, with the nearest name as remedy */
export function taskNamed(name: string, tasks: readonly TaskEntry[]): TaskEntry {
  const found = tasks.find((task) => task.name === name);
  if (found !== undefined) return found;
  const near = nearestName(
    name,
    tasks.map((task) => task.name),
  );
  throw new DeltaloomError('task-unknown', `The study has no task '${name}'.`, {
    remedy: near === undefined ? 'deltaloom status lists the tasks of the study.' : `Did you mean '${near}'?`,
  });
}

/** Source tasks in the study's order: those it names, each once, else all. */
export function sourceTasks(configuration: StudyConfiguration, tasks: readonly TaskEntry[]): string[] {
  return namedOnceOrAll(configuration.sources.tasks, tasks);
}

/** Target tasks in the study's order: those it names, each once, else all. */
export function targetTasks(configuration: StudyConfiguration, tasks: readonly TaskEntry[]): string[] {
  return namedOnceOrAll(configuration.targets.tasks, tasks);
}

/** A task that is named twice would count twice in averages. */
function namedOnceOrAll(named: readonly string[] | undefined, tasks: readonly TaskEntry[]): string[] {
  return [...new Set(named ?? tasks.map(({ name }) => name))];
}

/** Which files serve a number of shots. */
export interface ChosenData {
  readonly data: TaskData;
  /** Examples to draw where the files hold more than were asked for; null: take all. */
  readonly draw: number | null;
  /** Test file: of this data, else of the first that has one. */
  readonly test: string | undefined;
}

/**
 * Chooses the files for `shots`: those of exactly that number; else the next larger ones, from which that many examples
 * are drawn. `full` means the full files, or the largest there are. Of several data seeds the one asked for, else the first.
 *
 * @throws DeltaloomError `task-shots-missing`, `data-seed-missing`
 */
export function chooseData(
  task: TaskEntry,
  shots: number | 'full',
  dataSeed?: { readonly seed: number; readonly required: boolean },
): ChosenData {
  const usable = task.data.filter(({ files }) => files.train !== undefined);
  if (usable.length === 0) {
    throw new DeltaloomError('task-without-train', `The task '${task.name}' has no train file.`, {
      remedy: `Add ${task.name}_{shots}_{seed}_train.tsv to its folder.`,
    });
  }
  const sizes = usable.map((data) => size(data.shots));
  const wanted = size(shots);
  const chosen = shots === 'full' ? Math.max(...sizes) : Math.min(...sizes.filter((own) => own >= wanted));
  if (!sizes.includes(chosen)) {
    throw new DeltaloomError(
      'task-shots-missing',
      `The task '${task.name}' has no file for ${shots} shots, nor for more (it has ${usable.map((data) => data.shots).join(', ')}).`,
      { remedy: 'Ask for fewer shots, or add a larger file.' },
    );
  }
  const candidates = usable.filter((data) => size(data.shots) === chosen);
  const exact = candidates.find(({ seed }) => seed === dataSeed?.seed);
  const [first] = candidates;
  if (exact === undefined && dataSeed?.required === true) {
    throw new DeltaloomError(
      'data-seed-missing',
      `The task '${task.name}' has no file of data seed ${dataSeed.seed} (it has ${candidates.map(({ seed }) => seed).join(', ')}).`,
      { remedy: 'Choose another seed, or add the file.' },
    );
  }
  const data = exact ?? first;
  if (data === undefined) throw new Error('unreachable: a size without a file');
  return {
    data,
    draw: shots !== 'full' && chosen > wanted ? shots : null,
    test: data.files.test ?? task.data.find(({ files }) => files.test !== undefined)?.files.test,
  };
}

function size(shots: number | 'full'): number {
  return shots === 'full' ? Number.POSITIVE_INFINITY : shots;
}

/** The name that a typing error was probably meant to be, if any is near. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.max(1, Math.floor(name.length / 3))
    ? best.candidate
    : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
