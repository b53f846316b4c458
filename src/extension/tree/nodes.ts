import type { JobView } from '../../runtime/protocol.js';
import type { RunRecord } from '../../study/records.js';
import type { Study } from '../services.js';
import {
  errorsOf,
  jobsOfTask,
  runKey,
  type Checkpoint,
  type Merge,
  type StudyIndex,
  type TaskContents,
} from './study-index.js';
import { formatMergeLabel, formatRun } from './labels.js';
import { bestResultOf } from './best-result.js';
import { commonKey, scoreOverSeeds, seedsOf } from './seeds.js';

/** A study of the workspace with its index. */
export interface IndexedStudy {
  readonly study: Study;
  readonly index: StudyIndex;
}

interface InStudy {
  readonly study: Study;
  /** The group under which the node is shown: a task may be in several. */
  readonly group: string | null;
}

export type StudyNode = { readonly kind: 'study'; readonly study: Study; readonly index: StudyIndex };
/** What is wrong with the study as a whole: nothing else in the tree would say it. */
export type ProblemsNode = InStudy & { readonly kind: 'problems'; readonly index: StudyIndex };
export type GroupNode = InStudy & {
  readonly name: string | null;
  readonly kind: 'group';
  readonly index: StudyIndex;
  readonly tasks: readonly string[];
};
export type TaskNode = InStudy & { readonly kind: 'task'; readonly contents: TaskContents };
export type CheckpointNode = InStudy & {
  readonly kind: 'checkpoint';
  readonly checkpoint: Checkpoint;
  /** It stands below the row of its initialisation: only its seed needs to be said. */
  readonly amongSeeds?: true;
};
/** The runs of one initialisation over several seeds. */
export type SeedsNode = InStudy & {
  readonly kind: 'seeds';
  readonly contents: TaskContents;
  /** What the runs have in common: the key of `seedsOf`. */
  readonly common: string;
  readonly checkpoints: readonly Checkpoint[];
  /** Their keys, by which the learning curves are asked for. */
  readonly runs: readonly string[];
};
export type MergeNode = InStudy & { readonly kind: 'merge'; readonly merge: Merge };
export type ProbesNode = InStudy & { readonly kind: 'probes'; readonly contents: TaskContents };
export type JobNode = InStudy & { readonly kind: 'job'; readonly job: JobView; readonly task: string };
export type TreeNode =
  | StudyNode
  | ProblemsNode
  | GroupNode
  | TaskNode
  | CheckpointNode
  | SeedsNode
  | MergeNode
  | ProbesNode
  | JobNode;

export const SORT_ORDERS = ['study', 'name', 'best', 'recent'] as const;
export type SortOrder = (typeof SORT_ORDERS)[number];

/** What a person arranged; kept over a reload. */
export interface Arrangement {
  /** Words that must all occur in a row or its task; empty: everything. */
  readonly filter: string;
  readonly sort: SortOrder;
}

export const DEFAULT_ARRANGEMENT: Arrangement = { filter: '', sort: 'study' };

/** The first level: several studies, or the groups (or tasks) of the only one. */
export function collectRoots(studies: readonly IndexedStudy[], arrangement: Arrangement): TreeNode[] {
  const [only] = studies;
  if (only === undefined) return [];
  if (studies.length > 1) return studies.map(({ study, index }) => ({ kind: 'study', study, index }));
  return collectStudyChildren(only, arrangement);
}

export function collectChildren(
  node: TreeNode,
  jobs: readonly JobView[],
  arrangement: Arrangement,
): TreeNode[] {
  switch (node.kind) {
    case 'study':
      return collectStudyChildren(node, arrangement);
    case 'group':
      return collectTaskNodes(node.study, node.index, node.name ?? null, node.tasks, arrangement);
    case 'task':
      return collectTaskChildren(node, jobs, arrangement);
    case 'seeds':
      return matching(node.contents, node.checkpoints, arrangement).map((checkpoint) => ({
        ...inStudy(node),
        kind: 'checkpoint',
        checkpoint,
        amongSeeds: true,
      }));
    case 'probes':
      return node.contents.probes.map((checkpoint) => ({ ...inStudy(node), kind: 'checkpoint', checkpoint }));
    case 'problems':
    case 'checkpoint':
    case 'merge':
    case 'job':
      return [];
  }
}

function collectStudyChildren(owner: IndexedStudy, arrangement: Arrangement): TreeNode[] {
  const { study, index } = owner;
  const problems: ProblemsNode[] =
    errorsOf(index.snapshot).length === 0 ? [] : [{ kind: 'problems', study, group: null, index }];
  return [...problems, ...collectGroupNodes(owner, arrangement)];
}

function collectGroupNodes({ study, index }: IndexedStudy, arrangement: Arrangement): TreeNode[] {
  const [first] = index.groups;
  if (index.groups.length === 1 && first?.name === null) {
    return collectTaskNodes(study, index, null, first.tasks, arrangement);
  }
  return index.groups
    .map(({ name, tasks }): GroupNode => ({ kind: 'group', study, index, group: name, name, tasks }))
    .filter((group) => collectTaskNodes(study, index, group.name, group.tasks, arrangement).length > 0);
}

function collectTaskNodes(
  study: Study,
  index: StudyIndex,
  group: string | null,
  names: readonly string[],
  arrangement: Arrangement,
): TaskNode[] {
  const words = wordsOf(arrangement.filter);
  const nodes = names.flatMap((name): TaskNode[] => {
    const contents = index.tasks.get(name);
    if (contents === undefined || !taskMatches(contents, words)) return [];
    return [{ kind: 'task', study, group, contents }];
  });
  return sortTasks(nodes, arrangement.sort);
}

function sortTasks(nodes: TaskNode[], order: SortOrder): TaskNode[] {
  const name = ({ contents }: TaskNode): string => contents.task.name;
  switch (order) {
    case 'study':
      return nodes;
    case 'name':
      return nodes.sort((a, b) => name(a).localeCompare(name(b)));
    case 'best':
      return nodes.sort(
        (a, b) => (bestResultOf(b.contents)?.score ?? -1) - (bestResultOf(a.contents)?.score ?? -1),
      );
    case 'recent':
      return nodes.sort((a, b) => latest(b.contents).localeCompare(latest(a.contents)));
  }
}

function latest({ checkpoints, merges }: TaskContents): string {
  const tuned = checkpoints[0]?.run.provenance.time ?? '';
  const merged = merges[0]?.record.provenance.time ?? '';
  return tuned > merged ? tuned : merged;
}

function collectTaskChildren(node: TaskNode, jobs: readonly JobView[], arrangement: Arrangement): TreeNode[] {
  const { contents, study } = node;
  const words = wordsOf(arrangement.filter);
  // When the task's own name is what was asked for, all of it is shown.
  const whole = matches(contents.task.name, words);
  const at = inStudy(node);
  const running = jobsOfTask(jobs, study.directory, contents.task.name).map((job): JobNode => ({
    ...at,
    kind: 'job',
    job,
    task: contents.task.name,
  }));
  const tuned = collectTuned(node, arrangement);
  const merges = contents.merges
    .filter((merge) => whole || mergeMatches(contents.task.name, merge, words))
    .map((merge): MergeNode => ({ ...at, kind: 'merge', merge }));
  const probes: ProbesNode[] =
    contents.probes.length > 0 && whole ? [{ ...at, kind: 'probes', contents }] : [];
  return [...running, ...tuned, ...merges, ...probes];
}

/** A row with what decides its place. */
interface TunedRow {
  readonly node: CheckpointNode | SeedsNode;
  /** The only one, or the newest of several seeds. */
  readonly run: RunRecord;
  readonly score: number | null;
}

/** The checkpoints of a task, in one row where only the seed tells them apart. */
function collectTuned(node: TaskNode, arrangement: Arrangement): TreeNode[] {
  const { contents } = node;
  const at = inStudy(node);
  const seeds = seedsOf(contents);
  const begun = new Set<string>();
  const rows = matching(contents, contents.checkpoints, arrangement).flatMap((checkpoint): TunedRow[] => {
    const { run } = checkpoint;
    const common = commonKey(checkpoint) ?? '';
    const runs = seeds.get(common);
    if (runs === undefined) {
      return [{ node: { ...at, kind: 'checkpoint', checkpoint }, run, score: checkpoint.score }];
    }
    if (begun.has(common)) return [];
    begun.add(common);
    return [{ node: seedsNode(at, contents, common, runs), run, score: scoreOverSeeds(runs).mean }];
  });
  switch (arrangement.sort) {
    case 'best':
      rows.sort((a, b) => (b.score ?? -1) - (a.score ?? -1));
      break;
    case 'name':
      rows.sort((a, b) => formatRun(a.run).localeCompare(formatRun(b.run)));
      break;
    case 'recent':
      break;
    case 'study':
      // What others start from comes first; the rest stands as it came, the newest above.
      rows.sort((a, b) => Number(a.run.role !== 'source') - Number(b.run.role !== 'source'));
  }
  return rows.map((row) => row.node);
}

function seedsNode(
  at: InStudy,
  contents: TaskContents,
  common: string,
  checkpoints: readonly Checkpoint[],
): SeedsNode {
  return {
    ...at,
    kind: 'seeds',
    contents,
    common,
    checkpoints,
    runs: checkpoints.map(({ run }) => runKey(run.task, run.id)),
  };
}

/** The checkpoints that the filter leaves; all of them where the task's own name is what was asked for. */
function matching(
  { task }: TaskContents,
  checkpoints: readonly Checkpoint[],
  { filter }: Arrangement,
): readonly Checkpoint[] {
  const words = wordsOf(filter);
  if (matches(task.name, words)) return checkpoints;
  return checkpoints.filter((checkpoint) => checkpointMatches(task.name, checkpoint, words));
}

function inStudy({ study, group }: InStudy): InStudy {
  return { study, group };
}

function wordsOf(filter: string): string[] {
  return filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
}

function matches(text: string, words: readonly string[]): boolean {
  const lower = text.toLowerCase();
  return words.every((word) => lower.includes(word));
}

function taskMatches(contents: TaskContents, words: readonly string[]): boolean {
  const { name } = contents.task;
  return (
    matches(name, words) ||
    contents.checkpoints.some((checkpoint) => checkpointMatches(name, checkpoint, words)) ||
    contents.merges.some((merge) => mergeMatches(name, merge, words))
  );
}

function checkpointMatches(task: string, { run, state }: Checkpoint, words: readonly string[]): boolean {
  return matches(`${task} ${formatRun(run)} ${state} ${run.provenance.branch ?? ''}`, words);
}

function mergeMatches(task: string, { record, state }: Merge, words: readonly string[]): boolean {
  return matches(`${task} merge ${formatMergeLabel(record.label)} ${record.deltaName} ${state}`, words);
}

/** Stable over refreshes, so that selection and expansion stay. */
export function nodeId(node: TreeNode): string {
  const { directory } = node.study;
  switch (node.kind) {
    case 'study':
      return directory;
    case 'problems':
      return `${directory}|problems`;
    case 'group':
      return `${directory}|group|${node.name ?? ''}`;
    case 'task':
      return `${directory}|${node.group ?? ''}|task|${node.contents.task.name}`;
    case 'probes':
      return `${directory}|${node.group ?? ''}|probes|${node.contents.task.name}`;
    case 'seeds':
      return `${directory}|${node.group ?? ''}|seeds|${node.contents.task.name}|${node.common}`;
    case 'checkpoint':
      return `${directory}|${node.group ?? ''}|run|${node.checkpoint.run.task}/${node.checkpoint.run.id}`;
    case 'merge':
      return `${directory}|${node.group ?? ''}|merge|${node.merge.record.target}/${node.merge.record.id}`;
    case 'job':
      return `${directory}|${node.group ?? ''}|job|${node.task}|${node.job.id}`;
  }
}

/** A row with what is known now: VS Code hands back the object that it was once given. */
export function renewed(
  node: TreeNode,
  studies: readonly IndexedStudy[],
  jobs: readonly JobView[],
): TreeNode {
  const owner = studies.find(({ study }) => study.directory === node.study.directory);
  if (owner === undefined) return node;
  const { study, index } = owner;
  switch (node.kind) {
    case 'study':
    case 'problems':
      return { ...node, study, index };
    case 'group': {
      const tasks = index.groups.find(({ name }) => name === node.name)?.tasks ?? node.tasks;
      return { ...node, study, index, tasks };
    }
    case 'task':
    case 'probes':
      return { ...node, study, contents: index.tasks.get(node.contents.task.name) ?? node.contents };
    case 'seeds': {
      const contents = index.tasks.get(node.contents.task.name) ?? node.contents;
      const checkpoints = seedsOf(contents).get(node.common) ?? node.checkpoints;
      return seedsNode({ study, group: node.group }, contents, node.common, checkpoints);
    }
    case 'checkpoint': {
      const { task, id } = node.checkpoint.run;
      return { ...node, study, checkpoint: index.checkpointById.get(runKey(task, id)) ?? node.checkpoint };
    }
    case 'merge': {
      const { target, id } = node.merge.record;
      return { ...node, study, merge: index.mergeById.get(runKey(target, id)) ?? node.merge };
    }
    case 'job':
      return { ...node, study, job: jobs.find(({ id }) => id === node.job.id) ?? node.job };
  }
}

/** Names a checkpoint over all studies, whatever group its row stands in. */
export function checkKey({ study, checkpoint: { run } }: CheckpointNode): string {
  return `${study.directory}\n${runKey(run.task, run.id)}`;
}

/** The node one level up; undefined for a root. For revealing a row. */
export function parentOf(node: TreeNode, studies: readonly IndexedStudy[]): TreeNode | undefined {
  const owner = studies.find(({ study }) => study.directory === node.study.directory);
  if (owner === undefined || node.kind === 'study') return undefined;
  const top: StudyNode | undefined =
    studies.length > 1 ? { kind: 'study', study: owner.study, index: owner.index } : undefined;
  if (node.kind === 'group' || node.kind === 'problems') return top;
  if (node.kind === 'task') {
    const { groups } = owner.index;
    if (groups.length === 1 && groups[0]?.name === null) return top;
    const group = groups.find(({ name }) => name === node.group);
    if (group === undefined) return top;
    const { study, index } = owner;
    return { kind: 'group', study, index, group: group.name, name: group.name, tasks: group.tasks };
  }
  const contents = owner.index.tasks.get(taskOfNode(node) ?? '');
  if (contents === undefined) return top;
  const at = { study: owner.study, group: node.group, contents };
  if (node.kind === 'checkpoint') {
    const common = commonKey(node.checkpoint) ?? '';
    const runs = seedsOf(contents).get(common);
    if (runs !== undefined) return seedsNode(inStudy(at), contents, common, runs);
    if (node.checkpoint.run.role === 'step-k') return { kind: 'probes', ...at };
  }
  return { kind: 'task', ...at };
}

/** The task that a row belongs to. */
export function taskOfNode(node: TreeNode): string | undefined {
  switch (node.kind) {
    case 'task':
    case 'seeds':
    case 'probes':
      return node.contents.task.name;
    case 'checkpoint':
      return node.checkpoint.run.task;
    case 'merge':
      return node.merge.record.target;
    case 'job':
      return node.task;
    case 'study':
    case 'problems':
    case 'group':
      return undefined;
  }
}
