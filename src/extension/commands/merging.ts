import { DeltaloomError } from '../../core/errors.js';
import { mergeAsRecorded } from '../../study/merge-choices.js';
import type { MergeRecord } from '../../study/records.js';
import { configuredTemperatures } from '../../study/temperatures.js';
import { COMMANDS } from '../identifiers.js';
import { STRINGS } from '../strings.js';
import { formatMerge, formatMergeLabel } from '../tree/labels.js';
import { checkKey, type CheckpointNode, type IndexedStudy } from '../tree/nodes.js';
import { outdatedMerges } from '../tree/study-index.js';
import type { CommandEnvironment, CommandTable } from './environment.js';
import {
  collectMergeRules,
  collectTemperatures,
  mergeByRule,
  mergeSelectedByRule,
  sourceTasks,
  typedTemperature,
  weightsOf,
  type MergeBy,
  type MergeRule,
} from './merge-choices.js';
import { pickOne, pickOrType, pickTask } from './pickers.js';
import { chooseStudy, chooseTasks, isNode, rowsOf, type NamedTarget } from './targets.js';
import { collectDeltas } from './tune-choices.js';
import { configurationOf, ownerOf } from './tuning.js';

export interface MergeArguments extends NamedTarget {
  readonly deltaName?: string;
  readonly by?: MergeBy;
}

export function mergingCommands(environment: CommandEnvironment): CommandTable {
  return {
    [COMMANDS.merge]: async (first, others) => {
      const chosen = await chooseTasks(environment.view, first, others, STRINGS.merge.title);
      const [target] = chosen?.tasks ?? [];
      if (chosen === undefined || target === undefined) return undefined;
      const { owner } = chosen;
      const given = isNode(first) ? undefined : (first as MergeArguments | undefined);
      const deltaName =
        given?.deltaName ??
        (await pickOne(
          collectDeltas(configurationOf(owner)).filter(
            ({ value }) => sourceTasks(owner.index, value).length > 0,
          ),
          { title: `${STRINGS.merge.title}: ${target}`, placeholder: STRINGS.merge.delta },
        ));
      if (deltaName === undefined) {
        if (given === undefined && sourcesExist(owner)) return undefined;
        throw new DeltaloomError('no-sources', STRINGS.merge.noSources);
      }
      const by = given?.by ?? (await chooseRule(owner, target, deltaName));
      return by === undefined ? undefined : submitMerge(environment, owner, target, deltaName, by);
    },
    [COMMANDS.mergeSelected]: async (first, others) => {
      const rows = rowsOf(first, others).filter((row) => row.kind === 'checkpoint');
      // Boxes are an explicit choice: they count together with the rows, never instead of them.
      const nodes = unique([...rows, ...environment.view.checkedCheckpoints()]);
      const { directory, deltaName, tasks } = agreeingSources(nodes);
      const owner = ownerOf(environment, directory);
      const target = await pickTask(owner, STRINGS.merge.title, STRINGS.merge.target);
      if (target === undefined) return undefined;
      const sources = tasks.filter((task) => task !== target);
      if (sources.length === 0) throw new DeltaloomError('too-few-sources', STRINGS.merge.tooFew);
      const title = `${STRINGS.merge.title}: ${target}`;
      const rule = await pickOne(
        collectMergeRules(owner.index, target, deltaName, sources),
        { title, placeholder: STRINGS.merge.selectedBy(sources.length) },
        { askAlways: true },
      );
      if (rule === undefined) return undefined;
      const temperature = rule.kind === 'score' ? await chooseTemperature(owner, rule, target, title) : 1;
      if (temperature === undefined) return undefined;
      const by = mergeSelectedByRule(rule, target, sources, temperature);
      return submitMerge(environment, owner, target, deltaName, by);
    },
    [COMMANDS.mergeAgain]: async (first, others) => {
      const owner = await chooseStudy(environment.view, first, STRINGS.merge.againTitle);
      if (owner === undefined) return undefined;
      const rows = rowsOf(first, others).filter((row) => row.kind === 'merge');
      const records = rows.length > 0 ? rows.map(({ merge }) => merge.record) : await pickOutdated(owner);
      const jobs = records.map((record) =>
        submitMerge(environment, owner, record.target, record.deltaName, mergeAsRecorded(record)),
      );
      return (await Promise.all(jobs)).at(-1);
    },
    [COMMANDS.clearChecked]: () => {
      environment.view.clearChecked();
      return Promise.resolve();
    },
  };
}

export async function submitMerge(
  { jobs }: CommandEnvironment,
  { study }: IndexedStudy,
  target: string,
  deltaName: string,
  by: MergeBy,
): Promise<string> {
  const job = await jobs.submit(
    study.directory,
    { kind: 'merge', target, deltaName, by },
    { priority: 'interactive' },
  );
  return job.id;
}

/** One of the merges whose weights are not here, or are of sources that have changed. */
async function pickOutdated({ index }: IndexedStudy): Promise<MergeRecord[]> {
  const choices = outdatedMerges(index).map(({ record, reason }) => ({
    label: `${record.target}: ${formatMerge(record)}`,
    description: record.deltaName,
    detail: reason ?? '',
    value: record,
  }));
  if (choices.length === 0) throw new DeltaloomError('nothing-to-merge-again', STRINGS.merge.noneAgain);
  const chosen = await pickOne(
    choices,
    { title: STRINGS.merge.againTitle, placeholder: STRINGS.merge.again },
    { askAlways: true },
  );
  return chosen === undefined ? [] : [chosen];
}

async function chooseRule(
  owner: IndexedStudy,
  target: string,
  deltaName: string,
): Promise<MergeBy | undefined> {
  const title = `${STRINGS.merge.title}: ${target} (${deltaName})`;
  const rule = await pickOne(
    collectMergeRules(owner.index, target, deltaName),
    { title, placeholder: STRINGS.merge.by },
    { askAlways: true },
  );
  if (rule === undefined) return undefined;
  if (rule.kind !== 'score') return mergeByRule(rule, undefined);
  const temperature = await chooseTemperature(owner, rule, target, title);
  return temperature === undefined ? undefined : mergeByRule(rule, temperature);
}

function chooseTemperature(
  owner: IndexedStudy,
  { row }: Extract<MergeRule, { kind: 'score' }>,
  target: string,
  title: string,
): Promise<number | undefined> {
  // Scores that can't become weights (NaN) are told now, not after a temperature was chosen.
  weightsOf(row, target, 1);
  const { configuration } = owner.index.snapshot;
  const configured = configuredTemperatures(configuration, row.matrix.deltaName)[row.method];
  return pickOrType(
    collectTemperatures(row, target, configured),
    { title: `${title} · ${formatMergeLabel(row.method)}`, placeholder: STRINGS.merge.temperature },
    (text) => typedTemperature(text, row, target),
  );
}

/** Checks that the chosen checkpoints can be merged with one another. */
export function agreeingSources(nodes: readonly CheckpointNode[]): {
  readonly directory: string;
  readonly deltaName: string;
  readonly tasks: readonly string[];
} {
  const [first] = nodes;
  if (first === undefined || nodes.length < 2)
    throw new DeltaloomError('too-few-sources', STRINGS.merge.tooFew);
  const { directory } = first.study;
  const deltas = new Set(nodes.map(({ checkpoint }) => checkpoint.run.deltaName));
  if (deltas.size > 1) {
    throw new DeltaloomError('several-deltas', STRINGS.merge.severalDeltas([...deltas].join(', ')));
  }
  const tasks: string[] = [];
  for (const { study, checkpoint } of nodes) {
    const { task, role } = checkpoint.run;
    if (study.directory !== directory)
      throw new DeltaloomError('several-studies', STRINGS.merge.severalStudies);
    if (role !== 'source') throw new DeltaloomError('not-a-source', STRINGS.merge.onlyCurrentSources(task));
    if (tasks.includes(task)) throw new DeltaloomError('duplicate-task', STRINGS.merge.duplicateTasks(task));
    tasks.push(task);
  }
  return { directory, deltaName: first.checkpoint.run.deltaName, tasks };
}

function unique(nodes: readonly CheckpointNode[]): CheckpointNode[] {
  return [...new Map(nodes.map((node) => [checkKey(node), node])).values()];
}

function sourcesExist({ index }: IndexedStudy): boolean {
  return [...index.tasks.values()].some(({ checkpoints }) =>
    checkpoints.some(({ run }) => run.role === 'source'),
  );
}
