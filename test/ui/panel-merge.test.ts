import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FrameLocator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeRecordSchema } from '../../src/study/records.js';
import { findChromium } from '../harness/chromium.js';
import { PROJECT_ROOT, Workbench } from '../harness/workbench.js';
import { deltaloomIn, gitIn } from '../support/commands.js';
import { writeJson, writeTasks } from '../support/example-study.js';

/** From weights to a merge to a commit, on sources that are really tuned (two steps each, on the sample's backbone). */

const TASKS = ['alpha', 'beta', 'gamma'];

describe.skipIf(findChromium() === undefined)('merging from the panel', () => {
  let folder: string;
  let bench: Workbench;
  let panel: FrameLocator;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-merge-'));
    await writeTasks(folder, TASKS);
    await writeFile(
      path.join(folder, '.gitignore'),
      '.deltaloom/*\n!.deltaloom/runs\n!.deltaloom/scores\n!.deltaloom/merges\n',
    );
    await writeJson(folder, 'deltaloom.json', {
      version: 1,
      name: 'Small',
      backbone: path.relative(folder, path.join(PROJECT_ROOT, 'sample', 'backbone')),
      tasks: 'tasks',
      metrics: Object.fromEntries(TASKS.map((task) => [task, 'ACC'])),
      lengths: { input: 16, output: 4 },
      sources: { shots: 16, tuning: { steps: 2, validateEvery: 2, validateOn: 1 } },
      scores: { methods: ['loss'] },
    });
    git('init', '--quiet', '--initial-branch=main');
    git('config', 'user.name', 'Ada Lovelace');
    git('config', 'user.email', 'ada@example.org');
    git('add', '--all', '.');
    git('commit', '--quiet', '--message', 'Begin a study');
    deltaloomIn(folder, 'tune', '--role', 'source', '--task', ...TASKS);
    deltaloomIn(folder, 'score', '--method', 'loss');
    git('add', '--all', '.');
    git('commit', '--quiet', '--message', 'Tune three sources and score them');
    bench = await Workbench.launch({ folder, viewport: { width: 1300, height: 900 } });
    // Commands appear in the palette once the study has been read.
    await bench.openView('Deltaloom');
    await bench.treeItem(/alpha/).first().waitFor({ timeout: 90_000 });
    await bench.runCommand('Deltaloom: Show Averaging Weights');
    panel = bench.webview();
    await panel.locator('bar-picture canvas').waitFor({ timeout: 90_000 });
  });

  afterAll(async () => {
    await bench.screenshot('merge-at-the-end').catch(() => undefined);
    await bench.close();
    await rm(folder, { recursive: true, force: true });
  });

  function git(...args: string[]): string {
    return gitIn(folder, ...args);
  }

  it('merges at the temperature on the slider', async () => {
    await panel.locator('#temperature').evaluate((element) => {
      (element as HTMLInputElement).value = '600';
      element.dispatchEvent(new Event('input'));
    });
    await expect.poll(() => panel.locator('.temperature output').innerText()).toBe('0.2512');
    await panel.getByRole('button', { name: 'Merge with These Weights' }).click();
    await panel.locator('.job.done').waitFor({ timeout: 120_000 });
    const merges = path.join(folder, '.deltaloom', 'merges', 'alpha');
    const [file = ''] = (await readdir(merges)).filter((name) => name.endsWith('.json'));
    const record = mergeRecordSchema.parse(JSON.parse(await readFile(path.join(merges, file), 'utf8')));
    expect(record).toMatchObject({ target: 'alpha', score: 'loss', temperature: 0.2512 });
    await panel.getByRole('button', { name: 'Table' }).first().click();
    for (const [i, { task }] of record.sources.entries()) {
      const shown = panel.locator('tbody tr', { hasText: task }).first().locator('td').nth(1);
      expect(await shown.innerText()).toBe(record.weights[0]?.[i]?.toFixed(4));
    }
    await bench.screenshot('merged-from-panel');
  });

  it('says who computed the scores at which commit', async () => {
    const begun = git('log', '--format=%h', '--abbrev=7', '--reverse').split('\n')[0] ?? '';
    const said = await panel.locator('.provenance').first().innerText();
    expect(said).toContain(`Computed at ${begun} on main by Ada Lovelace, `);
  });

  it('commits the merge from the panel', async () => {
    await expect.poll(() => panel.getByRole('button', { name: 'Commit Results (1)…' }).count()).toBe(1);
    await panel.getByRole('button', { name: 'Commit Results (1)…' }).click();
    await expect.poll(() => bench.quickInput().inputValue()).toBe('Merge for 1 target');
    await bench.page.keyboard.press('Enter');
    await expect.poll(() => git('log', '-1', '--format=%s')).toBe('Merge for 1 target');
    expect(git('show', '--format=', '--name-only', 'HEAD')).toMatch(
      /^\.deltaloom\/merges\/alpha\/[\w.-]+\.json$/,
    );
    await panel.locator('vscode-button', { hasText: /Commit Results…/ }).waitFor();
  });
});
