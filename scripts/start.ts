import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { cacheDirectory } from './vscode/cache-directory.js';
import { ensureVsCode } from './vscode/installation.js';
import { startVsCodeServer, workbenchAddress } from './vscode/server.js';

/** `npm start`: builds the extension and opens a study in a real VS Code, in the browser or (`--desktop`) in the installed one. */

const USAGE = `npm start -- [options]
  --study DIR   open this study instead of the sample
  --desktop     use the VS Code on the PATH (the command 'code')
  --port N      port of VS Code in the browser (default 8451, or a free one)
  --user DIR    where that VS Code keeps settings and state (default: in the cache folder)`;

const root = path.resolve(import.meta.dirname, '..');

interface Options {
  readonly study: string | undefined;
  readonly desktop: boolean;
  readonly port: number;
  readonly user: string;
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        study: { type: 'string' },
        desktop: { type: 'boolean', default: false },
        port: { type: 'string', default: '8451' },
        user: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) fail(USAGE, 0);
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      fail(`--port ${values.port} is no port (0 to 65535).\n${USAGE}`);
    const user = path.resolve(values.user ?? path.join(cacheDirectory(), 'user-data'));
    return { study: values.study, desktop: values.desktop, port, user };
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

function fail(message: string, code = 2): never {
  (code === 0 ? console.log : console.error)(message);
  process.exit(code);
}

/** The port asked for, or 0 (any free one) when another program has it. */
function portOrAny(port: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(0));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(port)));
  });
}

const options = readOptions();
const folder = options.study === undefined ? undefined : path.resolve(options.study);
if (folder !== undefined && (!existsSync(folder) || !statSync(folder).isDirectory())) {
  fail(
    `${folder} is not a folder. Name the folder that holds your deltaloom.json, or an empty one to begin a study in.`,
  );
}

console.log('Building ...');
const build = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'inherit' });
if (build.status !== 0) fail('The build failed; its message is above.', 1);

const study = folder ?? prepareSample();
if (options.desktop) {
  const code = spawnSync('code', [`--extensionDevelopmentPath=${root}`, study], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (code.error !== undefined) {
    fail(
      "The command 'code' was not found. In VS Code run 'Shell Command: Install code command in PATH', or leave out --desktop.",
      1,
    );
  }
  process.exit(code.status ?? 1);
}

const installation = await ensureVsCode((line) => console.log(line));
const server = await startVsCodeServer(installation, {
  dataDirectory: options.user,
  port: await portOrAny(options.port),
  extension: root,
});
const address = workbenchAddress(server, study);
console.log(
  `\nVS Code ${installation.version} with Deltaloom and ${study} is open at\n\n  ${address}\n\nPress Ctrl-C to stop.`,
);
const stop = (): void => void server.stop().then(() => process.exit(0));
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

/** The sample is opened as a copy with a git history of its own, so that trying things never touches the checkout. */
function prepareSample(): string {
  const copy = path.join(root, '.cache', 'sample-study');
  if (!existsSync(path.join(copy, 'deltaloom.json'))) {
    console.log('Preparing the sample study and its git history ...');
    const made = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'scripts/sample-history.ts', '--out', copy],
      {
        cwd: root,
        stdio: 'inherit',
      },
    );
    if (made.status !== 0) fail('The sample study could not be prepared; the message is above.', 1);
  }
  return copy;
}
