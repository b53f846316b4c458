import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FrameLocator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { averagingWeights } from '../../src/core/averaging-weights.js';
import type { ScoreMatrix } from '../../src/study/records.js';
import { findChromium } from '../harness/chromium.js';
import { PanelDriver } from '../harness/panel-driver.js';
import { THEMES, Workbench, type ThemeName } from '../harness/workbench.js';
import { removeFolder } from '../harness/temporary-folder.js';
import { beginRepository, commitAllIn, deltaloomIn, gitIn } from '../support/commands.js';
import { exampleStudy, matrixFile, writeJson, writeStudy, writeTasks } from '../support/example-study.js';

/** The panels in the real editor, on a study with a history of its own. */

const TASKS = 8;
const METHODS = ['loss', 'el2n', 'kl-divergence'] as const;

describe.skipIf(findChromium() === undefined)('panels', () => {
  let folder: string;
  let bench: Workbench;
  let panel: FrameLocator;
  let driver: PanelDriver;
  const first = exampleStudy({ tasks: TASKS, methods: METHODS, blocks: 2 });
  const second = exampleStudy({ tasks: TASKS, methods: METHODS, seed: 7 });
  const third = exampleStudy({ tasks: TASKS, methods: METHODS, seed: 8 });
  let hashes: string[];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-panels-'));
    beginRepository(folder);
    await writeFile(path.join(folder, 'train.py'), 'print("tune")\n');
    await writeStudy(folder, first);
    await writeTasks(folder, first.tasks);
    const oldest = commitAll('Tune sources, score every pair');
    await writeMatrix(second.matrices[0]);
    hashes = [oldest, commitAll('Score by loss on more examples')];
    // Not committed: EL2N was computed anew.
    await writeMatrix(third.matrices[1]);
    bench = await Workbench.launch({ folder, viewport: { width: 1500, height: 1000 } });
    // Commands appear in the palette once the study has been read.
    await bench.openView('Deltaloom');
    await bench.page.locator('.sidebar').getByRole('treeitem').first().waitFor({ timeout: 90_000 });
    await openFile('train.py');
    await bench.runCommand('Deltaloom: Show Heatmap');
    panel = bench.webview();
    driver = new PanelDriver(bench);
    await panel.locator('heatmap-picture canvas').first().waitFor({ timeout: 60_000 });
  });

  afterAll(async () => {
    await bench.screenshot('panels-at-the-end').catch(() => undefined);
    await bench.close();
    await removeFolder(folder);
  });

  function git(...args: string[]): string {
    return gitIn(folder, ...args);
  }

  function commitAll(message: string): string {
    return commitAllIn(folder, message);
  }

  async function writeMatrix(matrix: ScoreMatrix | undefined): Promise<void> {
    if (matrix === undefined) throw new Error('no matrix');
    await writeJson(folder, matrixFile(matrix), matrix);
  }

  async function openFile(name: string): Promise<void> {
    await bench.page.keyboard.press('Control+P');
    await bench.quickInput().fill(name);
    await bench.quickPickOption(new RegExp(name)).first().waitFor();
    await bench.page.keyboard.press('Enter');
    await bench.page.locator('.editor-group-container .tab', { hasText: name }).first().waitFor();
  }

  function valueOf(matrix: ScoreMatrix | undefined, target: string, source: string, part = 0): number {
    const cell = matrix?.cells.find(
      (candidate) => candidate.target === target && candidate.source === source,
    );
    return cell?.values[part] ?? Number.NaN;
  }

  function weightsOf(
    matrix: ScoreMatrix | undefined,
    target: string,
    temperature: number,
  ): Map<string, number> {
    const row = matrix?.cells.filter((cell) => cell.target === target) ?? [];
    const { sources, weights } = averagingWeights(
      target,
      row.map(({ source, values }) => ({ task: source, value: values[0] ?? null })),
      { direction: 'lower', temperature },
    );
    return new Map(sources.map((source, i) => [source, weights[i] ?? 0]));
  }

  it('opens beside the source file and reads out value, rank and weight of a cell', async () => {
    await expect.poll(() => bench.page.locator('.editor-group-container').count()).toBe(2);
    const [target, source] = ['compare_01', 'compare_03'];
    const value = valueOf(second.matrices[0], target, source);
    const weight = weightsOf(second.matrices[0], target, 0.1).get(source) ?? 0;
    await expect.poll(() => driver.readCell(1, 3)).toContain(`weight ${(100 * weight).toFixed(2)} %`);
    const text = await driver.readCell(1, 3);
    expect(text).toContain(`${target} ← ${source}: ${value.toFixed(4)}`);
    expect(text).toMatch(/rank [1-3] of 7/);
    await bench.screenshot('heatmap-beside-source');
  });

  it('shows under the pointer what the keyboard reads', async () => {
    const [, , source = ''] = first.tasks;
    const chosenBy = () => driver.readCell(0, 2);
    await expect.poll(chosenBy).toContain(` ← ${source}: `);
    const byKey = await chosenBy();
    await expect.poll(() => driver.readCell(5, 5)).not.toBe(byKey);
    const box = await panel.locator('heatmap-picture canvas').first().boundingBox();
    const chosen = await panel.locator('heatmap-picture').evaluate((element) => {
      const { layout } = element as unknown as {
        layout: { labelWidth: number; headerHeight: number; cellWidth: number; cellHeight: number };
      };
      return {
        x: layout.labelWidth + 2.5 * layout.cellWidth,
        y: layout.headerHeight + 0.5 * layout.cellHeight,
      };
    });
    await bench.page.mouse.move((box?.x ?? 0) + chosen.x, (box?.y ?? 0) + chosen.y);
    await expect.poll(() => panel.locator('heatmap-picture .readout').innerText()).toBe(byKey);
  });

  it('has the same as a table', async () => {
    await panel.getByRole('button', { name: 'Table' }).click();
    const row = panel.locator('tbody tr', { hasText: 'count_05' });
    await expect
      .poll(async () => (await row.locator('td').allInnerTexts())[4])
      .toBe(valueOf(second.matrices[0], 'count_05', 'count_04').toFixed(4));
    await panel.getByRole('button', { name: 'Picture' }).click();
  });

  it('switches method and granularity, with all blocks in small and a profile', async () => {
    await driver.choose('Method', /^\s*EL2N\s*$/);
    await panel.locator('h2', { hasText: 'EL2N (adapter)' }).waitFor();
    const working = valueOf(third.matrices[1], 'compare_00', 'compare_02');
    await expect.poll(() => driver.readCell(0, 2)).toContain(working.toFixed(4));
    await driver.choose('Method', /^\s*GraNd\s*$/);
    await driver.choose('Granularity', 'Layers');
    await panel.locator('small-multiples button').nth(9).waitFor();
    await driver.choose('Granularity', 'Blocks');
    await expect.poll(() => panel.locator('small-multiples button').count()).toBe(4);
    await panel.locator('small-multiples button').nth(2).click();
    await panel.locator('h2', { hasText: 'decoder.block.0' }).waitFor();
    await driver.openCell(0, 5, 'line-picture canvas');
    const grand = first.matrices.find(({ granularity }) => granularity === 'block');
    await expect
      .poll(async () => {
        await panel.locator('line-picture .picture-area').focus();
        await bench.page.keyboard.press('End');
        return panel.locator('line-picture .readout').innerText();
      })
      .toContain(valueOf(grand, 'compare_00', 'count_05', 3).toFixed(4));
    await bench.screenshot('heatmap-blocks');
    await driver.choose('Method', /^\s*Loss\s*$/);
  });

  it("lists the commits of git's own log, shows one and the difference of two", async () => {
    await panel.locator('h2', { hasText: 'Loss (adapter)' }).waitFor();
    await expect.poll(() => driver.options('Showing').then((texts) => texts.length)).toBe(3);
    const listed = await driver.options('Showing');
    const logged = git(
      'log',
      '--format=%h %s',
      '--abbrev=7',
      '--',
      '.deltaloom/scores/adapter/loss.model.json',
    ).split('\n');
    expect(listed[0]).toContain('Working tree');
    expect(listed.slice(1)).toEqual(logged);
    await driver.choose('Showing', hashes[0]?.slice(0, 7) ?? '');
    const then = valueOf(first.matrices[0], 'compare_01', 'compare_03');
    await expect.poll(() => driver.readCell(1, 3)).toContain(then.toFixed(4));
    await driver.choose('Compared with', hashes[1]?.slice(0, 7) ?? '');
    await panel.locator('h2 small', { hasText: 'difference' }).waitFor();
    const now = valueOf(second.matrices[0], 'compare_01', 'compare_03');
    const difference = then - now;
    await expect
      .poll(() => driver.readCell(1, 3))
      .toContain(
        `${hashes[1]?.slice(0, 7)} ${now.toFixed(4)} · difference ${difference > 0 ? '+' : ''}${difference.toFixed(4)}`,
      );
    await bench.screenshot('heatmap-difference');
    expect(git('status', '--porcelain')).toBe('M .deltaloom/scores/adapter/el2n.model.json');
    await driver.choose('Compared with', 'Nothing');
    await driver.choose('Showing', 'Working tree');
  });

  it('opens what a cell was made from, and its commit', async () => {
    await driver.openCell(0, 5, 'section.cell');
    await panel.locator('section.cell').getByRole('button', { name: 'Run Record' }).click();
    await bench.page
      .locator('.tab', { hasText: /adapter-full-42/ })
      .first()
      .waitFor();
    await driver.choose('Showing', hashes[1]?.slice(0, 7) ?? '');
    await panel.getByRole('button', { name: 'Open Commit' }).click();
    await bench.page
      .locator('.tab', { hasText: hashes[1]?.slice(0, 7) ?? '' })
      .first()
      .waitFor();
    await driver.choose('Showing', 'Working tree');
  });

  it('recomputes weights while the temperature moves, and warns of collapse', async () => {
    await bench.runCommand('Deltaloom: Show Averaging Weights');
    panel = bench.page
      .locator('iframe.webview.ready')
      .last()
      .contentFrame()
      .frameLocator('iframe#active-frame');
    await panel.locator('bar-picture canvas').waitFor({ timeout: 60_000 });
    await driver.choose('Target', 'count_06');
    await driver.choose('Method', /^\s*Loss\s*$/);
    await driver.choose('Order', 'Most similar first');
    const slider = panel.locator('#temperature');
    const target = 'count_06';
    for (const position of [500, 620, 250]) {
      await slider.evaluate((element, value) => {
        (element as HTMLInputElement).value = String(value);
        element.dispatchEvent(new Event('input'));
      }, position);
      const temperature = Number((0.001 * 1e4 ** (position / 1000)).toPrecision(4));
      await expect.poll(() => panel.locator('.temperature output').innerText()).toBe(String(temperature));
      const expected = [...weightsOf(second.matrices[0], target, temperature)].sort((a, b) => b[1] - a[1])[0];
      await expect
        .poll(async () => {
          await panel.locator('bar-picture .picture-area').focus();
          await bench.page.keyboard.press('Home');
          return panel.locator('bar-picture .readout').innerText();
        })
        .toContain(`${expected?.[0]}: ${(100 * (expected?.[1] ?? 0)).toFixed(1)} %`);
    }
    await panel.locator('.notice.warning', { hasText: 'of the weight' }).waitFor();
    await panel.getByRole('button', { name: "Study's (0.1)" }).click();
    await panel.getByRole('button', { name: 'Table' }).first().click();
    const row = panel.locator('tbody tr', { hasText: 'count_04' }).first();
    const weight = weightsOf(second.matrices[0], target, 0.1).get('count_04') ?? 0;
    // Until the table is drawn, the first row of that name is one of the methods side by side.
    await expect.poll(async () => (await row.locator('td').allInnerTexts())[1]).toBe(weight.toFixed(4));
    const told = JSON.parse(
      deltaloomIn(folder, 'weights', '--target', target, '--method', 'loss', '--json'),
    ) as { sources: string[]; weights: number[][] };
    for (const [i, source] of told.sources.entries()) {
      const shown = panel.locator('tbody tr', { hasText: source }).first().locator('td').nth(1);
      await expect.poll(() => shown.innerText()).toBe(told.weights[0]?.[i]?.toFixed(4));
    }
    await panel.getByRole('button', { name: 'Picture' }).first().click();
    await panel.locator('h2', { hasText: 'Methods side by side' }).waitFor();
    await bench.screenshot('weights');
  });

  it('shows results and learning curves', async () => {
    await bench.runCommand('Deltaloom: Show Results');
    panel = bench.page
      .locator('iframe.webview.ready')
      .last()
      .contentFrame()
      .frameLocator('iframe#active-frame');
    // The last panel is still another one until the results are there; that one has such a row too.
    await panel
      .getByRole('heading', { name: /^Results/ })
      .first()
      .waitFor({ timeout: 60_000 });
    const row = panel.locator('tbody tr', { hasText: 'compare_02' });
    await row.waitFor({ timeout: 60_000 });
    const tests = first.runs
      .filter(
        (run) => run.task === 'compare_02' && run.role === 'target' && run.initialisation.kind === 'random',
      )
      .map(({ results }) => results.test ?? 0);
    const mean = tests.reduce((sum, value) => sum + value, 0) / tests.length;
    await expect
      .poll(async () => (await row.locator('td').allInnerTexts())[1])
      .toContain(`${(100 * mean).toFixed(1)} ±`);
    await bench.screenshot('results');
    await row.locator('td button').first().click();
    await panel.getByRole('button', { name: 'Learning Curves' }).click();
    const curves = bench.page
      .locator('iframe.webview.ready')
      .last()
      .contentFrame()
      .frameLocator('iframe#active-frame');
    await curves.locator('line-picture canvas').waitFor({ timeout: 60_000 });
    await bench.screenshot('curves');
  });

  it('commits results and shows the new commit', async () => {
    const before = git('rev-parse', 'HEAD');
    await bench.runCommand('Deltaloom: Commit Results…');
    await expect.poll(() => bench.quickInput().inputValue()).toBe('Score 8 tasks by EL2N');
    await bench.page.keyboard.press('Enter');
    await expect.poll(() => git('rev-parse', 'HEAD')).not.toBe(before);
    expect(git('show', '--format=%s', '--name-only', 'HEAD')).toBe(
      'Score 8 tasks by EL2N\n\n.deltaloom/scores/adapter/el2n.model.json',
    );
    expect(git('status', '--porcelain')).toBe('');
    await bench.runCommand('Deltaloom: Show Heatmap');
    panel = bench.page
      .locator('iframe.webview.ready')
      .first()
      .contentFrame()
      .frameLocator('iframe#active-frame');
    await driver.choose('Method', /^\s*EL2N\s*$/);
    await expect
      .poll(() => driver.options('Showing').then((texts) => texts.join('\n')))
      .toContain(`${git('rev-parse', 'HEAD').slice(0, 7)} Score 8 tasks by EL2N`);
  });

  it('sees records change on disk at once', async () => {
    const other = exampleStudy({ tasks: TASKS, methods: METHODS, seed: 21 });
    await writeMatrix(other.matrices[1]);
    const value = valueOf(other.matrices[1], 'compare_00', 'compare_02');
    await expect.poll(() => driver.readCell(0, 2)).toContain(value.toFixed(4));
  });

  it('follows the theme at once', async () => {
    const colour = () =>
      panel
        .locator('heatmap-picture canvas')
        .first()
        .evaluate((canvas) => {
          const context = (canvas as HTMLCanvasElement).getContext('2d');
          return [
            ...(context?.getImageData(2, (canvas as HTMLCanvasElement).height - 40, 120, 1).data ?? []),
          ].join();
        });
    const dark = await colour();
    await writeSettings('light');
    await expect.poll(() => colour()).not.toBe(dark);
    for (const theme of Object.keys(THEMES) as ThemeName[]) {
      await writeSettings(theme);
      await bench.page.waitForTimeout(1200);
      await bench.screenshot(`heatmap-${theme}`);
    }
  });

  async function writeSettings(theme: ThemeName): Promise<void> {
    await writeJson(folder, '.vscode/settings.json', { 'workbench.colorTheme': THEMES[theme] });
  }
});
