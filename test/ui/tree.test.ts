import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRecords, QUICK_SETTINGS, writeStudy, writeTinyBackbone } from '../extension/make-study.js';
import type { Locator } from 'playwright-core';
import { findChromium } from '../harness/chromium.js';
import { runtimeProcesses } from '../harness/processes.js';
import { PROJECT_ROOT, Workbench } from '../harness/workbench.js';

/** What a person does in the tree of a study, in the real workbench with the real runtime. */
describe.skipIf(findChromium() === undefined)('the tree in the workbench', { timeout: 600_000 }, () => {
  let folder: string;
  let workbench: Workbench;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-tree-'));
    await writeTinyBackbone(PROJECT_ROOT, folder);
    await writeStudy(folder, makeRecords(), QUICK_SETTINGS);
    workbench = await Workbench.launch({
      folder,
      settings: { 'deltaloom.runtime.outliveWindow': true },
      // Room for all rows: what is scrolled away is not there.
      viewport: { width: 1400, height: 1400 },
    });
    workbench.page.setDefaultTimeout(45_000);
    await workbench.openView('Deltaloom');
  }, 600_000);
  afterAll(async () => {
    await workbench.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('shows groups, tasks and, when a task is opened, its checkpoints and merges', async () => {
    await workbench.treeItem(/^sentiment/).waitFor();
    await workbench.treeItem(/^movies/).click();
    await workbench
      .treeItem(/source, adapter · full data/)
      .first()
      .waitFor();
    await workbench
      .treeItem(/Merge by Loss/)
      .first()
      .waitFor();
    await workbench.screenshot('tree-dark');
    expect(await workbench.treeItem(/source, lora · full data · stale/).count()).toBe(1);
  });

  it('opens a checkpoint with its layers and tensors', async () => {
    await workbench
      .treeItem(/source, adapter · full data/)
      .first()
      .click();
    const page = workbench.webview();
    await page.getByRole('heading', { name: 'Layers' }).waitFor();
    await page.getByText('encoder.block.0.layer.0.adapter.adapter_A').first().waitFor();
    await workbench.screenshot('checkpoint-dark');
  });

  it('tunes by a right click without asking, and shows the new checkpoint', async () => {
    const runs = path.join(folder, '.deltaloom', 'runs', 'negation');
    const before = (await readdir(runs)).length;
    await workbench.chooseFromContextMenu(workbench.treeItem(/^negation/), 'Tune with Last Settings');
    await workbench.treeItem(/^negation/).click();
    await workbench
      .treeItem(/random start, adapter · 16 shots · seed 13 · now/)
      .waitFor({ timeout: 180_000 });
    expect((await readdir(runs)).length).toBe(before + 1);
    await workbench.screenshot('tuned-dark');
  });

  it('previews the weights of a typed temperature and merges', async () => {
    const { page } = workbench;
    const target = workbench.treeItem(/^odd_one/);
    await workbench.chooseFromContextMenu(target, /Merge for Task/);
    await workbench
      .quickPickOption(/adapter/)
      .first()
      .waitFor();
    // Only the adapter has sources of several tasks; where two deltas are offered, it is the first.
    if ((await workbench.quickPickOption(/^Loss/).count()) === 0) await page.keyboard.press('Enter');
    await workbench.quickPickOption(/^Loss/).first().waitFor();
    await page.keyboard.press('Enter');
    await workbench
      .quickPickOption(/effective sources/)
      .first()
      .waitFor();
    await workbench.quickInput().fill('0.05');
    await workbench
      .quickPickOption(/τ 0\.05.*effective sources/)
      .first()
      .waitFor();
    await workbench.screenshot('merge-temperature-dark');
    await page.keyboard.press('Escape');
  });

  it('filters the tree and says so', async () => {
    await workbench.runCommand('Deltaloom: Filter Tasks and Checkpoints…');
    await workbench.quickInput().fill('movies');
    await workbench.page.keyboard.press('Enter');
    await workbench.page.getByText('Filter "movies": 1 of 6 tasks').waitFor();
    await workbench.treeItem(/^hotels/).waitFor({ state: 'hidden' });
    await workbench.runCommand('Deltaloom: Clear Filter');
    await workbench.treeItem(/^hotels/).waitFor();
  });

  it('merges what is checked, with weights that were chosen', async () => {
    const { page } = workbench;
    for (const task of [/^movies/, /^phones/]) {
      await open(task);
      await (await below(task, /source, adapter/)).locator('.custom-view-tree-node-item-checkbox').click();
    }
    await workbench.runCommand('Deltaloom: Merge Selected…');
    await workbench.quickPickOption(/^odd_one/).click();
    await workbench.quickPickOption(/Plain average.*50% movies · 50% phones/).waitFor();
    await workbench.screenshot('merge-selected-dark');
    await workbench.quickPickOption(/Plain average/).click();
    await open(/^odd_one/);
    await workbench.treeItem(/Merge by .*adapter · 50% \w+ \+ 1/).waitFor();
    await workbench.runCommand('Deltaloom: Clear Checked Sources');
    expect(await page.getByRole('checkbox', { checked: true }).count()).toBe(0);
  });

  it('uses a checkpoint that is dropped on a task as its start', async () => {
    await workbench.runCommand('Notifications: Clear All Notifications');
    await (await below(/^movies/, /source, adapter/)).dragTo(workbench.treeItem(/^odd_one/));
    await workbench.quickPickOption('Tune odd_one from it').waitFor();
    await workbench.screenshot('dropped-dark');
    await workbench.page.keyboard.press('Enter');
    await below(/^odd_one/, /from movies, adapter · 16 shots · seed 13/);
  });

  it('tells the end of a tuning only to who does not look, and leads back to it', async () => {
    const { page } = workbench;
    // VS Code shows its tests no toasts: what would be one stands in the list of notifications.
    const list = page.locator('.notifications-center');
    await workbench.runCommand('Notifications: Show Notifications');
    await list.getByText(/no new notifications/i).waitFor();
    await workbench.runCommand('Notifications: Hide Notifications');
    await workbench.openView('Explorer');
    await workbench.runCommand('Deltaloom: Tune with Last Settings');
    await workbench.quickPickOption(/^agreement/).click();
    await workbench.runCommand('Notifications: Show Notifications');
    const notice = list.locator('.notification-list-item', { hasText: /Tune agreement.*Tuned agreement/ });
    await notice.waitFor({ timeout: 120_000 });
    await workbench.screenshot('notification-dark');
    await notice.getByRole('button', { name: 'Show in Tree' }).click();
    await workbench.treeItem(/^agreement/).waitFor();
  });

  it('compares two checkpoints', async () => {
    await workbench.runCommand('View: Close All Editors');
    await workbench.chooseFromContextMenu(await below(/^movies/, /source, adapter/), /Compare Checkpoints/);
    await workbench.quickPickOption(/^phones: adapter source/).click();
    const page = workbench.webview();
    await page.getByText(/Compared with .*safetensors/).waitFor();
    await page.getByRole('columnheader', { name: 'Difference' }).first().waitFor();
    await workbench.screenshot('compare-dark');
  });

  it('deletes a checkpoint after asking', async () => {
    const { page } = workbench;
    const runs = path.join(folder, '.deltaloom', 'runs', 'odd_one');
    const before = await readdir(runs);
    const started = /from movies, adapter/;
    await workbench.chooseFromContextMenu(await below(/^odd_one/, started), /^Delete/);
    const dialog = page.locator('.monaco-dialog-box');
    await dialog.getByText('Delete 1 checkpoint?').waitFor();
    await workbench.screenshot('delete-dark');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await readdir(runs)).toEqual(before);
    await workbench.chooseFromContextMenu(await below(/^odd_one/, started), /^Delete/);
    await dialog.getByRole('button', { name: 'Move to Trash' }).click();
    // A file system without a trash asks once more.
    const forGood = dialog.getByRole('button', { name: 'Delete for Good' });
    await expect
      .poll(async () => (await forGood.isVisible()) || (await readdir(runs)).length < before.length)
      .toBe(true);
    if (await forGood.isVisible()) await forGood.click();
    await gone(/^odd_one/, started);
    expect(await readdir(runs)).toHaveLength(before.length - 1);
    await below(/^odd_one/, /failed/);
  });

  it('asks for what is to be tuned, shows it in row, badge and status bar, and cancels', async () => {
    const { page } = workbench;
    await workbench.chooseFromContextMenu(workbench.treeItem(/^agreement/), 'Tune…');
    await workbench.quickPickOption(/^As a source/).click();
    await workbench.quickPickOption(/^adapter/).click();
    await workbench.quickPickOption(/^16 shots/).click();
    await workbench.quickInput().press('Enter');
    await open(/^agreement/);
    const running = workbench.treeItem(/^Tuning agreement.*\d+%.*loss/);
    await running.waitFor({ timeout: 120_000 });
    await page
      .locator('.statusbar')
      .getByText(/agreement \d+% · loss \d/)
      .waitFor();
    await page.locator('.activitybar .badge-content', { hasText: '1' }).waitFor();
    await workbench.screenshot('running-dark');
    await workbench.chooseFromContextMenu(running, 'Cancel Job');
    await below(/^agreement/, /source, adapter · 16 shots · cancelled/);
    await page.locator('.activitybar .badge-content', { hasText: '1' }).waitFor({ state: 'hidden' });
  });

  it('starts a killed runtime again, and finds a runtime that outlived its window', async () => {
    const { page } = workbench;
    await workbench.chooseFromContextMenu(workbench.treeItem(/^agreement/), 'Tune with Last Settings');
    const running = workbench.treeItem(/^Tuning agreement.*\d+%.*loss/);
    await running.waitFor({ timeout: 120_000 });
    const [first] = await runtimeProcesses(workbench.server.pid);
    process.kill(first ?? 0, 'SIGKILL');
    await page.locator('.statusbar').getByText('Deltaloom: restarting (1 of 3)').waitFor();
    await workbench.treeItem(/^Tuning agreement.*attempt 2/).waitFor({ timeout: 120_000 });
    const [second] = await runtimeProcesses(workbench.server.pid);
    expect(second).not.toBe(first);

    await workbench.runCommand('Deltaloom: Filter Tasks and Checkpoints…');
    await workbench.quickInput().fill('agreement');
    await page.keyboard.press('Enter');
    await page.getByText('Filter "agreement": 1 of 6 tasks').waitFor();
    await workbench.reopen();
    await workbench.openView('Deltaloom');
    // What was arranged is still so, and the job of the last window goes on.
    await page.getByText('Filter "agreement": 1 of 6 tasks').waitFor();
    await open(/^agreement/);
    const again = workbench.treeItem(/^Tuning agreement.*\d+%.*attempt 2/);
    await again.waitFor();
    expect(isAlive(second ?? 0)).toBe(true);
    await workbench.screenshot('reopened-dark');
    await workbench.chooseFromContextMenu(again, 'Cancel Job');
    await again.waitFor({ state: 'detached' });
    await workbench.runCommand('Deltaloom: Clear Filter');
  });

  it('ticks the steps of the walkthrough that have been done', async () => {
    const { page } = workbench;
    await workbench.runCommand('Welcome: Open Walkthrough...');
    await workbench.quickPickOption(/Get started with Deltaloom/).click();
    const step = (title: string) => page.locator('.getting-started-step', { hasText: title });
    await step('Open a study').waitFor();
    for (const title of ['Open a study', 'Tune a task']) {
      await step(title).locator('.codicon-getting-started-step-checked').first().waitFor();
    }
    await step('Score how related tasks are')
      .locator('.codicon-getting-started-step-unchecked')
      .first()
      .waitFor();
    await workbench.screenshot('walkthrough-dark');
    await workbench.runCommand('View: Close All Editors');
  });

  it('is legible in other themes and in a narrow window', async () => {
    const { page } = workbench;
    await open(/^odd_one/);
    for (const theme of ['light', 'high-contrast', 'high-contrast-light'] as const) {
      await workbench.setTheme(theme);
      await workbench.openView('Deltaloom');
      await page.setViewportSize({ width: 1400, height: 900 });
      await workbench.screenshot(`tree-${theme}`);
      await page.setViewportSize({ width: 700, height: 800 });
      await below(/^odd_one/, /failed/);
      await workbench.screenshot(`tree-${theme}-narrow`);
    }
  });

  /** Opens a row and leaves an open one open. */
  async function open(row: RegExp): Promise<void> {
    const item = workbench.treeItem(row);
    await item.waitFor();
    if ((await item.getAttribute('aria-expanded')) !== 'true') await item.click();
    await expect.poll(() => item.getAttribute('aria-expanded')).toBe('true');
  }

  /** The first row of this name below an open task, once it is there. */
  function below(task: RegExp, name: RegExp): Promise<Locator> {
    return workbench.rowBelow(task, name);
  }

  function gone(task: RegExp, name: RegExp): Promise<void> {
    return expect.poll(() => workbench.findRowBelow(task, name)).toBeUndefined();
  }
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
