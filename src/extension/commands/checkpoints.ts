import { commands, env, FileSystemError, UIKind, Uri, window, workspace } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import type { RunRecord } from '../../study/records.js';
import { COMMANDS } from '../identifiers.js';
import { mergeRecordPath, predictionsPath, resolveInStudy, runRecordPath } from '../../study/paths.js';
import type { Study } from '../services.js';
import { STRINGS } from '../strings.js';
import { firstLines, formatMerge, formatRun } from '../tree/labels.js';
import type { Draggable } from '../tree/drag-and-drop.js';
import type { CheckpointNode, MergeNode, TreeNode } from '../tree/nodes.js';
import type { CommandEnvironment, CommandTable } from './environment.js';
import { canJoinMerge } from './merge-choices.js';
import { demandCurrentSources, submitMerge } from './merging.js';
import { pickOne } from './pickers.js';
import { collectRecords, type Wanted } from './record-choices.js';
import { chooseStudy, chooseTask, isNode, pathOfWeights, rowsOf, weightRows } from './targets.js';
import type { Choice } from './tune-choices.js';
import { ownerOf, tuneFrom } from './tuning.js';

export function checkpointCommands(environment: CommandEnvironment): CommandTable {
  const { services } = environment;
  return {
    [COMMANDS.openCheckpoint]: async (first) => {
      const row = await chooseRow(environment, first, 'weights', STRINGS.checkpoints.openWhich);
      if (row !== undefined) await services.openCheckpoint(row.study, pathOfWeights(row));
    },
    [COMMANDS.compare]: async (first, others) => {
      // The title of an editor brings the file that is open there.
      if (first instanceof Uri) return compareOpened(environment, first.fsPath);
      const rows = weightRows(rowsOf(first, others));
      const one =
        rows[0] ?? (await chooseRow(environment, first, 'weights', STRINGS.checkpoints.compareWhich));
      if (one === undefined) return;
      const other = rows[1] ?? (await chooseOther(environment, one.study, sideOf(one)));
      if (other === undefined) return;
      await services.openCheckpoint(one.study, pathOfWeights(one), pathOfWeights(other));
    },
    [COMMANDS.openRecord]: async (first) => {
      const row = await chooseRow(environment, first, 'record', STRINGS.checkpoints.recordWhich);
      if (row !== undefined) await services.openRecord(row.study, recordOf(row));
    },
    [COMMANDS.openData]: async (first) => {
      const chosen = await chooseTask(environment.view, first, STRINGS.studies.task);
      if (chosen !== undefined) await services.openData(chosen.owner.study, chosen.task);
    },
    [COMMANDS.reveal]: async (first) => {
      const target = await revealTarget(environment, first);
      if (target !== undefined)
        await commands.executeCommand(onOwnDesktop() ? 'revealFileInOS' : 'revealInExplorer', target);
    },
    [COMMANDS.showCommit]: async (first) => {
      const row = await chooseRow(environment, first, 'record', STRINGS.checkpoints.commitWhich);
      if (row === undefined) return;
      const { commit } = recordOf(row).provenance;
      if (commit === null) throw new DeltaloomError('no-commit', STRINGS.checkpoints.noCommit);
      await services.openCommit(row.study, commit);
    },
    [COMMANDS.deleteCheckpoint]: async (first, others) => {
      // The Delete key brings no rows: the selected ones are meant, and nothing where none of them is a checkpoint.
      const rows = isNode(first) ? rowsOf(first, others) : environment.view.view.selection;
      const chosen = weightRows(rows);
      if (chosen.length > 0 || isNode(first) || first === SELECTED) {
        await deleteRows(environment, chosen);
        return;
      }
      const only = await chooseRow(environment, first, 'record', STRINGS.checkpoints.deleteWhich);
      await deleteRows(environment, only === undefined ? [] : [only]);
    },
  };
}

/** What package.json binds the Delete key with: unlike the palette it asks for nothing. */
const SELECTED = 'selected';

/** Whether the files are on the person's own desktop: only there are a trash and a file manager. */
function onOwnDesktop(): boolean {
  return env.uiKind === UIKind.Desktop && env.remoteName === undefined;
}

/** What dropping a row onto another one offers. */
export async function dropOnto(
  environment: CommandEnvironment,
  dragged: Draggable,
  target: TreeNode,
): Promise<void> {
  if (!environment.services.trusted()) throw new DeltaloomError('untrusted', STRINGS.messages.untrusted);
  const owner = ownerOf(environment, dragged.study.directory);
  const path = pathOfWeights(dragged);
  const deltaName =
    dragged.kind === 'merge' ? dragged.merge.record.deltaName : dragged.checkpoint.run.deltaName;
  const task = target.kind === 'merge' ? target.merge.record.target : taskName(target);
  if (task === undefined) return;
  // Dropping a merge on its own task means that merge; on another task it is just weights to start from.
  const initialisation =
    dragged.kind === 'merge' && dragged.merge.record.target === task
      ? ({ kind: 'merge', id: dragged.merge.record.id } as const)
      : ({ kind: 'checkpoint', path } as const);
  const title = STRINGS.checkpoints.dropTitle(
    dragged.kind === 'merge' ? formatMerge(dragged.merge.record) : dragged.checkpoint.run.task,
  );
  const choices: Choice<'tune' | 'merge'>[] = [{ label: STRINGS.checkpoints.dropTune(task), value: 'tune' }];
  if (canJoinMerge(dragged, target)) {
    choices.push({
      label: STRINGS.checkpoints.dropMerge(task),
      detail: STRINGS.checkpoints.dropMergeDetail,
      value: 'merge',
    });
  }
  const what = await pickOne(
    choices,
    { title, placeholder: STRINGS.checkpoints.dropWhat },
    { askAlways: true },
  );
  if (what === 'tune') await tuneFrom(environment, owner, task, deltaName, initialisation);
  if (what === 'merge' && target.kind === 'merge' && dragged.kind === 'checkpoint') {
    await demandCurrentSources(environment, owner, [dragged]);
    const tasks = new Set([
      ...target.merge.record.sources.map((source) => source.task),
      dragged.checkpoint.run.task,
    ]);
    const weights = Object.fromEntries([...tasks].map((source) => [source, 1 / tasks.size]));
    await submitMerge(environment, owner, task, deltaName, { kind: 'explicit', weights });
  }
}

function taskName(node: TreeNode): string | undefined {
  return node.kind === 'task' ? node.contents.task.name : undefined;
}

function recordOf(
  row: CheckpointNode | MergeNode,
): CheckpointNode['checkpoint']['run'] | MergeNode['merge']['record'] {
  return row.kind === 'merge' ? row.merge.record : row.checkpoint.run;
}

/** The row a command was called on; from the palette the person chooses one. */
async function chooseRow(
  environment: CommandEnvironment,
  argument: unknown,
  wanted: Wanted,
  placeholder: string,
): Promise<CheckpointNode | MergeNode | undefined> {
  if (isNode(argument)) return weightRows([argument])[0];
  const selected = weightRows(environment.view.view.selection);
  if (selected.length === 1) return selected[0];
  const owner = await chooseStudy(environment.view, argument, STRINGS.product);
  if (owner === undefined) return undefined;
  const choices = collectRecords(owner.study, owner.index, wanted);
  if (choices.length === 0) throw new DeltaloomError('no-checkpoints', STRINGS.checkpoints.none);
  return pickOne(choices, { title: owner.study.name, placeholder });
}

/** One of the two checkpoints of a comparison. */
interface Side {
  /** Absolute. */
  readonly file: string;
  /** undefined: a file of no record, which may be of any. */
  readonly deltaName: string | undefined;
}

function sideOf(row: CheckpointNode | MergeNode): Side {
  return { file: fileOf(row), deltaName: recordOf(row).deltaName };
}

function fileOf(row: CheckpointNode | MergeNode): string {
  return resolveInStudy(row.study.directory, pathOfWeights(row));
}

/** Compares the checkpoint of an editor with one of the study that it lies in, or of the one that is chosen. */
async function compareOpened(environment: CommandEnvironment, file: string): Promise<void> {
  const { services, studies, view } = environment;
  const study =
    studies.find(file) ?? (await chooseStudy(view, undefined, STRINGS.checkpoints.compareWith))?.study;
  if (study === undefined) return;
  const { index } = ownerOf(environment, study.directory);
  const known = collectRecords(study, index, 'weights').find(({ value }) => fileOf(value) === file);
  const deltaName = known === undefined ? undefined : recordOf(known.value).deltaName;
  const other = await chooseOther(environment, study, { file, deltaName });
  if (other !== undefined) await services.openCheckpoint(study, file, pathOfWeights(other));
}

function chooseOther(
  environment: CommandEnvironment,
  study: Study,
  { file, deltaName }: Side,
): Promise<CheckpointNode | MergeNode | undefined> {
  const { index } = ownerOf(environment, study.directory);
  const choices = collectRecords(study, index, 'weights').filter(
    ({ value }) =>
      (deltaName === undefined || recordOf(value).deltaName === deltaName) && fileOf(value) !== file,
  );
  if (choices.length === 0) throw new DeltaloomError('no-checkpoints', STRINGS.checkpoints.none);
  return pickOne(
    choices,
    { title: STRINGS.checkpoints.compareWith, placeholder: STRINGS.checkpoints.compareWith },
    { askAlways: true },
  );
}

async function revealTarget(environment: CommandEnvironment, argument: unknown): Promise<Uri | undefined> {
  if (isNode(argument) && (argument.kind === 'checkpoint' || argument.kind === 'merge')) {
    return Uri.file(resolveInStudy(argument.study.directory, pathOfWeights(argument)));
  }
  if (isNode(argument) && argument.kind === 'study') return argument.study.uri;
  const chosen = await chooseTask(environment.view, argument, STRINGS.studies.task);
  if (chosen === undefined) return undefined;
  const { owner, task } = chosen;
  const [file] = owner.index.tasks.get(task)?.task.data.flatMap(({ files }) => Object.values(files)) ?? [];
  if (file === undefined) throw new DeltaloomError('no-data', STRINGS.messages.noDataFile(task));
  return Uri.file(resolveInStudy(owner.study.directory, file));
}

/** More than these make a dialog taller than the window. */
const NAMED = 10;

async function deleteRows(
  { studies }: CommandEnvironment,
  rows: readonly (CheckpointNode | MergeNode)[],
): Promise<void> {
  if (rows.length === 0) return;
  const { confirmDelete, deleteDetail, deleteDetailForGood, toTrash, confirmForGood, forGood } =
    STRINGS.checkpoints;
  let useTrash = onOwnDesktop();
  const [detail, button] = useTrash ? [deleteDetail, toTrash] : [deleteDetailForGood, forGood];
  const sure = await window.showWarningMessage(
    confirmDelete(rows.length),
    { modal: true, detail: `${firstLines(rows.map(nameOfRow), NAMED).join('\n')}\n\n${detail}` },
    button,
  );
  if (sure !== button) return;
  for (const row of rows) {
    for (const file of filesOfRow(row)) {
      try {
        await workspace.fs.delete(file, { useTrash });
      } catch (error) {
        if (error instanceof FileSystemError && error.code === 'FileNotFound') continue;
        if (!useTrash) throw error;
        // Some drives have no trash.
        const anyway = await window.showWarningMessage(confirmForGood, { modal: true }, forGood);
        if (anyway !== forGood) return;
        useTrash = false;
        await workspace.fs.delete(file, { useTrash });
      }
    }
  }
  const directories = new Set(rows.map(({ study }) => study.directory));
  for (const directory of directories) await studies.refresh(directory);
}

function nameOfRow(row: CheckpointNode | MergeNode): string {
  return row.kind === 'merge'
    ? `${row.merge.record.target}: ${formatMerge(row.merge.record)}`
    : `${row.checkpoint.run.task}: ${formatRun(row.checkpoint.run)}, seed ${row.checkpoint.run.seed}`;
}

/** The weights first: should deleting stop halfway, the record says that they are absent. */
function filesOfRow(row: CheckpointNode | MergeNode): Uri[] {
  const at = (file: string): Uri => Uri.file(resolveInStudy(row.study.directory, file));
  if (row.kind === 'merge') {
    const { record } = row.merge;
    return [at(record.checkpoint.path), at(mergeRecordPath(record.target, record.id))];
  }
  const { run } = row.checkpoint;
  return [
    ...(run.checkpoint === null ? [] : [at(run.checkpoint.path)]),
    ...predictionsOf(run).map(at),
    at(runRecordPath(run.task, run.id)),
  ];
}

function predictionsOf({ task, id }: RunRecord): string[] {
  return ['dev', 'test'].map((split) => predictionsPath(task, id, split));
}
