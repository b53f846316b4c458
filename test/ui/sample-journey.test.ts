import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeRecordSchema, runRecordSchema, scoreMatrixSchema } from '../../src/study/records.js';
import { findChromium } from '../harness/chromium.js';
import { PanelDriver, settledText } from '../harness/panel-driver.js';
import { Workbench } from '../harness/workbench.js';
import { removeFolder } from '../harness/temporary-folder.js';
import { deltaloomIn, gitIn, writeSampleStudy } from '../support/commands.js';

/**
 * What somebody does who opens the sample study with its history: looks at heatmaps beside the code, goes back in time, drags
 * the temperature, merges, commits, tunes, reloads the window. What is on screen is compared with the records, with the command
 * line and with git's own log.
 */
describe.skipIf(findChromium() === undefined)(
  'a journey through the sample study',
  { timeout: 300_000 },
  () => {
    const target = 'film_reviews';
    /** Of the tunings that are watched. */
    const seeds = [13, 21];
    const lossFile = '.deltaloom/scores/adapter/loss.model.json';
    let folder: string;
    let study: string;
    let bench: Workbench;
    let panel: PanelDriver;
    const refused: string[] = [];

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-journey-'));
      study = path.join(folder, 'sample');
      writeSampleStudy(study);
      const configuration = JSON.parse(await readFile(path.join(study, 'deltaloom.json'), 'utf8')) as {
        targets: { tuning: object };
      };
      // Long enough to be watched.
      Object.assign(configuration.targets, { seeds });
      Object.assign(configuration.targets.tuning, { steps: 120, validateEvery: 60, logEvery: 10 });
      await writeFile(path.join(study, 'deltaloom.json'), `${JSON.stringify(configuration, null, 2)}\n`);
      git('commit', '--all', '--quiet', '--message', 'Tune targets for longer');
      bench = await Workbench.launch({ folder: study, viewport: { width: 1500, height: 1000 } });
      bench.page.on('console', (message) => {
        if (/Content Security Policy/.test(message.text())) refused.push(message.text());
      });
      panel = new PanelDriver(bench);
      await bench.openView('Deltaloom');
      await bench.treeItem(target).first().waitFor({ timeout: 90_000 });
      await bench.runCommand('Deltaloom: Open Configuration');
      await bench.page.locator('.tab', { hasText: 'deltaloom.json' }).waitFor();
    });

    afterAll(async () => {
      await bench.screenshot('journey-at-the-end').catch(() => undefined);
      await bench.close();
      await removeFolder(folder);
    });

    function git(...args: string[]): string {
      return gitIn(study, ...args);
    }

    /** The command line's weights by source. */
    function weights(...args: string[]): Map<string, number> {
      const told = JSON.parse(deltaloomIn(study, 'weights', '--target', target, '--json', ...args)) as {
        sources: string[];
        weights: number[][];
      };
      return new Map(told.sources.map((source, i) => [source, told.weights[0]?.[i] ?? Number.NaN]));
    }

    async function matrix(name: string) {
      const file = path.join(study, '.deltaloom', 'scores', 'adapter', `${name}.json`);
      const { targets, sources, parts, cells } = scoreMatrixSchema.parse(
        JSON.parse(await readFile(file, 'utf8')),
      );
      return {
        targets,
        sources,
        parts,
        value: (row: string, column: string, part = 0) =>
          cells.find((cell) => cell.target === row && cell.source === column)?.values[part] ?? Number.NaN,
      };
    }

    it('opens the heatmap beside the source file; its cells say what record and command line say', async () => {
      await panel.show('Show Heatmap', 'heatmap-picture canvas');
      await expect.poll(() => bench.page.locator('.editor-group-container').count()).toBe(2);
      await panel.choose('Method', /^\s*Loss\s*$/);
      await panel.choose('Order', 'Study');
      const { targets, sources, value } = await matrix('loss.model');
      const expected = weights('--method', 'loss');
      for (const source of sources.slice(0, 3)) {
        const read = () => panel.readCell(targets.indexOf(target), sources.indexOf(source));
        await expect.poll(read).toContain(`${target} ← ${source}: ${value(target, source).toFixed(4)}`);
        if (source !== target)
          await expect.poll(read).toContain(`weight ${(100 * (expected.get(source) ?? 0)).toFixed(2)} %`);
      }
      const last = git('log', '-1', '--format=%h by %an', '--abbrev=7', '--', lossFile);
      await expect
        .poll(() => panel.page.locator('.provenance').last().innerText())
        .toContain(`On record since ${last}, `);
    });

    it('switches methods and granularities', async () => {
      await panel.choose('Method', /^\s*EL2N\s*$/);
      await panel.page.locator('h2', { hasText: 'EL2N (adapter)' }).waitFor();
      const el2n = await matrix('el2n.model');
      await expect
        .poll(() => panel.readCell(0, 1))
        .toContain(el2n.value(el2n.targets[0] ?? '', el2n.sources[1] ?? '').toFixed(4));
      await panel.choose('Method', /^\s*GraNd\s*$/);
      await panel.choose('Granularity', 'Blocks');
      const blocks = await matrix('grand.block');
      await expect.poll(() => panel.page.locator('small-multiples button').count()).toBe(blocks.parts.length);
      await panel.page.locator('small-multiples button').nth(2).click();
      await panel.page.locator('h2', { hasText: blocks.parts[2] ?? '' }).waitFor();
      await panel.button('Table').click();
      const shown = blocks.sources.map((source) => blocks.value(target, source, 2).toFixed(4));
      await expect.poll(() => panel.tableRow(target)).toEqual(shown);
      await panel.button('Picture').click();
      await panel.choose('Granularity', 'Whole model');
    });

    it('shows a commit and goes on naming it when the method changes, and compares two', async () => {
      await panel.choose('Method', /^\s*EL2N\s*$/);
      const logged = git(
        'log',
        '--format=%h %s',
        '--abbrev=7',
        '--',
        '.deltaloom/scores/adapter/el2n.model.json',
      );
      await expect.poll(() => panel.options('Showing')).toEqual(['Working tree', ...logged.split('\n')]);
      await panel.choose('Showing', 'Score by EL2N');
      await expect.poll(() => panel.chosen('Showing')).toMatch(/^[0-9a-f]{7} Score by EL2N$/);
      // That commit did not touch the scores by loss, but they are shown as of it all the same.
      await panel.choose('Method', /^\s*Loss\s*$/);
      await panel.page.locator('h2', { hasText: 'Loss (adapter)' }).waitFor();
      await expect.poll(() => panel.chosen('Showing')).toMatch(/^[0-9a-f]{7} Score by EL2N$/);
      await panel.button('Open Commit').click();
      const hash = git('log', '--format=%h', '--abbrev=7', '--grep=Score by EL2N');
      await bench.page.locator('.tab', { hasText: hash }).first().waitFor();
      await panel.choose('Compared with', 'Working tree');
      await panel.page.locator('h2 small', { hasText: `difference: ${hash} minus working tree` }).waitFor();
      await panel.page.locator('.notice', { hasText: 'No difference' }).waitFor();
      await panel.choose('Compared with', 'Nothing');
      await panel.choose('Showing', 'Working tree');
    });

    it('weighs as of two commits with the temperature that each of them has', async () => {
      await panel.show('Show Averaging Weights', 'bar-picture canvas');
      await panel.choose('Target', target);
      await panel.choose('Method', /^\s*EL2N\s*$/);
      await panel.choose('Compared with', 'Score by EL2N');
      await panel.page.locator('.legend', { hasText: 'weight in' }).waitFor();
      await panel.button('Table').click();
      const commit = git('log', '--format=%H', '--grep=Score by EL2N');
      const earlier = JSON.parse(git('show', `${commit}:deltaloom.json`)) as {
        weights: { temperatures: { el2n: number } };
      };
      const now = weights('--method', 'el2n');
      const then = weights('--method', 'el2n', '--temperature', String(earlier.weights.temperatures.el2n));
      for (const [source, weight] of now) {
        await expect
          .poll(async () => (await panel.tableRow(source)).slice(1, 3))
          .toEqual([weight.toFixed(4), (then.get(source) ?? 0).toFixed(4)]);
      }
      await panel.choose('Compared with', 'Nothing');
      await panel.choose('Method', /^\s*Loss\s*$/);
    });

    it('recomputes the weights while the temperature is dragged', async () => {
      const slider = panel.page.locator('#temperature');
      const output = panel.page.locator('.temperature output');
      await slider.scrollIntoViewIfNeeded();
      const box = await slider.boundingBox();
      if (box === null) throw new Error('no slider');
      const { mouse } = bench.page;
      await mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      await mouse.down();
      let temperature = await settledText(output);
      // It is not let go before the last: every step is seen while it is dragged.
      for (let step = 1; step <= 8; step++) {
        await mouse.move(box.x + box.width * (0.5 + 0.02 * step), box.y + box.height / 2);
        await expect.poll(() => output.innerText()).not.toBe(temperature);
        temperature = await settledText(output);
      }
      await mouse.up();
      for (const [source, weight] of weights('--method', 'loss', '--temperature', temperature)) {
        await expect.poll(async () => (await panel.tableRow(source))[1]).toBe(weight.toFixed(4));
      }
      await bench.screenshot('journey-weights');
    });

    it('merges with what is on the slider, commits it, and the new commit appears in the picker', async () => {
      const temperature = Number(await panel.page.locator('.temperature output').innerText());
      await panel.button('Merge with These Weights').click();
      await panel.page.locator('.job.done').waitFor({ timeout: 120_000 });
      const [file = ''] = git('status', '--porcelain', '--untracked-files=all')
        .split('\n')
        .map((line) => line.slice(3));
      const record = mergeRecordSchema.parse(JSON.parse(await readFile(path.join(study, file), 'utf8')));
      expect(record).toMatchObject({ target, score: 'loss', temperature });
      for (const [i, { task }] of record.sources.entries()) {
        await expect
          .poll(async () => (await panel.tableRow(task))[1])
          .toBe(record.weights[0]?.[i]?.toFixed(4));
      }
      expect((await stat(path.join(study, record.checkpoint.path))).size).toBe(record.checkpoint.bytes);
      const before = git('rev-parse', 'HEAD');
      await panel.button('Commit Results (1)…').click();
      await expect.poll(() => bench.quickInput().inputValue()).toBe(`Merge for ${target} by Loss`);
      await bench.quickInput().fill(`Merge for ${target} at ${temperature}`);
      await bench.page.keyboard.press('Enter');
      await expect.poll(() => git('rev-parse', 'HEAD')).not.toBe(before);
      expect(git('show', '--format=', '--name-only', 'HEAD')).toBe(file);
      expect(git('status', '--porcelain')).toBe('');
      const paths = [lossFile, 'deltaloom.json', `.deltaloom/merges/${target}`];
      const logged = git('log', '--format=%h %s', '--abbrev=7', '--', ...paths).split('\n');
      expect(logged[0]).toBe(`${git('rev-parse', 'HEAD').slice(0, 7)} Merge for ${target} at ${temperature}`);
      await expect.poll(() => panel.options('Showing')).toEqual(['Working tree', ...logged]);
      await bench.screenshot('journey-committed');
      await panel.choose('Showing', `Merge for ${target}`);
      await expect.poll(() => panel.chosen('Showing')).toBe(logged[0]);
      await panel.page.locator('bar-picture canvas, table').first().waitFor();
      await panel.choose('Showing', 'Working tree');
    });

    it('sees a commit that was made elsewhere', async () => {
      const subject = `Merge for ${target}, said otherwise`;
      git('commit', '--amend', '--quiet', '--message', subject);
      const [hash] = git('rev-parse', 'HEAD').match(/^.{7}/) ?? [];
      await expect.poll(async () => (await panel.options('Showing'))[1]).toBe(`${hash} ${subject}`);
    });

    it('keeps what was arranged on a panel that was hidden meanwhile', async () => {
      await panel.show('Show Heatmap', 'heatmap-picture canvas');
      const arranged = () => Promise.all([panel.chosen('Method'), panel.chosen('Order')]);
      await expect.poll(arranged).toEqual(['Loss', 'Study']);
    });

    it('tunes from the merge, draws the curve while it runs, and keeps it when it has ended', async () => {
      await panel.show('Show Learning Curves', '.run-list');
      await panel.button('Table').click();
      await panel.front(/^Averaging Weights:/);
      const runs = path.join(study, '.deltaloom', 'runs', target);
      const before = await readdir(runs);
      const added = async () => (await readdir(runs)).filter((name) => !before.includes(name));
      await panel.button('Tune from This Merge').click();
      await panel.page.locator('.job.running, .job.queued').waitFor();
      await panel.front(/^Learning Curves:/);
      await panel.page.locator('h2 small', { hasText: '1 still running' }).waitFor({ timeout: 90_000 });
      const points = () => panel.page.locator('tbody tr').count();
      const some = await points();
      await expect.poll(points).toBeGreaterThan(some);
      await expect.poll(() => panel.page.locator('h2 small').count()).toBe(1);
      // One seed after the other.
      await expect.poll(added, { timeout: 120_000 }).toHaveLength(seeds.length);
      await panel.page.locator('h2 small').waitFor({ state: 'detached' });
      const tuned = await Promise.all(
        (await added()).map(async (name) =>
          runRecordSchema.parse(JSON.parse(await readFile(path.join(runs, name), 'utf8'))),
        ),
      );
      const [first] = tuned;
      const { step } = first?.curve.train.at(-1) ?? { step: 0 };
      const losses = tuned.map(({ curve }) => curve.train.at(-1)?.loss?.toFixed(4));
      await expect.poll(async () => (await panel.tableRow(String(step))).sort()).toEqual(losses.sort());
      await panel.button('Picture').click();
      await panel.page.locator('line-picture canvas').waitFor();
      await bench.screenshot('journey-curve');
      for (const { initialisation } of tuned)
        expect(initialisation).toMatchObject({ kind: 'merge', label: 'loss' });
      await panel.front(/^Averaging Weights:/);
      await panel.button('Show Results').click();
      await bench.page.locator('.tab.active', { hasText: /^Results:/ }).waitFor();
    });

    it('brings every panel back as it was left, after hiding and after a reload', async () => {
      const results = /^Results:/;
      await panel.show('Show Results', 'h2:has-text("Results:")');
      await panel.choose('Figure', 'Gain over random');
      await panel.page.locator('vscode-textfield input').fill('review');
      await panel.page.locator('details.columns summary').click();
      await panel.page.locator('details.columns vscode-checkbox[label="Group"]').click();
      await panel.button(/^Loss$/).click();
      await panel.page.locator('th:not([aria-sort="none"])', { hasText: /^\s*Loss/ }).waitFor();
      const heads = await panel.page.locator('thead').first().locator('th').allInnerTexts();
      const loss = heads.findIndex((head) => head.startsWith('Loss'));
      const row = panel.page.locator('tbody tr', { hasText: target }).first();
      await row.locator('th, td').nth(loss).locator('button').click();
      await panel.page.locator('section[aria-label="Chosen cell"]').waitFor();

      await panel.front(/^Learning Curves:/);
      await panel.page.locator('vscode-textfield input').fill('seed 13');
      await panel.button('Dev metric').click();
      await panel.button('Table').click();

      await panel.front(/^Similarity Heatmap:/);
      await panel.choose('Method', /^\s*GraNd\s*$/);
      await panel.choose('Granularity', 'Blocks');
      await panel.choose('Part', 'encoder.block.1');
      await panel.choose('Order', 'Clustering');
      await panel.choose('Colour', 'Rank');
      await panel.choose('Showing', 'Score by the other methods');
      await panel.openCell(2, 3, 'section.cell');

      await panel.front(/^Averaging Weights:/);
      await panel.choose('Target', 'who_is_older');
      await panel.choose('Method', /^\s*EL2N\s*$/);
      await panel.choose('Order', 'Groups');
      await panel.choose('Compared with', 'Score by EL2N');
      await panel.page.locator('#temperature').focus();
      for (let i = 0; i < 5; i++) await bench.page.keyboard.press('ArrowRight');

      const tabs = [/^Averaging Weights:/, results, /^Learning Curves:/, /^Similarity Heatmap:/];
      const looks = async (awaited: RegExp) => {
        await panel.front(awaited);
        return panel.look();
      };
      const before: unknown[] = [];
      for (const tab of tabs) before.push(await looks(tab));
      // What is arranged last is not lost either, however soon the window is closed.
      await panel.front(/^Averaging Weights:/);
      await panel.page.locator('#temperature').focus();
      const temperature = () => panel.page.locator('.temperature output').innerText();
      const earlier = await temperature();
      await bench.page.keyboard.press('ArrowRight');
      await expect.poll(temperature).not.toBe(earlier);
      const last = await temperature();
      await bench.page.waitForTimeout(400);
      await bench.reopen();
      for (const [i, tab] of tabs.entries()) {
        if (i > 0) await expect.poll(() => looks(tab)).toEqual(before[i]);
        else {
          await panel.front(tab);
          await expect.poll(temperature).toBe(last);
        }
      }
      await bench.screenshot('journey-reloaded');
    });

    it('finds the log of a run of the window before', async () => {
      await panel.front(/^Results:/);
      const run = panel.page.locator('.runs li', { hasText: '120 steps' }).first();
      await run.getByRole('button', { name: 'Log' }).click();
      await bench.page.locator('.tab', { hasText: /\.log$/ }).waitFor();
    });

    it('draws under a strict policy that nothing on the pages breaks', () => {
      expect(refused).toEqual([]);
    });
  },
);
