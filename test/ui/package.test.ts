import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureVsCode } from '../../scripts/vscode/installation.js';
import { PROJECT_ROOT, Workbench } from '../harness/workbench.js';
import { gitIn } from '../support/commands.js';
import { removeFolder } from '../harness/temporary-folder.js';

const run = promisify(execFile);
const target = `${process.platform}-${process.arch}`;

/** The package as a user gets it: made, installed into a fresh VS Code, and used. */
describe('the .vsix', () => {
  let temporary: string;
  let vsix: string;
  let study: string;

  beforeAll(async () => {
    temporary = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-vsix-'));
    await run(process.execPath, ['--import', 'tsx', 'scripts/package.ts', '--target', target], {
      cwd: PROJECT_ROOT,
    });
    const folder = path.join(PROJECT_ROOT, 'dist', 'packages');
    const name = (await readdir(folder)).find((file) => file.includes(target) && file.endsWith('.vsix'));
    if (name === undefined) throw new Error(`No package for ${target} was made.`);
    vsix = path.join(folder, name);
    study = path.join(temporary, 'study');
    await cp(path.join(PROJECT_ROOT, 'sample'), study, { recursive: true });
  }, 300_000);

  afterAll(async () => {
    await removeFolder(temporary);
  });

  it("holds one platform's libraries and no sources, maps or tests", async () => {
    const { stdout } = await run('unzip', ['-l', vsix], { maxBuffer: 16 * 1024 * 1024 });
    const libraries = [...stdout.matchAll(/onnxruntime-node\/bin\/napi-v\d+\/(\w+\/\w+)\//g)].map(
      ([, found]) => found,
    );
    expect(new Set(libraries).size).toBe(1);
    expect(stdout).not.toMatch(/\.map$|extension\/(src|test|bench|webview)\//m);
    expect(stdout).toContain('extension/sample/deltaloom.json');
    expect(stdout.match(/extension\/sample\/\.deltaloom\/checkpoints\/.*\.safetensors$/gm)).toHaveLength(16);
    expect((await stat(vsix)).size).toBeLessThan(40 * 2 ** 20);
  });

  it('installs, opens a study, starts the engine inside and brings the sample study with its history', async () => {
    const data = path.join(temporary, 'user');
    const { node, server } = await ensureVsCode(() => undefined);
    await run(
      node,
      [server, '--server-data-dir', data, '--accept-server-license-terms', '--install-extension', vsix],
      {
        env: { ...process.env, EXTENSIONS_GALLERY: '{}' },
      },
    );
    const workbench = await Workbench.launch({ folder: study, dataDirectory: data, development: false });
    try {
      await workbench.openView('Deltaloom');
      await workbench.treeItem(/./).first().waitFor();
      await workbench.runCommand('Deltaloom: Choose Device…');
      const cpu = workbench.quickPickOption(/CPU \(ONNX Runtime\)/);
      await cpu.waitFor({ timeout: 60_000 });
      expect(await cpu.textContent()).toMatch(/works everywhere/);
      await workbench.page.keyboard.press('Escape');
      await workbench.runCommand('Deltaloom: Open the Sample Study');
      await workbench.page.getByText('Folder for the sample study').waitFor();
      // The dialog has read a folder when it lists what is in it: first the study, then the one it lies in.
      await workbench.quickPickOption('backbone').waitFor();
      await workbench.quickInput().fill(`${temporary}${path.sep}`);
      await workbench.quickPickOption('user').waitFor();
      await workbench.page.getByRole('button', { name: 'Put the Sample Here' }).click();
      const sample = path.join(temporary, 'deltaloom-sample');
      // The window opens the new folder, in which nothing has to be computed.
      await expect.poll(() => workbench.page.url(), { timeout: 60_000 }).toContain('deltaloom-sample');
      // There it shows the tasks by itself, and what to do with them.
      await workbench.page.getByRole('heading', { name: 'Get started with Deltaloom', level: 2 }).waitFor();
      await workbench
        .treeItem(/film_reviews/)
        .first()
        .waitFor();
      expect(gitIn(sample, 'status', '--porcelain')).toBe('');
      expect(gitIn(sample, 'log', '-1', '--format=%s')).toBe('Tune the targets from every initialisation');
      expect(gitIn(sample, 'rev-list', '--count', 'HEAD')).toBe('10');
      await workbench.screenshot('vsix-sample');
      // A merge reads the weights of every source.
      await workbench.chooseFromContextMenu(workbench.treeItem(/^film_reviews/), /^Merge for Task/);
      await workbench.quickPickOption(/^Loss/).click();
      await workbench
        .quickPickOption(/effective sources/)
        .first()
        .waitFor();
      await workbench.page.keyboard.press('Enter');
      const checkpoints = path.join(sample, '.deltaloom', 'checkpoints', 'film_reviews');
      await expect.poll(() => readdir(checkpoints), { timeout: 60_000 }).toHaveLength(2);
    } finally {
      await workbench.screenshot('vsix-installed');
      await workbench.close();
    }
  });
});
