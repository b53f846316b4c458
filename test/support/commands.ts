import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Programs that tests ask in a folder, for what they print. What goes wrong is thrown with what they said. */

const PROJECT_ROOT = path.resolve(import.meta.dirname, '..', '..');
const CLI = path.join(PROJECT_ROOT, 'dist', 'cli.js');

export function gitIn(folder: string, ...args: string[]): string {
  return printed(folder, 'git', args);
}

/** An empty repository on `main` with somebody who commits. */
export function beginRepository(folder: string): void {
  gitIn(folder, 'init', '--quiet', '--initial-branch=main');
  gitIn(folder, 'config', 'user.name', 'Ada Lovelace');
  gitIn(folder, 'config', 'user.email', 'ada@example.org');
}

/** Commits everything in the folder; the new commit. */
export function commitAllIn(folder: string, message: string): string {
  gitIn(folder, 'add', '--all', '.');
  gitIn(folder, 'commit', '--quiet', '--message', message);
  return gitIn(folder, 'rev-parse', 'HEAD');
}

/** The sample study with its records as a git repository of its own, in a folder that is new or empty. */
export function writeSampleStudy(folder: string): void {
  const script = path.join('scripts', 'sample-history.ts');
  printed(PROJECT_ROOT, process.execPath, ['--import', 'tsx', script, '--out', folder]);
}

/** The built command line. */
export function deltaloomIn(folder: string, ...args: string[]): string {
  return printed(folder, process.execPath, [CLI, ...args]);
}

function printed(cwd: string, program: string, args: readonly string[]): string {
  return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}
