import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Numbers of the runtime processes below a process, children of children included. */
export async function runtimeProcesses(root: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  const all = stdout.split('\n').flatMap((line) => {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
  const below = new Set([root]);
  // Parents stand before their children in no particular order: again until nothing is added.
  for (let size = 0; size !== below.size;) {
    size = below.size;
    for (const { pid, parent } of all) if (below.has(parent)) below.add(pid);
  }
  return all
    .filter(({ pid, command }) => below.has(pid) && /[\\/]dist[\\/]runtime\.js/.test(command))
    .map(({ pid }) => pid);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
