import { DeltaloomError } from '../../core/errors.js';
import { mergeAsRecorded } from '../../study/merge-choices.js';
import type { MergeRecord } from '../../study/records.js';
import { configuredTemperatures } from '../../study/temperatures.js';
import { COMMANDS } from '../identifiers.js';
import { STRINGS } from '../strings.js';
import { formatMerge, formatMergeLabel } from '../tree/labels.js';
import type { CheckpointNode, IndexedStudy } from '../tree/nodes.js';
import { outdatedMerges } from '../tree/study-index.js';
import type { CommandEnvironment, CommandTable } from './environment.js';
import {
  agreeingSources,
  collectMergeRules,
  collectTemperatures,
  demandSourcesInUse,
  mergeByRule,
  mergeSelectedByRule,
  sourceDeltas,
  typedTemperature,
  weightsOf,
  type MergeBy,
  type MergeRule,
} from './merge-choices.js';
import { pickOne, pickOrType, pickTask } from './pickers.js';
import { chooseStudy, chooseTask, isNode, rowsOf, type NamedTarget } from './targets.js';
import { configurationOf, ownerOf } from './tuning.js';

export interface MergeArguments extends NamedTarget {
  readonly deltaName?: string;
  readonly by?: MergeBy;
}

export function mergingCommands(environment: CommandEnvironment): CommandTable {
  return {
    [COMMANDS.merge]: async (first) => {
      const chosen = await chooseTask(environment.view, first, STRINGS.merge.title);
      if (chosen === undefined) return undefined;
      const { owner, task: target } = chosen;
      const given = isNode(first) ? undefined : (first as MergeArguments | undefined);
      const deltaName = given?.deltaName ?? (await chooseDelta(owner, target));
      if (deltaName === undefined) return undefined;
      const by = given?.by ?? (await chooseRule(owner, target, deltaName));
      return by === undefined ? undefined : submitMerge(environment, owner, target, deltaName, by);
    },
    [COMMANDS.mergeSelected]: async (first, others) => {
      const rows = rowsOf(first, others).filter((row) => row.kind === 'checkpoint');
      // Boxes are an explicit choice: they count together with the rows, never instead of them.
      const chosen = [...rows, ...environment.view.checkedCheckpoints()];
      const { directory, deltaName, tasks, nodes } = agreeingSources(chosen);
      const owner = ownerOf(environment, directory);
      await demandCurrentSources(environment, owner, nodes);
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

/** One of the deltas that another task has a source of. */
function chooseDelta(owner: IndexedStudy, target: string): Promise<string | undefined> {
  const deltas = sourceDeltas(owner.index, target, configurationOf(owner));
  // Nothing could be chosen: what to do first is said instead.
  if (deltas.length === 0) throw new DeltaloomError('no-sources', STRINGS.merge.noSources(target));
  return pickOne(deltas, {
    title: `${STRINGS.merge.title}: ${target}`,
    placeholder: STRINGS.merge.delta,
  });
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

/** Asks only where it is in doubt: most tasks have one source of a delta. */
export async function demandCurrentSources(
  { sourcesInUse }: CommandEnvironment,
  { study, index }: IndexedStudy,
  chosen: readonly CheckpointNode[],
): Promise<void> {
  const doubtful = chosen.filter(({ checkpoint }) => checkpoint.amongSources);
  const [first] = doubtful;
  if (first === undefined) return;
  const { deltaName } = first.checkpoint.run;
  const tasks = doubtful.map(({ checkpoint }) => checkpoint.run.task);
  demandSourcesInUse(index, doubtful, await sourcesInUse(study.directory, deltaName, tasks));
}
