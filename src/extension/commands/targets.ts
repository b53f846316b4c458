import { DeltaloomError } from '../../core/errors.js';
import { STRINGS } from '../strings.js';
import type { CheckpointNode, IndexedStudy, MergeNode, TreeNode } from '../tree/nodes.js';
import { taskOfNode } from '../tree/nodes.js';
import type { StudyView } from '../tree/view.js';
import { pickStudy, pickTask } from './pickers.js';

/**
 * What a command works on: the rows it was called on, else what a caller names (`{ study, task }`, for key bindings, links
 * and tests), else what the person chooses.
 */
export interface NamedTarget {
  readonly study?: string;
  readonly task?: string;
}

export function isNode(value: unknown): value is TreeNode {
  return typeof value === 'object' && value !== null && 'kind' in value && 'study' in value;
}

/** The clicked row and, if it is among them, the other selected rows. */
export function rowsOf(first: unknown, others: unknown): TreeNode[] {
  if (!isNode(first)) return [];
  const selected = Array.isArray(others) ? others.filter(isNode) : [];
  return selected.includes(first) ? selected : [first];
}

export async function chooseStudy(
  view: StudyView,
  argument: unknown,
  title: string,
): Promise<IndexedStudy | undefined> {
  const studies = view.indexed();
  if (studies.length === 0) throw new DeltaloomError('no-study', STRINGS.messages.noStudy);
  const named = isNode(argument) ? argument.study.directory : (argument as NamedTarget | undefined)?.study;
  if (named !== undefined) return studies.find(({ study }) => study.directory === named);
  return pickStudy(studies, title);
}

export interface ChosenTasks {
  readonly owner: IndexedStudy;
  readonly tasks: readonly string[];
}

/** The tasks of the rows a command was called on, or the one that is chosen. */
export async function chooseTasks(
  view: StudyView,
  first: unknown,
  others: unknown,
  title: string,
): Promise<ChosenTasks | undefined> {
  const owner = await chooseStudy(view, first, title);
  if (owner === undefined) return undefined;
  const rows = rowsOf(first, others).filter(({ study }) => study.directory === owner.study.directory);
  const tasks = rows.flatMap((row) => (row.kind === 'group' ? row.tasks : (taskOfNode(row) ?? [])));
  const named = isNode(first) ? undefined : (first as NamedTarget | undefined)?.task;
  if (named !== undefined) return { owner, tasks: [named] };
  if (tasks.length > 0) return { owner, tasks: [...new Set(tasks)] };
  const task = await pickTask(owner, title);
  return task === undefined ? undefined : { owner, tasks: [task] };
}

/** For work on one task: of several selected rows the clicked one is meant, wherever it stands among them. */
export async function chooseTask(
  view: StudyView,
  first: unknown,
  title: string,
): Promise<{ readonly owner: IndexedStudy; readonly task: string } | undefined> {
  const chosen = await chooseTasks(view, first, undefined, title);
  const [task] = chosen?.tasks ?? [];
  return chosen === undefined || task === undefined ? undefined : { owner: chosen.owner, task };
}

/** The rows that have weights. */
export function weightRows(rows: readonly TreeNode[]): (CheckpointNode | MergeNode)[] {
  return rows.filter((row) => row.kind === 'checkpoint' || row.kind === 'merge');
}

/** The path of a row's weights, relative to the study. */
export function pathOfWeights(row: CheckpointNode | MergeNode): string {
  const path = row.kind === 'merge' ? row.merge.record.checkpoint.path : row.checkpoint.run.checkpoint?.path;
  const { weightsHere } = row.kind === 'merge' ? row.merge : row.checkpoint;
  if (path === undefined || !weightsHere) {
    throw new DeltaloomError('weights-absent', STRINGS.checkpoints.notOnDisk);
  }
  return path;
}
