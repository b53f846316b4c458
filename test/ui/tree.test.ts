import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRecords, QUICK_SETTINGS, writeStudy, writeTinyBackbone } from '../extension/make-study.js';
import type { Locator, Page } from 'playwright-core';
import { findAdvertised } from '../../src/runtime/discovery.js';
import type { RunRecord } from '../../src/study/records.js';
import { findChromium } from '../harness/chromium.js';
import { isAlive, runtimeProcesses } from '../harness/processes.js';
import { PROJECT_ROOT, Workbench } from '../harness/workbench.js';
import { removeFolder } from '../harness/temporary-folder.js';

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
    const runtimes = await runtimeProcesses(workbench.server.pid);
    const outliving = await findAdvertised(folder);
    await workbench.close();
    // It goes on without its window as it was told to, but not without its test.
    for (const pid of new Set([...runtimes, ...(outliving === undefined ? [] : [outliving.pid])])) end(pid);
    await removeFolder(folder);
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
    // Judged in a thread, after the rows are there.
    await expect.poll(() => workbench.treeItem(/source, lora · full data · stale/).count()).toBe(1);
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
    // Who looks at the tree saw it end: nothing is announced.
    const list = await showNotifications();
    await list
      .getByText(/no new notifications/i)
      .first()
      .waitFor();
    await workbench.runCommand('Notifications: Hide Notifications');
  });

  it('tells the end of a tuning to who does not look, and leads back to it', async () => {
    const { page } = workbench;
    // What is on record is said in passing: there is nothing to look at.
    await workbench.chooseFromContextMenu(workbench.treeItem(/^agreement/), 'Tune with Last Settings');
    await page.locator('.statusbar').getByText('Tune agreement (adapter): 1 tuning on record').waitFor();
    await workbench.openView('Explorer');
    await workbench.runAndChoose('Deltaloom: Tune with Last Settings', /^odd_one/);
    const list = await showNotifications();
    const notice = list.locator('.notification-list-item', { hasText: /Tune odd_one.*Tuned odd_one/ });
    await notice.waitFor({ timeout: 180_000 });
    await workbench.screenshot('notification-dark');
    await notice.getByRole('button', { name: 'Show in Tree' }).click();
    await expect.poll(() => workbench.treeItem(/^odd_one/).getAttribute('aria-selected')).toBe('true');
    await workbench.runCommand('Notifications: Clear All Notifications');
  });

  it('tells a failure with what to do, offers its log, and keeps it', async () => {
    const { page } = workbench;
    const data = path.join(folder, 'tasks', 'hotels', 'hotels_16_13_train.tsv');
    const good = await readFile(data, 'utf8');
    await writeFile(data, 'no answer in this line\n');
    await workbench.chooseFromContextMenu(workbench.treeItem(/^hotels/), 'Tune with Last Settings');
    const list = await showNotifications();
    const notice = list.locator('.notification-list-item', {
      hasText: /Tune hotels \(adapter\) failed: .*hotels_16_13_train\.tsv:1: /,
    });
    await notice.waitFor({ timeout: 180_000 });
    await workbench.screenshot('failure-dark');
    await notice.getByRole('button', { name: 'Open Log' }).click();
    await page.locator('.tab.active', { hasText: /tune.*\.log/ }).waitFor();
    await page
      .locator('.view-lines')
      .getByText(/Failed:/)
      .waitFor();
    await workbench.runCommand('View: Close All Editors');
    await workbench.runCommand('Notifications: Clear All Notifications');
    // The row of the failed run leads to the same log.
    await open(/^hotels/);
    await (await below(/^hotels/, /^random start.*failed · now/)).click();
    await page
      .locator('.view-lines')
      .getByText(/Failed:/)
      .waitFor();
    await writeFile(data, good);
    await workbench.runCommand('View: Close All Editors');
    await workbench.treeItem(/^hotels/).click();
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
    await workbench.runAndWrite('Deltaloom: Filter Tasks and Checkpoints…', 'movies');
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
    await workbench.runAndChoose('Deltaloom: Merge Selected…', /^odd_one/);
    await workbench.quickPickOption(/Plain average.*50% movies · 50% phones/).waitFor();
    await workbench.screenshot('merge-selected-dark');
    await workbench.quickPickOption(/Plain average/).click();
    await open(/^odd_one/);
    await workbench.treeItem(/Merge by .*adapter · 50% \w+ \+ 1/).waitFor();
    await workbench.runCommand('Deltaloom: Clear Checked Sources');
    await expect.poll(() => page.getByRole('checkbox', { checked: true }).count()).toBe(0);
  });

  it('makes the weights of a merge anew where they are gone', async () => {
    const folderOf = path.join(folder, '.deltaloom', 'checkpoints', 'odd_one');
    const [file] = (await readdir(folderOf)).filter((name) => name.includes('explicit'));
    if (file === undefined) throw new Error('The merge has no weights.');
    const before = await readFile(path.join(folderOf, file));
    const ways = [
      (row: Locator) => workbench.chooseFromContextMenu(row, 'Merge Again'),
      async () => {
        await workbench.runAndChoose(
          'Deltaloom: Merge Again',
          /^odd_one: Merge by chosen weights.*not on this machine/,
        );
      },
    ];
    for (const mergeAgain of ways) {
      await rm(path.join(folderOf, file));
      await mergeAgain(await below(/^odd_one/, /^Merge by chosen weights.*weights not on this machine/));
      await below(/^odd_one/, /^Merge by chosen weights, adapter · 50% \w+ \+ 1 · now/);
      expect(await readFile(path.join(folderOf, file))).toEqual(before);
    }
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

  it('offers first what a tuning started from last', async () => {
    await workbench.chooseFromContextMenu(workbench.treeItem(/^hotels/), 'Tune…');
    await workbench.quickPickOption(/^As a few-shot target/).click();
    await workbench.quickPickOption(/^adapter/).click();
    const active = workbench.page.locator('.quick-input-list .monaco-list-row.focused');
    await expect.poll(() => active.getAttribute('aria-label')).toMatch(/^movies/);
    await workbench.page.keyboard.press('Escape');
  });

  it('compares two checkpoints that are selected', async () => {
    const { page } = workbench;
    await workbench.runCommand('View: Close All Editors');
    const [one, other] = [/^movies/, /^phones/].map((task) => () => below(task, /source, adapter · full/));
    if (one === undefined || other === undefined) throw new Error('unreachable');
    await (await one()).click();
    await (await other()).click({ modifiers: ['ControlOrMeta'] });
    await workbench.chooseFromContextMenu(await other(), /Compare Checkpoints/);
    await page.locator('.tab').nth(1).waitFor();
    await comparisonShown();
    await workbench.screenshot('compare-dark');
    await workbench.runCommand('View: Close All Editors');
  });

  it('compares the checkpoint of an editor from its title', async () => {
    const { page } = workbench;
    await (await below(/^movies/, /source, adapter · full/)).click();
    await page.locator('.tab.active', { hasText: /safetensors/ }).waitFor();
    await page
      .locator('.editor-actions')
      .getByRole('button', { name: /^Compare Checkpoints/ })
      .click();
    await workbench.quickInput().fill('phones: adapter source');
    await workbench
      .quickPickOption(/^phones: adapter source/)
      .first()
      .click();
    await comparisonShown();
    await expect.poll(() => page.locator('.tab').count()).toBe(2);
    await workbench.runCommand('View: Close All Editors');
  });

  it('deletes a checkpoint with all that belongs to it, after asking', async () => {
    const { page } = workbench;
    const runs = path.join(folder, '.deltaloom', 'runs', 'odd_one');
    const records = await Promise.all(
      (await readdir(runs)).map(
        async (name) => JSON.parse(await readFile(path.join(runs, name), 'utf8')) as RunRecord,
      ),
    );
    const { id } = records.find(({ initialisation }) => initialisation.kind === 'checkpoint') ?? { id: '?' };
    const filesOfRun = async (): Promise<string[]> => {
      const files = await readdir(path.join(folder, '.deltaloom'), { recursive: true });
      return files
        .filter((file) => path.basename(file).startsWith(id))
        .map((file) => path.dirname(file))
        .sort();
    };
    const before = ['checkpoints', 'predictions', 'runs'].map((kind) => `${kind}/odd_one`);
    expect(await filesOfRun()).toEqual(before);
    const started = /from movies, adapter/;
    const dialog = page.locator('.monaco-dialog-box');
    // The key means the rows that are selected, and nothing on others.
    await workbench.treeItem(/^odd_one/).click();
    await page.keyboard.press('Delete');
    await open(/^odd_one/);
    expect(await dialog.count()).toBe(0);
    await (await below(/^odd_one/, started)).click();
    await page.keyboard.press('Delete');
    await dialog.getByText('Delete 1 checkpoint?').waitFor();
    await dialog.getByText(/deleted for good: there is no trash where the study lies/).waitFor();
    await workbench.screenshot('delete-dark');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await filesOfRun()).toEqual(before);
    await workbench.chooseFromContextMenu(await below(/^odd_one/, started), /^Delete/);
    await dialog.getByRole('button', { name: 'Delete for Good' }).click();
    await expect.poll(() => workbench.findRowBelow(/^odd_one/, started)).toBeUndefined();
    await expect.poll(filesOfRun).toEqual([]);
    await below(/^odd_one/, /source, adapter/);
  });

  it('asks for what is to be tuned, shows it in row, badge and status bar, and cancels', async () => {
    const { page } = workbench;
    await startLongTuning();
    const running = workbench.treeItem(/^\d+%\s+Tuning agreement.* left · loss/);
    await running.waitFor({ timeout: 180_000 });
    await page
      .locator('.statusbar')
      .getByText(/agreement \d+% · step \d+ · loss \d.* left · cpu/)
      .waitFor();
    await badge('1').waitFor();
    await workbench.screenshot('running-dark');
    await workbench.chooseFromContextMenu(running, 'Cancel Job');
    await below(/^agreement/, /source, adapter · 16 shots · cancelled/);
    await badge('1').waitFor({ state: 'hidden' });
  });

  it('starts a killed runtime again; the next window finds it, what was arranged, and sees the end', async () => {
    const { page } = workbench;
    await workbench.chooseFromContextMenu(workbench.treeItem(/^agreement/), 'Tune with Last Settings');
    await workbench.treeItem(/^\d+%\s+Tuning agreement.*loss/).waitFor({ timeout: 180_000 });
    const [first] = await runtimeProcesses(workbench.server.pid);
    process.kill(first ?? 0, 'SIGKILL');
    await page.locator('.statusbar').getByText('Deltaloom: restarting (1 of 3)').waitFor();
    await workbench.treeItem(/Tuning agreement.*attempt 2/).waitFor({ timeout: 180_000 });
    const [second] = await runtimeProcesses(workbench.server.pid);
    expect(second).not.toBe(first);
    // What waits behind it ends in the next window.
    const source = () => below(/^movies/, /source, adapter · full/);
    await workbench.chooseFromContextMenuAndList(source, 'Evaluate…', 'test');
    await badge('2').waitFor();
    // Its editor comes back with the next window and asks for a runtime before the studies are read: for this one.
    await expect
      .poll(
        async () => {
          await (await source()).click();
          return workbench.webview().getByRole('heading', { name: 'Layers' }).isVisible();
        },
        { interval: 2000, timeout: 45_000 },
      )
      .toBe(true);
    await workbench.runAndChoose('Deltaloom: Sort…', 'Name');
    await workbench.runAndWrite('Deltaloom: Filter Tasks and Checkpoints…', 'agreement');
    await page.getByText('Filter "agreement": 1 of 6 tasks').waitFor();
    await expect.poll(() => isStored(page, '"filter":"agreement"')).toBe(true);

    await workbench.reopen();
    await workbench.openView('Deltaloom');
    await page.getByText('Filter "agreement": 1 of 6 tasks').waitFor();
    await open(/^agreement/);
    await workbench.treeItem(/^\d+%\s+Tuning agreement.*attempt 2/).waitFor();
    expect(await runtimeProcesses(workbench.server.pid)).not.toContain(first);
    expect(isAlive(second ?? 0)).toBe(true);
    await badge('2').waitFor();
    await workbench.webview().getByRole('heading', { name: 'Layers' }).waitFor();
    await workbench.screenshot('reopened-dark');
    await workbench.runCommand('Deltaloom: Clear Filter');
    const tasks = (): Promise<string[]> =>
      page
        .locator('.sidebar .monaco-list-row[aria-level="2"]')
        .evaluateAll((rows) => rows.map((row) => (row.getAttribute('aria-label') ?? '').split(',')[0] ?? ''));
    await expect.poll(tasks).toEqual(['hotels', 'movies', 'phones', 'agreement', 'negation', 'odd_one']);
    await workbench.openView('Explorer');
    await workbench.runAndChoose('Deltaloom: Cancel Job', /agreement/);
    const list = await showNotifications();
    await list
      .locator('.notification-list-item', { hasText: /Evaluate movies on test: movies: test ACC/ })
      .waitFor({ timeout: 180_000 });
    await badge('1').waitFor({ state: 'hidden' });
    await workbench.runCommand('Notifications: Clear All Notifications');
    await workbench.openView('Deltaloom');
    await below(/^agreement/, /source, adapter · 16 shots · cancelled/);
  });

  it('says a broken configuration at the root, once in the Problems panel, and keeps the groups', async () => {
    const { page } = workbench;
    const file = path.join(folder, 'deltaloom.json');
    const good = await readFile(file, 'utf8');
    await writeFile(file, good.replace('"size": 4', '"sizes": 4'));
    const row = workbench.treeItem(/^deltaloom\.json can't be used, line \d+: .*'sizes' is unknown/);
    await row.waitFor();
    await workbench.treeItem(/^sentiment/).waitFor();
    await workbench.treeItem(/^odd_one/).waitFor();
    await row.click();
    await page.locator('.tab.active', { hasText: 'deltaloom.json' }).waitFor();
    await workbench.runCommand('Problems: Focus on Problems View');
    const problems = page.locator('.markers-panel').getByRole('treeitem', { name: /sizes/ });
    // The editor's own word, by the schema; ours gives way to it.
    await problems.getByText('Property sizes is not allowed').waitFor({ timeout: 90_000 });
    await expect.poll(() => problems.count()).toBe(1);
    await workbench.screenshot('broken-dark');
    await writeFile(file, good);
    await row.waitFor({ state: 'detached' });
    await problems.waitFor({ state: 'detached' });
    await workbench.runCommand('View: Close All Editors');
    await workbench.runCommand('View: Hide Panel');
  });

  it('is legible in other themes and in a narrow window', async () => {
    const { page } = workbench;
    for (const theme of ['light', 'high-contrast', 'high-contrast-light'] as const) {
      await workbench.setTheme(theme);
      await workbench.openView('Deltaloom');
      await open(/^hotels/);
      const failed = await below(/^hotels/, /failed/);
      // A state that only colour told would be lost where the theme gives none.
      const colour = await failed
        .locator('.codicon-error')
        .evaluate((icon) => [icon, document.body].map((element) => getComputedStyle(element).color));
      expect(colour[0]).not.toBe(colour[1]);
      await workbench.screenshot(`tree-${theme}`);
      await page.setViewportSize({ width: 700, height: 800 });
      await workbench.screenshot(`tree-${theme}-narrow`);
      await page.setViewportSize({ width: 1400, height: 1400 });
    }
  });

  /** Of a source, which ends only when it is cancelled. */
  async function startLongTuning(): Promise<void> {
    await workbench.chooseFromContextMenu(workbench.treeItem(/^agreement/), 'Tune…');
    await workbench.quickPickOption(/^As a source/).click();
    await workbench.quickPickOption(/^adapter/).click();
    await workbench.quickPickOption(/^16 shots/).click();
    await workbench.page.locator('.quick-input-widget').getByText('Seeds, separated by commas').waitFor();
    await workbench.quickInput().press('Enter');
    await open(/^agreement/);
  }

  async function comparisonShown(): Promise<void> {
    const shown = workbench.page
      .locator('iframe.webview.ready')
      .filter({ visible: true })
      .contentFrame()
      .frameLocator('iframe#active-frame');
    await shown.getByText(/Compared with .*safetensors/).waitFor();
    await shown.getByRole('columnheader', { name: 'Difference' }).first().waitFor();
  }

  /** VS Code shows its tests no toasts: what would be one stands in the list of notifications. */
  async function showNotifications(): Promise<Locator> {
    await workbench.runCommand('Notifications: Show Notifications');
    const list = workbench.page.locator('.notifications-center');
    await list.waitFor();
    return list;
  }

  function badge(count: string): Locator {
    return workbench.page.locator('.activitybar .badge-content', { hasText: new RegExp(`^${count}$`) });
  }

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

/** Whether VS Code has written down what the extension keeps of the workspace: in the browser it does so a moment later. */
function isStored(page: Page, words: string): Promise<boolean> {
  return page.evaluate(async (wanted) => {
    const databases = await indexedDB.databases();
    for (const { name } of databases.filter((each) => each.name?.startsWith('vscode-web-state-db'))) {
      const values = await new Promise<unknown[]>((resolve) => {
        const opening = indexedDB.open(name ?? '');
        opening.onerror = () => resolve([]);
        opening.onsuccess = () => {
          const database = opening.result;
          const [store] = database.objectStoreNames;
          if (store === undefined) {
            resolve([]);
            return;
          }
          const reading = database.transaction(store).objectStore(store).getAll();
          reading.onsuccess = () => {
            database.close();
            resolve(reading.result as unknown[]);
          };
        };
      });
      if (values.some((value) => typeof value === 'string' && value.includes(wanted))) return true;
    }
    return false;
  }, words);
}

function end(pid: number): void {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
}
