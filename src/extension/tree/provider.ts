import {
  EventEmitter,
  MarkdownString,
  Range,
  ThemeColor,
  ThemeIcon,
  TreeItem,
  TreeItemCheckboxState,
  TreeItemCollapsibleState,
  Uri,
  type Command,
  type Disposable,
  type TreeDataProvider,
} from 'vscode';
import type { JobView } from '../../runtime/protocol.js';
import { COMMANDS } from '../identifiers.js';
import { decorationUri } from './decorations.js';
import {
  collectChildren,
  collectRoots,
  nodeId,
  parentOf,
  renewed,
  type Arrangement,
  type IndexedStudy,
  type JobNode,
  type ProblemsNode,
  type TaskNode,
  type TreeNode,
} from './nodes.js';
import { resolveInStudy } from '../../study/paths.js';
import { collectRow, collectTooltip, type Row } from './rows.js';
import { errorsOf } from './study-index.js';

const COLLAPSIBLE = {
  no: TreeItemCollapsibleState.None,
  closed: TreeItemCollapsibleState.Collapsed,
  open: TreeItemCollapsibleState.Expanded,
} as const;

export interface TreeSource {
  readonly studies: () => readonly IndexedStudy[];
  readonly jobs: () => readonly JobView[];
  readonly arrangement: () => Arrangement;
  readonly checked: () => ReadonlySet<string>;
}

/**
 * Turns the collected rows into VS Code's tree items. Children are collected when a row is opened, tooltips when they are
 * looked at, and what changed is refreshed alone: with thousands of open rows anything else would hold the editor.
 */
export class StudyTree implements TreeDataProvider<TreeNode>, Disposable {
  private readonly changed = new EventEmitter<TreeNode | TreeNode[] | undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  /** The task rows that VS Code holds, by their ids: only the very object can be refreshed. */
  private readonly tasks = new Map<string, TaskNode>();
  private readonly jobs = new Map<string, JobNode>();

  constructor(private readonly source: TreeSource) {}

  /** Everything: rows came, went or changed places. */
  refresh(): void {
    this.tasks.clear();
    this.jobs.clear();
    this.changed.fire(undefined);
  }

  /** These tasks of a study, with what is below them. */
  refreshTasks(directory: string, names: ReadonlySet<string>): void {
    const concerned = [...this.tasks.values()].filter(
      ({ study, contents }) => study.directory === directory && names.has(contents.task.name),
    );
    if (concerned.length > 0) this.changed.fire(concerned);
  }

  /**
   * The rows of these jobs alone. What runs tells of itself several times a second: were its task opened anew each time, a menu that
   * is open on the row would soon be about a row that is gone.
   */
  refreshJobs(ids: ReadonlySet<string>): void {
    const concerned = [...this.jobs.values()].filter(({ job }) => ids.has(job.id));
    if (concerned.length > 0) this.changed.fire(concerned);
  }

  getChildren(node?: TreeNode): TreeNode[] {
    const { studies, jobs, arrangement } = this.source;
    const children =
      node === undefined
        ? collectRoots(studies(), arrangement())
        : collectChildren(this.renewed(node), jobs(), arrangement());
    for (const child of children) {
      if (child.kind === 'task') this.tasks.set(nodeId(child), child);
      if (child.kind === 'job') this.jobs.set(nodeId(child), child);
    }
    return children;
  }

  getParent(node: TreeNode): TreeNode | undefined {
    return parentOf(node, this.source.studies());
  }

  getTreeItem(node: TreeNode): TreeItem {
    const row = this.rowOf(node);
    const item = new TreeItem(row.label, COLLAPSIBLE[row.collapsible]);
    item.id = row.id;
    item.description = row.description;
    item.contextValue = row.contextValue;
    item.iconPath = new ThemeIcon(
      row.icon,
      row.iconColour === undefined ? undefined : new ThemeColor(row.iconColour),
    );
    item.accessibilityInformation = { label: row.accessibleLabel };
    if (row.checked !== undefined) {
      item.checkboxState = row.checked ? TreeItemCheckboxState.Checked : TreeItemCheckboxState.Unchecked;
    }
    if (row.decoration !== undefined) item.resourceUri = decorationUri(row.id, row.decoration);
    const command = commandOf(this.renewed(node));
    if (command !== undefined) item.command = command;
    return item;
  }

  resolveTreeItem(item: TreeItem, node: TreeNode): TreeItem {
    const text = collectTooltip(this.renewed(node));
    // Theme icons only: no commands and no HTML from what files say.
    item.tooltip = text === '' ? undefined : new MarkdownString(text, true);
    return item;
  }

  dispose(): void {
    this.changed.dispose();
  }

  private rowOf(node: TreeNode): Row {
    const { jobs, checked } = this.source;
    return collectRow(this.renewed(node), { now: Date.now(), jobs: jobs(), checked: checked() });
  }

  private renewed(node: TreeNode): TreeNode {
    return renewed(node, this.source.studies(), this.source.jobs());
  }
}

/** What a click (or Enter) on a row does. */
function commandOf(node: TreeNode): Command | undefined {
  switch (node.kind) {
    case 'checkpoint':
      return {
        command: node.checkpoint.state === 'failed' ? COMMANDS.showLog : COMMANDS.openCheckpoint,
        title: '',
        arguments: [node],
      };
    case 'merge':
      return { command: COMMANDS.openCheckpoint, title: '', arguments: [node] };
    case 'job':
      return { command: COMMANDS.showLog, title: '', arguments: [node] };
    case 'problems':
      return openProblems(node);
    case 'study':
    case 'group':
    case 'task':
    case 'seeds':
    case 'probes':
      return undefined;
  }
}

/** A configuration that can't be understood is opened where it breaks; other problems stand in their panel. */
function openProblems({ study, index: { snapshot } }: ProblemsNode): Command {
  const [first] = errorsOf(snapshot);
  if (first === undefined || snapshot.configuration !== null) {
    return { command: 'workbench.actions.view.problems', title: '' };
  }
  const line = (first.line ?? 1) - 1;
  const file = Uri.file(resolveInStudy(study.directory, first.file));
  return { command: 'vscode.open', title: '', arguments: [file, { selection: new Range(line, 0, line, 0) }] };
}
