import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRecords, QUICK_SETTINGS, writeStudy, writeTinyBackbone } from '../extension/make-study.js';
import type { Locator } from 'playwright-core';
import { findChromium } from '../harness/chromium.js';
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
    await expect.poll(() => page.getByRole('checkbox', { checked: true }).count()).toBe(0);
  });

  it('uses a checkpoint that is dropped on a task as its start', async () => {
    await workbench.runCommand('Notifications: Clear All Notifications');
    await (await below(/^movies/, /source, adapter/)).dragTo(workbench.treeItem(/^odd_one/));
    await workbench.quickPickOption('Tune odd_one from it').waitFor();
    await workbench.screenshot('dropped-dark');
    await workbench.page.keyboard.press('Enter');
    // With a score and no state beside its age: it was tuned to the end.
    await below(/^odd_one/, /%\s+from movies, adapter · 16 shots · seed 13 · now/);
  });

  it('is legible in other themes and in a narrow window', async () => {
    for (const theme of ['light', 'high-contrast'] as const) {
      const other = await Workbench.launch({ folder, theme, viewport: { width: 700, height: 800 } });
      try {
        await other.openView('Deltaloom');
        await other.treeItem(/^odd_one/).click();
        await other
          .treeItem(/failed/)
          .first()
          .waitFor();
        await other.screenshot(`tree-${theme}-narrow`);
      } finally {
        await other.close();
      }
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
});
