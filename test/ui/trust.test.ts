import { mkdtemp, readdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRecords, QUICK_SETTINGS, writeStudy, writeTinyBackbone } from '../extension/make-study.js';
import { findChromium } from '../harness/chromium.js';
import { PanelDriver } from '../harness/panel-driver.js';
import { runtimeProcesses } from '../harness/processes.js';
import { PROJECT_ROOT, Workbench } from '../harness/workbench.js';
import { beginRepository, gitIn } from '../support/commands.js';
import { removeFolder } from '../harness/temporary-folder.js';

/** A folder that nobody trusts yet, in the real workbench: browse only, until it is trusted. */
describe.skipIf(findChromium() === undefined)('an untrusted workspace', { timeout: 600_000 }, () => {
  let folder: string;
  let workbench: Workbench;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-trust-'));
    await writeTinyBackbone(PROJECT_ROOT, folder);
    await writeStudy(folder, makeRecords(), QUICK_SETTINGS);
    beginRepository(folder);
    gitIn(folder, 'add', '.deltaloom/scores');
    gitIn(folder, 'commit', '--quiet', '--message', 'Begin');
    workbench = await Workbench.launch({
      folder,
      workspaceTrust: true,
      settings: { 'security.workspace.trust.startupPrompt': 'never' },
    });
    workbench.page.setDefaultTimeout(60_000);
    await workbench.openView('Deltaloom');
  }, 600_000);
  afterAll(async () => {
    await workbench.close();
    await removeFolder(folder);
  });

  it('can be browsed, and offers to be trusted', async () => {
    await workbench.treeItem(/^movies/).click();
    await workbench
      .treeItem(/source, adapter/)
      .first()
      .waitFor();
    await workbench.page.getByText('You can browse tasks, checkpoints and results').waitFor();
    await workbench.screenshot('untrusted-dark');
  });

  it('shows of a checkpoint what its record says, and why not more', async () => {
    await workbench
      .treeItem(/source, adapter/)
      .first()
      .click();
    const page = workbench.webview();
    await page.getByText('The workspace is not trusted').waitFor();
    await page.getByRole('heading', { name: 'Provenance' }).waitFor();
    expect(await page.getByRole('heading', { name: 'Tensors', exact: true }).count()).toBe(0);
    await workbench.screenshot('untrusted-checkpoint-dark');
  });

  it('disables every command that computes, writes or runs git, and keeps those that browse', async () => {
    const { page } = workbench;
    const disabled = async (row: RegExp): Promise<string[]> => {
      await workbench.treeItem(row).first().click({ button: 'right' });
      const items = page.locator('.monaco-menu .action-item:has(.action-menu-item)');
      await items.first().waitFor();
      const entries = await items.evaluateAll((found) =>
        found.map((item) => ({
          label: item.querySelector('.action-label')?.textContent ?? '',
          off: item.classList.contains('disabled'),
        })),
      );
      await page.keyboard.press('Escape');
      expect(entries.filter(({ off }) => !off).map(({ label }) => label)).not.toEqual([]);
      return entries.filter(({ off }) => off).map(({ label }) => label.replace('…', ''));
    };
    await expect
      .poll(async () => (await disabled(/^movies/)).sort())
      .toEqual(['Evaluate', 'Merge for Task', 'Score against Sources', 'Tune', 'Tune with Last Settings']);
    await expect
      .poll(async () => (await disabled(/source, adapter/)).sort())
      .toEqual(['Delete', 'Evaluate', 'Merge Selected', 'Show the Commit', 'Use as Initialisation']);
    await page.keyboard.press('F1');
    await workbench.quickInput().fill('>Deltaloom: ');
    await workbench.quickPickOption('Deltaloom: Open Data').waitFor();
    expect(await workbench.quickPickOption(/Deltaloom: (Tune|Merge|Score|Evaluate|Run|Delete)/).count()).toBe(
      0,
    );
    await page.keyboard.press('Escape');
  });

  it('starts no runtime and writes nothing', async () => {
    expect(await runtimeProcesses(workbench.server.pid)).toEqual([]);
    expect(await readdir(path.join(folder, '.deltaloom'))).not.toContain('cache');
  });

  it('becomes a whole one when it is trusted, and the open checkpoint is read', async () => {
    const { page } = workbench;
    await page.getByRole('button', { name: 'Manage Workspace Trust' }).click();
    await page.locator('.workspace-trust-editor').getByRole('button', { name: 'Trust', exact: true }).click();
    await page.getByText('You can browse tasks').waitFor({ state: 'detached' });
    await workbench.screenshot('trusted-dark');
    await workbench.runCommand('View: Close Editor');
    await page.locator('.workspace-trust-editor').waitFor({ state: 'hidden' });
    await workbench.webview().getByRole('heading', { name: 'Tensors', exact: true }).waitFor();
    await expect.poll(() => runtimeProcesses(workbench.server.pid)).toHaveLength(1);
    await workbench.runCommand('View: Close All Editors');
  });

  it('ticks the steps of the walkthrough as they are done', async () => {
    const { page } = workbench;
    await workbench.runAndChoose('Welcome: Open Walkthrough...', /Get started with Deltaloom/);
    const ticked = (): Promise<string[]> =>
      page
        .locator('.getting-started-step:has(.codicon-getting-started-step-checked)')
        .locator('.step-title')
        .allInnerTexts();
    const [open, tune, score, heatmap, merge, gain] = [
      'Open a study',
      'Tune a task',
      'Score how related tasks are',
      'Look at the heatmap',
      'Merge',
      'See the gain',
    ] as const;
    const isTicked = (steps: readonly string[]) => expect.poll(ticked, { timeout: 120_000 }).toEqual(steps);
    await isTicked([open]);
    const records = path.join(folder, '.deltaloom', 'runs', 'negation');
    const before = await readdir(records);
    await workbench.chooseFromContextMenu(workbench.treeItem(/^negation/), 'Tune with Last Settings');
    await isTicked([open, tune]);
    await expect.poll(() => readdir(records)).toHaveLength(before.length + 1);
    await workbench.chooseFromContextMenu(workbench.treeItem(/^negation/), /^Score against Sources/);
    await workbench.quickPickOption(/^adapter/).click();
    // Those of the study are checked.
    await page.locator('.quick-input-list').getByText('Loss', { exact: true }).waitFor();
    await page.keyboard.press('Enter');
    await isTicked([open, tune, score]);
    await workbench.chooseFromContextMenu(workbench.treeItem(/^negation/), /^Merge for Task/);
    await workbench.quickPickOption(/^adapter/).click();
    await workbench.quickPickOption(/^Plain average/).click();
    await isTicked([open, tune, score, merge]);
    await workbench.screenshot('walkthrough-dark');
    // Panels open beside it.
    for (const [command, steps] of [
      ['Show Heatmap', [open, tune, score, heatmap, merge]],
      ['Show Results', [open, tune, score, heatmap, merge, gain]],
    ] as const) {
      await workbench.runCommand(`Deltaloom: ${command}`);
      await isTicked(steps);
    }
  });

  it('hears of commits once it is trusted, though VS Code had no git before', async () => {
    const panel = new PanelDriver(workbench);
    await panel.show('Show Heatmap', 'heatmap-picture canvas');
    await expect
      .poll(() => panel.options('Showing'))
      .toEqual(['Working tree', expect.stringMatching(/ Begin$/)]);
    gitIn(folder, 'commit', '--amend', '--quiet', '--message', 'Begin again');
    await expect
      .poll(() => panel.options('Showing'))
      .toEqual(['Working tree', expect.stringMatching(/ Begin again$/)]);
    await workbench.runCommand('View: Close All Editors');
  });
});
