import { window, TreeItemCheckboxState, type Disposable, type Memento, type TreeView } from 'vscode';
import type { JobView } from '../../runtime/protocol.js';
import { MEMORY, VIEWS } from '../identifiers.js';
import type { EditorJobs } from '../jobs/runtime-jobs.js';
import type { WorkspaceStudies } from '../studies/registry.js';
import { STRINGS } from '../strings.js';
import { dragAndDrop, type Draggable } from './drag-and-drop.js';
import {
  checkKey,
  collectChildren,
  collectRoots,
  DEFAULT_ARRANGEMENT,
  SORT_ORDERS,
  taskOfNode,
  type Arrangement,
  type CheckpointNode,
  type IndexedStudy,
  type TreeNode,
} from './nodes.js';
import { StudyTree } from './provider.js';
import { appearanceOf, isMergeable, outlineOf, runKey, tasksOfJob } from './study-index.js';

/** A running job changes its row several times a second; the tree is drawn again less often. */
const REFRESH_MS = 400;

interface Drawing {
  readonly outline: string;
  readonly tasks: ReadonlyMap<string, string>;
}

/** The view of the studies: the tree, what is selected and checked, filter and sort order, badge and message. */
export class StudyView implements Disposable {
  private readonly tree: StudyTree;
  readonly view: TreeView<TreeNode>;
  private readonly disposables: { dispose(): unknown }[] = [];
  private readonly checked = new Map<string, CheckpointNode>();
  private arranged: Arrangement;
  private pending: NodeJS.Timeout | undefined;
  /** What the tree shows of each study: its outline, and every task's rows. */
  private readonly drawn = new Map<string, Drawing>();
  /** Tasks whose jobs have changed since the tree was drawn, by study. */
  private readonly touched = new Map<string, Set<string>>();
  /** Jobs that have only gone on since. */
  private readonly advanced = new Set<string>();
  private readonly jobsSeen = new Map<string, JobView>();

  constructor(
    private readonly studies: WorkspaceStudies,
    private readonly jobs: EditorJobs,
    private readonly memory: Memento,
    private readonly onArranged: () => void,
    dropped: (dragged: Draggable, target: TreeNode) => Promise<void>,
  ) {
    this.arranged = readArrangement(memory);
    this.tree = new StudyTree({
      studies: () => this.indexed(),
      jobs: () => this.jobs.list(),
      arrangement: () => this.arranged,
      checked: () => new Set(this.checked.keys()),
    });
    this.view = window.createTreeView(VIEWS.studies, {
      treeDataProvider: this.tree,
      canSelectMany: true,
      showCollapseAll: true,
      manageCheckboxStateManually: true,
      dragAndDropController: dragAndDrop(dropped),
    });
    this.disposables.push(
      this.tree,
      this.view,
      this.view.onDidChangeCheckboxState(({ items }) => {
        for (const [node, state] of items) this.check(node, state === TreeItemCheckboxState.Checked);
        this.onArranged();
        // A task in two groups has two rows for the same checkpoint.
        this.refreshOwners(items.map(([node]) => node));
      }),
      this.view.onDidChangeVisibility(({ visible }) => {
        // Ages have grown meanwhile.
        if (visible) this.tree.refresh();
      }),
      this.studies.onDidChange(() => this.studiesChanged()),
      this.jobs.onDidUpdate((job) => this.refreshSoon(job)),
    );
    this.showMessage();
  }

  get arrangement(): Arrangement {
    return this.arranged;
  }

  indexed(): IndexedStudy[] {
    return this.studies.studies.flatMap((study) => {
      const index = this.studies.indexOf(study.directory);
      return index === undefined ? [] : [{ study, index }];
    });
  }

  /** The checked checkpoints, as they were last read. */
  checkedCheckpoints(): CheckpointNode[] {
    return [...this.checked.values()];
  }

  clearChecked(): void {
    const nodes = [...this.checked.values()];
    this.checked.clear();
    this.onArranged();
    this.refreshOwners(nodes);
  }

  async arrange(change: Partial<Arrangement>): Promise<void> {
    this.arranged = { ...this.arranged, ...change };
    await this.memory.update(MEMORY.treeView, this.arranged);
    this.showMessage();
    this.onArranged();
    this.tree.refresh();
  }

  /** Rows at any depth, for commands and tests that look for one by name. */
  children(node?: TreeNode): TreeNode[] {
    return node === undefined
      ? collectRoots(this.indexed(), this.arranged)
      : collectChildren(node, this.jobs.list(), this.arranged);
  }

  /** Selects the row of a task. */
  async revealTask(directory: string, task: string): Promise<void> {
    const node = this.findTask(this.children(), directory, task);
    if (node !== undefined) await this.view.reveal(node, { select: true, focus: true, expand: true });
  }

  dispose(): void {
    clearTimeout(this.pending);
    for (const disposable of this.disposables) disposable.dispose();
  }

  private findTask(nodes: readonly TreeNode[], directory: string, task: string): TreeNode | undefined {
    for (const node of nodes) {
      if (node.study.directory !== directory) continue;
      if (node.kind === 'task' && node.contents.task.name === task) return node;
      if (node.kind !== 'study' && node.kind !== 'group') continue;
      const found = this.findTask(this.children(node), directory, task);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private check(node: TreeNode, checked: boolean): void {
    if (node.kind !== 'checkpoint') return;
    const key = checkKey(node);
    if (checked) this.checked.set(key, node);
    else this.checked.delete(key);
  }

  private studiesChanged(): void {
    // What was deleted, lost its weights or is another study's by now can't stay checked: it has no box any more.
    for (const [key, node] of this.checked) {
      const { run } = node.checkpoint;
      const now = this.studies.indexOf(node.study.directory)?.checkpointById.get(runKey(run.task, run.id));
      if (now === undefined || !isMergeable(now)) this.checked.delete(key);
      else this.checked.set(key, { ...node, checkpoint: now });
    }
    this.showMessage();
    this.onArranged();
    this.redraw();
  }

  /** The tasks that look different now; everything where rows came, went or may stand elsewhere. */
  private redraw(): void {
    const before = new Map(this.drawn);
    this.drawn.clear();
    for (const { study, index } of this.indexed()) {
      const tasks = new Map([...index.tasks].map(([name, contents]) => [name, appearanceOf(contents)]));
      this.drawn.set(study.directory, { outline: outlineOf(index), tasks });
    }
    const { filter, sort } = this.arranged;
    const inPlace = filter === '' && (sort === 'study' || sort === 'name') && before.size === this.drawn.size;
    const same = [...this.drawn].every(
      ([directory, { outline }]) => before.get(directory)?.outline === outline,
    );
    if (!inPlace || !same) {
      this.tree.refresh();
      return;
    }
    for (const [directory, { tasks }] of this.drawn) {
      const known = before.get(directory)?.tasks;
      const changed = [...tasks].filter(([name, appearance]) => known?.get(name) !== appearance);
      this.tree.refreshTasks(directory, new Set(changed.map(([name]) => name)));
    }
  }

  private refreshOwners(nodes: readonly TreeNode[]): void {
    for (const node of nodes) {
      const task = taskOfNode(node);
      if (task !== undefined) this.tree.refreshTasks(node.study.directory, new Set([task]));
    }
  }

  private refreshSoon(job: JobView): void {
    const before = this.jobsSeen.get(job.id);
    this.jobsSeen.set(job.id, job);
    if (before?.state === job.state && before.progress?.task === job.progress?.task) {
      this.advanced.add(job.id);
    } else {
      const tasks = this.touched.get(job.study) ?? new Set();
      this.touched.set(job.study, tasks);
      // While it runs only the task at work looks different, and the one before it.
      const concerned = before?.state === job.state ? [] : tasksOfJob(job);
      for (const task of [...concerned, before?.progress?.task, job.progress?.task]) {
        if (task !== undefined) tasks.add(task);
      }
    }
    this.pending ??= setTimeout(() => {
      this.pending = undefined;
      const running = this.jobs.unfinished.length;
      this.view.badge =
        running === 0 ? undefined : { value: running, tooltip: STRINGS.tree.running(running) };
      for (const [directory, names] of this.touched) this.tree.refreshTasks(directory, names);
      this.tree.refreshJobs(this.advanced);
      this.touched.clear();
      this.advanced.clear();
    }, REFRESH_MS);
  }

  private showMessage(): void {
    const all = this.indexed();
    if (this.arranged.filter === '' || all.length === 0) {
      this.view.message = '';
      return;
    }
    const count = (nodes: readonly TreeNode[]): string[] =>
      nodes.flatMap((node) =>
        node.kind === 'task'
          ? [`${node.study.directory}\n${node.contents.task.name}`]
          : count(collectChildren(node, [], this.arranged)),
      );
    const shown = new Set(count(collectRoots(all, this.arranged))).size;
    const total = all.reduce((sum, { index }) => sum + index.tasks.size, 0);
    this.view.message = STRINGS.tree.filterMessage(this.arranged, shown, total);
  }
}

/** What was remembered, if it still makes sense. */
function readArrangement(memory: Memento): Arrangement {
  const kept = memory.get<Partial<Arrangement>>(MEMORY.treeView);
  const sort = SORT_ORDERS.find((order) => order === kept?.sort);
  return {
    filter: typeof kept?.filter === 'string' ? kept.filter : DEFAULT_ARRANGEMENT.filter,
    sort: sort ?? DEFAULT_ARRANGEMENT.sort,
  };
}
