import {
  EventEmitter,
  MarkdownString,
  ThemeColor,
  ThemeIcon,
  TreeItem,
  TreeItemCheckboxState,
  TreeItemCollapsibleState,
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
  parentOf,
  type Arrangement,
  type IndexedStudy,
  type TreeNode,
} from './nodes.js';
import { collectRow, type Row } from './rows.js';

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

/** Turns the collected rows into VS Code's tree items. Children are collected when a row is opened. */
export class StudyTree implements TreeDataProvider<TreeNode>, Disposable {
  private readonly changed = new EventEmitter<TreeNode | undefined>();
  readonly onDidChangeTreeData = this.changed.event;

  constructor(private readonly source: TreeSource) {}

  refresh(): void {
    this.changed.fire(undefined);
  }

  getChildren(node?: TreeNode): TreeNode[] {
    const arrangement = this.source.arrangement();
    return node === undefined
      ? collectRoots(this.source.studies(), arrangement)
      : collectChildren(node, this.source.jobs(), arrangement);
  }

  getParent(node: TreeNode): TreeNode | undefined {
    return parentOf(node, this.source.studies());
  }

  getTreeItem(node: TreeNode): TreeItem {
    const row = collectRow(node, {
      now: Date.now(),
      jobs: this.source.jobs(),
      checked: this.source.checked(),
    });
    const item = new TreeItem(row.label, COLLAPSIBLE[row.collapsible]);
    item.id = row.id;
    item.description = row.description;
    item.contextValue = row.contextValue;
    item.iconPath = new ThemeIcon(
      row.icon,
      row.iconColour === undefined ? undefined : new ThemeColor(row.iconColour),
    );
    item.accessibilityInformation = { label: row.accessibleLabel };
    item.tooltip = tooltip(row);
    if (row.checked !== undefined) {
      item.checkboxState = row.checked ? TreeItemCheckboxState.Checked : TreeItemCheckboxState.Unchecked;
    }
    if (row.decoration !== undefined) item.resourceUri = decorationUri(row.id, row.decoration);
    const command = commandOf(node);
    if (command !== undefined) item.command = command;
    return item;
  }

  dispose(): void {
    this.changed.dispose();
  }
}

function tooltip(row: Row): MarkdownString | undefined {
  if (row.tooltip === '') return undefined;
  // Theme icons only: no commands and no HTML from what files say.
  return new MarkdownString(row.tooltip, true);
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
    case 'study':
    case 'group':
    case 'task':
    case 'probes':
      return undefined;
  }
}
