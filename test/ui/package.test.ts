import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureVsCode } from '../../scripts/vscode/installation.js';
import { PROJECT_ROOT, Workbench } from '../harness/workbench.js';
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
    expect((await stat(vsix)).size).toBeLessThan(40 * 2 ** 20);
  });

  it('installs, opens a study and starts the engine inside', async () => {
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
    } finally {
      await workbench.screenshot('vsix-installed');
      await workbench.close();
    }
  });
});
