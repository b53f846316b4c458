import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Programs that tests ask in a folder, for what they print. What goes wrong is thrown with what they said. */

const CLI = path.resolve(import.meta.dirname, '..', '..', 'dist', 'cli.js');

export function gitIn(folder: string, ...args: string[]): string {
  return printed(folder, 'git', args);
}

/** The built command line. */
export function deltaloomIn(folder: string, ...args: string[]): string {
  return printed(folder, process.execPath, [CLI, ...args]);
}

function printed(cwd: string, program: string, args: readonly string[]): string {
  return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}
