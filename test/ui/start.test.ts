import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM_ARGUMENTS, findChromium } from '../harness/chromium.js';
import { PROJECT_ROOT } from '../harness/workbench.js';
import { removeFolder } from '../harness/temporary-folder.js';
import { exampleStudy, writeStudy, writeTasks } from '../support/example-study.js';

/** `npm start`, as somebody meets it who opens the address that it prints: no test driver, no development mode. */
describe.skipIf(findChromium() === undefined)('npm start', () => {
  let folder: string;
  let program: ChildProcess;
  const study = exampleStudy({ tasks: 4, methods: ['loss'] });

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-start-'));
    await writeStudy(path.join(folder, 'study'), study);
    await writeTasks(path.join(folder, 'study'), study.tasks);
  });

  afterAll(async () => {
    program.kill('SIGTERM');
    if (program.exitCode === null) await once(program, 'exit');
    await removeFolder(folder);
  });

  it('prints an address at which VS Code shows the study and tells what happens', async () => {
    const options = [
      '--study',
      path.join(folder, 'study'),
      '--port',
      '0',
      '--user',
      path.join(folder, 'user'),
    ];
    program = spawn(process.execPath, ['--import', 'tsx', 'scripts/start.ts', ...options], {
      cwd: PROJECT_ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    for (const stream of [program.stdout, program.stderr]) {
      stream?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    }
    await expect.poll(() => printed, { timeout: 120_000 }).toMatch(/http:\/\/127\.0\.0\.1:\d+\/\S+/);
    const [address = ''] = /http:\S+/.exec(printed) ?? [];
    const browser = await chromium.launch({
      executablePath: findChromium() ?? '',
      args: [...CHROMIUM_ARGUMENTS],
    });
    try {
      const page = await browser.newPage();
      await page.goto(address, { waitUntil: 'commit' });
      await page.locator('.activitybar').getByRole('tab', { name: 'Deltaloom' }).click({ timeout: 120_000 });
      await page
        .locator('.sidebar')
        .getByRole('treeitem', { name: study.tasks[0] ?? '' })
        .waitFor({ timeout: 60_000 });
      // Nothing to commit to here: what is said about it is seen.
      await page.keyboard.press('F1');
      await page.locator('.quick-input-widget input').first().fill('>Deltaloom: Commit Results');
      await page
        .locator('.quick-input-list')
        .getByRole('option', { name: 'Deltaloom: Commit' })
        .first()
        .click();
      await page
        .locator('.notification-toast')
        .getByText(/not in a git repository/)
        .waitFor();
    } finally {
      await browser.close();
    }
  });
});
