import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** The synthetic checkpoints that merging is measured with. */

export function checkpointFile(folder: string, index: number): string {
  return join(folder, `${String(index).padStart(4, '0')}.safetensors`);
}

/** Tells the system to forget the content of the first files; false where `dd` can't say so. */
export function forget(folder: string, count: number): boolean {
  return Array.from({ length: count }, (_, index) => checkpointFile(folder, index)).every(
    (file) => spawnSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']).status === 0,
  );
}
