import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from './cache-directory.js';

const run = promisify(execFile);

/** code-server's npm package carries a complete VS Code for the browser; its version names the VS Code inside. */
const CODE_SERVER = '4.139.1';
/** That VS Code needs Node 24, whatever runs us: a plain Node binary from the registry serves it. */
const SERVER_NODE = '24.21.0';

export interface VsCodeInstallation {
  readonly version: string;
  /** The Node binary that runs the server. */
  readonly node: string;
  /** `server-main.js`. */
  readonly server: string;
}

/**
 * Finds or installs VS Code for the browser from the npm registry, in the user's cache folder. Takes a few seconds and
 * about 550 MB the first time. Throws with the failing step's output when the registry can't be reached.
 */
export async function ensureVsCode(log: (line: string) => void): Promise<VsCodeInstallation> {
  const directory = path.join(cacheDirectory(), `vscode-${CODE_SERVER}`);
  if (!existsSync(path.join(directory, 'ready'))) {
    log(`Installing VS Code for the browser (code-server ${CODE_SERVER}) once ...`);
    const unfinished = `${directory}.${process.pid}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await install(unfinished);
    await rm(directory, { recursive: true, force: true });
    await rename(unfinished, directory);
  }
  const vscode = path.join(directory, 'package', 'lib', 'vscode');
  await addFileWatcher(vscode);
  const manifest = JSON.parse(await readFile(path.join(vscode, 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    version: manifest.version,
    node: nodeBinary(directory),
    server: path.join(vscode, 'out', 'server-main.js'),
  };
}

function nodePackage(): string {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  return `node-${platform}-${process.arch}`;
}

function nodeBinary(directory: string): string {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  return path.join(directory, 'node24', 'node_modules', nodePackage(), 'bin', name);
}

async function install(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await npm(
    ['install', '--no-save', '--prefix', path.join(directory, 'node24'), `${nodePackage()}@${SERVER_NODE}`],
    directory,
  );
  await npm(['pack', `code-server@${CODE_SERVER}`], directory);
  const archive = (await readdir(directory)).find((name) => name.endsWith('.tgz'));
  if (archive === undefined) throw new Error('npm pack left no archive of code-server.');
  await run('tar', ['xzf', archive], { cwd: directory });
  await rm(path.join(directory, archive));
  const vscode = path.join(directory, 'package', 'lib', 'vscode');
  // Not `npm install code-server`: its own postinstall compiles modules that need system headers; what is left
  // unbuilt here (spdlog, sqlite3) only costs a line in the server's log.
  const lean = ['install', '--omit=dev', '--ignore-scripts'];
  await npm([...lean, '--omit=optional'], vscode);
  await npm(lean, path.join(vscode, 'extensions'));
  for (const unused of [
    'extensions/copilot',
    'node_modules/@microsoft/mxc-sdk',
    'node_modules/@vscode/windows-process-tree',
  ]) {
    await rm(path.join(vscode, unused), { recursive: true, force: true });
  }
  await writeFile(path.join(directory, 'ready'), '');
}

/**
 * VS Code sees changes below a folder through one native package, which is left out with the other optional ones; the
 * registry has it built for every platform.
 */
async function addFileWatcher(vscode: string): Promise<void> {
  const name = `watcher-${process.platform}-${process.arch}${process.platform === 'linux' ? '-glibc' : ''}`;
  const scope = path.join(vscode, 'node_modules', '@parcel');
  const place = path.join(scope, name);
  if (existsSync(place)) return;
  const { version } = JSON.parse(await readFile(path.join(scope, 'watcher', 'package.json'), 'utf8')) as {
    version: string;
  };
  const unfinished = `${place}.${process.pid}.unfinished`;
  await mkdir(unfinished, { recursive: true });
  await npm(['pack', `@parcel/${name}@${version}`], unfinished);
  const [archive = ''] = await readdir(unfinished);
  await run('tar', ['xzf', archive], { cwd: unfinished });
  await rename(path.join(unfinished, 'package'), place);
  await rm(unfinished, { recursive: true, force: true });
}

async function npm(args: readonly string[], cwd: string): Promise<void> {
  const quiet = ['--silent', '--no-audit', '--no-fund'];
  try {
    await run('npm', [...args, ...quiet], {
      cwd,
      shell: process.platform === 'win32',
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`npm ${args.join(' ')} failed: ${stderr?.trim() ?? String(error)}`, { cause: error });
  }
}
