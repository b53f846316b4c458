import { DataTransferItem, type DataTransfer, type TreeDragAndDropController } from 'vscode';
import { VIEWS } from '../identifiers.js';
import type { CheckpointNode, MergeNode, TreeNode } from './nodes.js';
import { resolveInStudy } from '../../study/paths.js';
import { Uri } from 'vscode';

/** VS Code prescribes this name for drags within the view. */
const MIME = `application/vnd.code.tree.${VIEWS.studies.toLowerCase()}`;

export type Draggable = CheckpointNode | MergeNode;

/** Whether this may be dropped there: in the same study, onto another task or merge. */
export function acceptsDrop(dragged: TreeNode, target: TreeNode): boolean {
  if (dragged.kind !== 'checkpoint' && dragged.kind !== 'merge') return false;
  if (dragged.study.directory !== target.study.directory) return false;
  if (dragged.kind === 'merge') return target.kind === 'task';
  return target.kind === 'task' || target.kind === 'merge';
}

/** Drags a checkpoint onto a task or a merge to use it there, or into the editor to look at it. */
export function dragAndDrop(
  dropped: (dragged: Draggable, target: TreeNode) => Promise<void>,
): TreeDragAndDropController<TreeNode> {
  return {
    dragMimeTypes: ['text/uri-list'],
    dropMimeTypes: [MIME],
    handleDrag(nodes: readonly TreeNode[], data: DataTransfer) {
      const draggable = nodes.filter((node) => node.kind === 'checkpoint' || node.kind === 'merge');
      if (draggable.length === 0) return;
      data.set(MIME, new DataTransferItem(draggable));
      const files = draggable.flatMap((node) => {
        const path = pathOf(node);
        return path === undefined ? [] : [Uri.file(resolveInStudy(node.study.directory, path)).toString()];
      });
      data.set('text/uri-list', new DataTransferItem(files.join('\r\n')));
    },
    async handleDrop(target: TreeNode | undefined, data: DataTransfer) {
      const dragged = (data.get(MIME)?.value as readonly Draggable[] | undefined)?.[0];
      if (target === undefined || dragged === undefined || !acceptsDrop(dragged, target)) return;
      await dropped(dragged, target);
    },
  };
}

function pathOf(node: Draggable): string | undefined {
  return node.kind === 'merge' ? node.merge.record.checkpoint.path : node.checkpoint.run.checkpoint?.path;
}
