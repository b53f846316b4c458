import type { StudyConfiguration } from '../../study/configuration.js';
import type { JobRequest } from '../../study/jobs.js';
import { STRINGS } from '../strings.js';
import { formatAge } from '../durations.js';
import {
  formatMerge,
  formatMetric,
  formatRun,
  formatSettingName,
  formatShots,
  joinParts,
} from '../tree/labels.js';
import type { StudyIndex, TaskContents } from '../tree/study-index.js';

export type TuneRequest = Extract<JobRequest, { kind: 'tune' }>;
export type InitialisationRequest = TuneRequest['initialisation'];

/** An entry of a quick pick, before VS Code sees it. */
export interface Choice<T> {
  readonly label: string;
  readonly description?: string;
  readonly detail?: string;
  readonly value: T;
  /** Entries with the same heading stand below it. */
  readonly heading?: string;
  readonly picked?: boolean;
}

/** What was chosen last, remembered per study; the tasks are those of the next call. */
export interface TuneChoice {
  readonly role: 'source' | 'target';
  readonly deltaName: string;
  readonly initialisation: InitialisationRequest;
  readonly shots?: number | 'full';
  readonly seeds?: readonly number[];
}

export function makeTuneRequest(tasks: readonly string[], choice: TuneChoice): TuneRequest {
  const { role, deltaName, initialisation, shots, seeds } = choice;
  return {
    kind: 'tune',
    tasks: [...tasks],
    deltaName,
    role,
    // A merge belongs to one target: for another task the last choice means a random start.
    initialisation,
    ...(shots === undefined ? {} : { shots }),
    ...(seeds === undefined ? {} : { seeds: [...seeds] }),
    ...(role === 'target' ? { test: true } : {}),
  };
}

/** What 'tune with the last choice' does for other tasks than it was chosen for. */
export function repeatChoice(
  last: TuneChoice | undefined,
  tasks: readonly string[],
  index: StudyIndex,
): TuneChoice | undefined {
  const configuration = index.snapshot.configuration;
  if (configuration === null) return undefined;
  const choice = last ?? defaultChoice(configuration);
  if (choice === undefined || configuration.deltas[choice.deltaName] === undefined) {
    return defaultChoice(configuration);
  }
  const { initialisation } = choice;
  const fits =
    initialisation.kind === 'random' ||
    (initialisation.kind === 'checkpoint' && choice.role === 'target') ||
    (initialisation.kind === 'merge' &&
      tasks.every((task) => index.mergeById.has(`${task}/${initialisation.id}`)));
  return fits ? choice : { ...choice, initialisation: { kind: 'random' } };
}

function defaultChoice(configuration: StudyConfiguration): TuneChoice | undefined {
  const [deltaName] = Object.keys(configuration.deltas);
  return deltaName === undefined
    ? undefined
    : { role: 'target', deltaName, initialisation: { kind: 'random' } };
}

export function collectRoles(
  configuration: StudyConfiguration,
  last: TuneChoice | undefined,
): Choice<'source' | 'target'>[] {
  const { sources, targets } = configuration;
  const roles: Choice<'source' | 'target'>[] = [
    {
      label: STRINGS.tune.asTarget,
      detail: STRINGS.tune.asTargetDetail(formatShots(targets.shots), targets.seeds.join(', ')),
      value: 'target',
    },
    {
      label: STRINGS.tune.asSource,
      detail: STRINGS.tune.asSourceDetail(formatShots(sources.shots)),
      value: 'source',
    },
  ];
  return lastFirst(roles, (value) => value === last?.role);
}

export function collectDeltas(configuration: StudyConfiguration, last?: string): Choice<string>[] {
  const choices = Object.entries(configuration.deltas).map(([name, settings]): Choice<string> => {
    const { type, ...rest } = settings;
    const details = Object.entries(rest).map(
      ([key, value]) =>
        `${formatSettingName(key)} ${Array.isArray(value) ? value.join(' + ') : String(value)}`,
    );
    return {
      label: name,
      ...(name === type ? {} : { description: type }),
      detail: details.join(', '),
      value: name,
    };
  });
  return lastFirst(choices, (value) => value === last);
}

/** Random, the merges of this task, and every checkpoint of that delta whose weights are here; last those that have seen the task. */
export function collectInitialisations(
  index: StudyIndex,
  tasks: readonly string[],
  deltaName: string,
  last: InitialisationRequest | undefined,
  now: number,
): Choice<InitialisationRequest>[] {
  const choices: Choice<InitialisationRequest>[] = [
    {
      label: STRINGS.tune.random,
      description: STRINGS.tune.randomDetail,
      value: { kind: 'random' },
    },
  ];
  const [task] = tasks;
  if (tasks.length === 1 && task !== undefined) {
    for (const { record, state, weightsHere } of index.tasks.get(task)?.merges ?? []) {
      if (record.deltaName !== deltaName || !weightsHere) continue;
      choices.push({
        heading: STRINGS.tune.fromMerge,
        label: formatMerge(record),
        description: joinParts([
          record.temperature === null ? '' : `τ ${record.temperature}`,
          `${record.sources.length} sources`,
          state === 'stale' ? 'stale' : '',
          formatAge(record.provenance.time, now),
        ]),
        value: { kind: 'merge', id: record.id },
      });
    }
  }
  const isOwn = ({ task: { name } }: TaskContents): boolean => tasks.includes(name);
  const others = [...index.tasks.values()].filter((contents) => !isOwn(contents));
  for (const contents of [...others, ...[...index.tasks.values()].filter(isOwn)]) {
    for (const { run, state, weightsHere, score } of contents.checkpoints) {
      if (run.deltaName !== deltaName || run.checkpoint === null) continue;
      if (state === 'failed' || !weightsHere) continue;
      choices.push({
        heading: STRINGS.tune.fromCheckpoint,
        label: run.task,
        description: joinParts([
          formatMetric(score),
          formatRun(run),
          formatAge(run.provenance.time, now),
          isOwn(contents) ? STRINGS.tune.ownData : '',
        ]),
        value: { kind: 'checkpoint', path: run.checkpoint.path },
      });
    }
  }
  // Only within its own heading: headings must not be torn apart.
  const isLast = ({ value }: Choice<InitialisationRequest>): boolean =>
    last !== undefined && JSON.stringify(value) === JSON.stringify(last);
  return choices.map((choice) => (isLast(choice) ? { ...choice, picked: true } : choice));
}

/** The numbers of shots for which there is data, the study's own first. */
export function collectShots(
  tasks: readonly TaskContents[],
  role: 'source' | 'target',
  configuration: StudyConfiguration,
  last: number | 'full' | undefined,
): Choice<number | 'full'>[] {
  const own = role === 'source' ? configuration.sources.shots : configuration.targets.shots;
  const common = tasks
    .map(({ task }) => new Set(task.data.map(({ shots }) => shots)))
    .reduce<Set<number | 'full'> | undefined>(
      (kept, next) => (kept === undefined ? next : new Set([...kept].filter((shots) => next.has(shots)))),
      undefined,
    );
  const all = [...new Set([own, ...(common ?? [])])];
  const choices = all.map((shots): Choice<number | 'full'> => ({
    label: formatShots(shots),
    ...(shots === own ? { description: STRINGS.merge.configured } : {}),
    value: shots,
  }));
  return lastFirst(choices, (value) => value === last);
}

/** '13, 42' -> [13, 42]; undefined where something is no seed. */
export function parseSeeds(text: string): number[] | undefined {
  const parts = text.split(',').map((part) => part.trim());
  const seeds = parts.map(Number);
  const good = parts.every((part) => /^\d+$/.test(part)) && seeds.every((seed) => seed <= 4294967295);
  return good ? [...new Set(seeds)] : undefined;
}

function lastFirst<T>(choices: readonly Choice<T>[], isLast: (value: T) => boolean): Choice<T>[] {
  const last = choices.find(({ value }) => isLast(value));
  if (last === undefined) return [...choices];
  const marked = {
    ...last,
    description: [last.description, STRINGS.tune.lastUsed].filter((part) => part !== undefined).join(' · '),
  };
  return [marked, ...choices.filter((choice) => choice !== last)];
}
