import { window } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import { COMMANDS, MEMORY } from '../identifiers.js';
import { STRINGS } from '../strings.js';
import type { IndexedStudy } from '../tree/nodes.js';
import { relativeToStudy } from '../../study/paths.js';
import type { CommandEnvironment, CommandTable } from './environment.js';
import { pickOne, pickTask } from './pickers.js';
import { chooseTask, chooseTasks, isNode, pathOfWeights, weightRows, type NamedTarget } from './targets.js';
import {
  collectDeltas,
  collectInitialisations,
  collectRoles,
  collectShots,
  makeTuneRequest,
  parseSeeds,
  repeatChoice,
  type InitialisationRequest,
  type TuneChoice,
} from './tune-choices.js';

/** For callers that know it all (panels, key bindings, tests): nothing is asked. */
export interface TuneArguments extends NamedTarget {
  readonly choice?: TuneChoice;
}

export function tuningCommands(environment: CommandEnvironment): CommandTable {
  return {
    [COMMANDS.tune]: async (first, others) => {
      const chosen = await chooseTasks(environment.view, first, others, STRINGS.tune.title);
      if (chosen === undefined) return undefined;
      const { owner, tasks } = chosen;
      const given = isNode(first) ? undefined : (first as TuneArguments | undefined)?.choice;
      const choice = given ?? (await chooseTuning(environment, owner, tasks));
      return choice === undefined ? undefined : submitTuning(environment, owner, tasks, choice);
    },
    [COMMANDS.tuneAgain]: async (first, others) => {
      const chosen = await chooseTasks(environment.view, first, others, STRINGS.tune.title);
      if (chosen === undefined) return undefined;
      const { owner, tasks } = chosen;
      const choice = repeatChoice(rememberedTuning(environment, owner), tasks, owner.index);
      if (choice === undefined) throw new DeltaloomError('no-delta', STRINGS.tune.nothingToRepeat);
      return submitTuning(environment, owner, tasks, choice);
    },
    [COMMANDS.useAsInitialisation]: async (first) => {
      const row = isNode(first) ? weightRows([first])[0] : undefined;
      if (row === undefined) return chooseInitialisation(environment, first);
      const owner = ownerOf(environment, row.study.directory);
      const deltaName = row.kind === 'merge' ? row.merge.record.deltaName : row.checkpoint.run.deltaName;
      if (row.kind === 'merge') {
        const { id, target } = row.merge.record;
        pathOfWeights(row);
        return tuneFrom(environment, owner, target, deltaName, { kind: 'merge', id });
      }
      const path = pathOfWeights(row);
      const task = await pickTask(owner, STRINGS.tune.title, STRINGS.checkpoints.useFor);
      if (task === undefined) return undefined;
      return tuneFrom(environment, owner, task, deltaName, { kind: 'checkpoint', path });
    },
  };
}

/** A few-shot run of a task from a given start, with the study's own settings. */
export function tuneFrom(
  environment: CommandEnvironment,
  owner: IndexedStudy,
  task: string,
  deltaName: string,
  initialisation: InitialisationRequest,
): Promise<string> {
  return submitTuning(environment, owner, [task], { role: 'target', deltaName, initialisation });
}

export function ownerOf({ view }: CommandEnvironment, directory: string): IndexedStudy {
  const owner = view.indexed().find(({ study }) => study.directory === directory);
  if (owner === undefined) throw new DeltaloomError('no-study', STRINGS.messages.noStudy);
  return owner;
}

/** From the palette: first the task, then what it starts from. */
async function chooseInitialisation(
  environment: CommandEnvironment,
  argument: unknown,
): Promise<string | undefined> {
  const chosen = await chooseTask(environment.view, argument, STRINGS.tune.title);
  if (chosen === undefined) return undefined;
  const { owner, task } = chosen;
  const configuration = configurationOf(owner);
  const title = `${STRINGS.tune.title} ${task}`;
  const deltaName = await pickOne(collectDeltas(configuration), { title, placeholder: STRINGS.tune.delta });
  if (deltaName === undefined) return undefined;
  const initialisation = await pickOne(
    collectInitialisations(owner.index, [task], deltaName, undefined, Date.now()),
    { title, placeholder: STRINGS.tune.initialisation },
    { askAlways: true },
  );
  if (initialisation === undefined) return undefined;
  return tuneFrom(environment, owner, task, deltaName, initialisation);
}

async function chooseTuning(
  environment: CommandEnvironment,
  owner: IndexedStudy,
  tasks: readonly string[],
): Promise<TuneChoice | undefined> {
  const configuration = configurationOf(owner);
  const last = rememberedTuning(environment, owner);
  const title = `${STRINGS.tune.title} ${tasks.length === 1 ? (tasks[0] ?? '') : STRINGS.tree.tasks(tasks.length)}`;
  const role = await pickOne(collectRoles(configuration, last), { title, placeholder: STRINGS.tune.role });
  if (role === undefined) return undefined;
  const deltaName = await pickOne(collectDeltas(configuration, last?.deltaName), {
    title,
    placeholder: STRINGS.tune.delta,
  });
  if (deltaName === undefined) return undefined;
  // All sources of a study start from its one shared initialisation.
  const initialisation: InitialisationRequest | undefined =
    role === 'source'
      ? { kind: 'random' }
      : await pickOne(
          collectInitialisations(owner.index, tasks, deltaName, last?.initialisation, Date.now()),
          { title, placeholder: STRINGS.tune.initialisation },
        );
  if (initialisation === undefined) return undefined;
  // Shots and seeds of a target say nothing about a source.
  const lastInRole = last?.role === role ? last : undefined;
  const contents = tasks.flatMap((task) => owner.index.tasks.get(task) ?? []);
  const shots = await pickOne(collectShots(contents, role, configuration, lastInRole?.shots), {
    title,
    placeholder: STRINGS.tune.shots,
  });
  if (shots === undefined) return undefined;
  const suggested =
    lastInRole?.seeds ?? (role === 'source' ? [configuration.sources.seed] : configuration.targets.seeds);
  const text = await window.showInputBox({
    title,
    prompt: STRINGS.tune.seeds,
    value: suggested.join(', '),
    validateInput: (value) => (parseSeeds(value) === undefined ? STRINGS.tune.seedsInvalid : undefined),
  });
  const seeds = text === undefined ? undefined : parseSeeds(text);
  return seeds === undefined ? undefined : { role, deltaName, initialisation, shots, seeds };
}

async function submitTuning(
  environment: CommandEnvironment,
  owner: IndexedStudy,
  tasks: readonly string[],
  choice: TuneChoice,
): Promise<string> {
  const { directory } = owner.study;
  const { initialisation } = choice;
  const request = makeTuneRequest(
    tasks,
    initialisation.kind === 'checkpoint'
      ? {
          ...choice,
          initialisation: { kind: 'checkpoint', path: relativeToStudy(directory, initialisation.path) },
        }
      : choice,
  );
  await environment.services.memory.update(MEMORY.lastTuning, {
    ...environment.services.memory.get<Record<string, TuneChoice>>(MEMORY.lastTuning),
    [directory]: choice,
  });
  const job = await environment.jobs.submit(directory, request, { priority: 'interactive' });
  return job.id;
}

function rememberedTuning({ services }: CommandEnvironment, { study }: IndexedStudy): TuneChoice | undefined {
  return services.memory.get<Record<string, TuneChoice>>(MEMORY.lastTuning)?.[study.directory];
}

export function configurationOf({ index }: IndexedStudy): NonNullable<typeof index.snapshot.configuration> {
  const { configuration, problems } = index.snapshot;
  if (configuration !== null) return configuration;
  const [problem] = problems;
  throw new DeltaloomError('configuration-broken', problem?.message ?? STRINGS.messages.noStudy, {
    place: { file: 'deltaloom.json', ...(problem?.line === undefined ? {} : { line: problem.line }) },
    ...(problem === undefined ? {} : { remedy: problem.remedy }),
  });
}
