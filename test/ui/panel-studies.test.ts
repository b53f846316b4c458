import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from '../harness/chromium.js';
import { PanelDriver } from '../harness/panel-driver.js';
import { Workbench } from '../harness/workbench.js';
import { removeFolder } from '../harness/temporary-folder.js';
import { beginRepository, commitAllIn } from '../support/commands.js';
import {
  exampleStudy,
  writeJson,
  writeStudy,
  writeTasks,
  type ExampleStudy,
} from '../support/example-study.js';

/** Two studies side by side in one workspace, one with a history and one without; and what leaves the panels as files. */
describe.skipIf(findChromium() === undefined)('panels of several studies', () => {
  let folder: string;
  let bench: Workbench;
  let driver: PanelDriver;
  let begun: string;
  let first: ExampleStudy;
  const second = exampleStudy({ tasks: 5, perGroup: 3, methods: ['loss'], seed: 9 });

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-studies-'));
    const one = path.join(folder, 'one');
    await mkdir(path.join(folder, 'saved'));
    await mkdir(one);
    await writeFile(path.join(one, 'train.py'), 'print("tune")\n');
    beginRepository(one);
    begun = commitAllIn(one, 'Begin');
    first = exampleStudy({ tasks: 6, perGroup: 3, methods: ['loss', 'el2n'], blocks: 2, commit: begun });
    for (const [name, study] of [
      ['one', first],
      ['two', second],
    ] as const) {
      await writeStudy(path.join(folder, name), study);
      await writeTasks(path.join(folder, name), study.tasks);
      const configuration = { ...(study.configuration as object), name: `Study ${name}` };
      await writeJson(folder, `${name}/deltaloom.json`, configuration);
    }
    commitAllIn(one, 'Tune and score');
    bench = await Workbench.launch({ folder, viewport: { width: 1300, height: 1000 } });
    await bench.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    driver = new PanelDriver(bench);
    await bench.openView('Deltaloom');
    await bench.treeItem(/Study one/).waitFor({ timeout: 90_000 });
  });

  afterAll(async () => {
    await bench.screenshot('studies-at-the-end').catch(() => undefined);
    await bench.close();
    await removeFolder(folder);
  });

  function valueOf(study: ExampleStudy, target: string, source: string, part = 0, matrix = 0): number {
    const cell = study.matrices[matrix]?.cells.find(
      (candidate) => candidate.target === target && candidate.source === source,
    );
    return cell?.values[part] ?? Number.NaN;
  }

  /** Saves by the bar that stands `place`-th on the page and gives what is in the file. */
  async function save(place: number, format: string, name: string): Promise<Buffer> {
    const file = path.join(folder, 'saved', name);
    await driver.exportAs(place, format);
    await driver.saveAs(place, file);
    return readFile(file);
  }

  it('asks which study is meant, and opens one panel for each', async () => {
    await bench.runAndChoose('Deltaloom: Show Heatmap', 'Study two');
    await driver.page.locator('heatmap-picture canvas').waitFor({ timeout: 60_000 });
    await bench.page.locator('.tab', { hasText: 'Similarity Heatmap: Study two' }).waitFor();
    const [target = '', , source = ''] = second.tasks;
    await expect
      .poll(() => driver.readCell(0, 2))
      .toContain(`${target} ← ${source}: ${valueOf(second, target, source).toFixed(4)}`);
    await expect
      .poll(() => driver.page.locator('.notice').first().innerText())
      .toBe(
        'The study is not in a git repository. Run git init in the study folder to keep the history of its records.',
      );
    await bench.runAndChoose('Deltaloom: Show Heatmap', 'Study one');
    await bench.page.locator('.tab.active', { hasText: 'Similarity Heatmap: Study one' }).waitFor();
    await driver.control('Showing').waitFor();
    await expect.poll(() => driver.readCell(0, 2)).toContain(valueOf(first, target, source).toFixed(4));
    expect(await bench.page.locator('.tab', { hasText: 'Similarity Heatmap' }).count()).toBe(2);
  });

  it('says who computed the scores, at which commit and on which branch', async () => {
    await expect
      .poll(() => driver.page.locator('.provenance').first().innerText())
      .toContain(`Computed at ${begun.slice(0, 7)} on main by Ada Lovelace, `);
  });

  it('goes empty with its study and comes back with it, without a complaint', async () => {
    const file = path.join(folder, 'one', 'deltaloom.json');
    const text = await readFile(file);
    await rm(file);
    await driver.page.getByText('No study here').waitFor();
    await writeFile(file, text);
    await driver.control('Showing').waitFor();
    const [target = '', , source = ''] = first.tasks;
    await expect.poll(() => driver.readCell(0, 2)).toContain(valueOf(first, target, source).toFixed(4));
    expect(await driver.page.getByRole('alert').count()).toBe(0);
  });

  it('means the study whose file is being edited, without asking', async () => {
    await bench.runCommand('View: Close All Editors');
    await bench.page.keyboard.press('Control+P');
    await bench.quickInput().fill('train.py');
    await bench
      .quickPickOption(/train\.py/)
      .first()
      .waitFor();
    await bench.page.keyboard.press('Enter');
    await bench.page.locator('.tab', { hasText: 'train.py' }).waitFor();
    const heatmap = bench.page.locator('.tab', { hasText: 'Similarity Heatmap: Study one' });
    // The extension hears of the editor that was opened a moment later.
    await expect
      .poll(async () => {
        await bench.page.keyboard.press('Escape');
        await bench.runCommand('Deltaloom: Show Heatmap');
        return heatmap.waitFor({ timeout: 3000 }).then(
          () => true,
          () => false,
        );
      })
      .toBe(true);
    await driver.page.locator('heatmap-picture canvas').waitFor();
  });

  it('means the study whose panel is in front, without asking', async () => {
    await driver.page.locator('h2').first().click();
    await bench.runCommand('Deltaloom: Show Results');
    await bench.page.locator('.tab.active', { hasText: 'Results: Study one' }).waitFor();
    await driver.front(/^Similarity Heatmap: Study one/);
  });

  it('copies a heatmap as text of every kind', async () => {
    const values = first.tasks.map((target) => first.tasks.map((source) => valueOf(first, target, source)));
    const copied = async (format: string, begins: RegExp): Promise<string> => {
      await driver.exportAs(0, format);
      await driver.page.locator('.export').first().getByRole('button', { name: 'Copy' }).click();
      const read = () => bench.page.evaluate(() => navigator.clipboard.readText());
      await expect.poll(read).toMatch(begins);
      return read();
    };
    const [head, ...lines] = (await copied('CSV', /^Target,/)).trimEnd().split('\r\n');
    expect(head).toBe(['Target', ...first.tasks].join(','));
    expect(lines.map((line) => line.split(',')[0])).toEqual(first.tasks);
    expect(lines.map((line) => line.split(',').slice(1).map(Number))).toEqual(values);
    const json = JSON.parse(await copied('JSON', /^\{/)) as {
      rows: Record<string, unknown>[];
      notes: string[];
    };
    expect(json.rows.map((row) => first.tasks.map((source) => row[source]))).toEqual(values);
    expect(json.notes.join('\n')).toContain(`Computed at ${begun.slice(0, 7)} on main by Ada Lovelace`);
    expect(await copied('Markdown', /^\| Target/)).toContain(` ${values[0]?.[1]?.toFixed(4)} |`);
    expect(await copied('LaTeX', /\\begin\{table\}/)).toContain(` & ${values[0]?.[1]?.toFixed(4)} & `);
  });

  it('saves tables and pictures of every view through the dialog', async () => {
    const [target = '', source = ''] = first.tasks;
    const csv = (await save(0, 'CSV', 'heatmap.csv')).toString();
    expect(csv).toContain(`,${valueOf(first, target, source)},`);
    const drawn = (await save(0, 'SVG', 'heatmap.svg')).toString();
    expect(await textsOf(drawn)).toEqual(
      expect.arrayContaining(['Loss (adapter)', target, valueOf(first, target, source).toFixed(2)]),
    );
    expect(pngSize(await save(0, 'PNG', 'heatmap.png'))).toEqual(sizeOf(drawn, 2));

    await driver.choose('Method', /^\s*GraNd\s*$/);
    await driver.choose('Granularity', 'Blocks');
    await driver.page.locator('small-multiples button').nth(3).waitFor();
    await driver.openCell(0, 1, 'line-picture canvas');
    const blocks = (await save(1, 'CSV', 'blocks.csv')).toString().split('\r\n');
    const parts = [0, 1, 2, 3].map((part) => valueOf(first, target, source, part, 2));
    expect(blocks[2]).toBe([target, source, ...parts].join(','));
    const small = (await save(1, 'SVG', 'blocks.svg')).toString();
    expect(await textsOf(small)).toEqual(expect.arrayContaining(['enc 0', 'enc 1', 'dec 0', 'dec 1']));
    expect(pngSize(await save(1, 'PNG', 'blocks.png'))).toEqual(sizeOf(small, 2));
    const line = (await save(2, 'SVG', 'profile.svg')).toString();
    expect(await textsOf(line)).toContain(`${target} ← ${source} through the model`);
    expect(pngSize(await save(2, 'PNG', 'profile.png'))).toEqual(sizeOf(line, 2));

    await driver.show('Show Averaging Weights', 'bar-picture canvas');
    const bars = (await save(0, 'SVG', 'weights.svg')).toString();
    expect(await textsOf(bars)).toContain(source);
    expect(pngSize(await save(0, 'PNG', 'weights.png'))).toEqual(sizeOf(bars, 2));

    await driver.show('Show Results', 'h2:has-text("Results")');
    const latex = (await save(0, 'LaTeX', 'results.tex')).toString();
    expect(latex).toContain(String.raw`\textbf{`);
    const means = (await save(1, 'SVG', 'means.svg')).toString();
    expect(await textsOf(means)).toContain('Random');
    expect(pngSize(await save(1, 'PNG', 'means.png'))).toEqual(sizeOf(means, 2));

    await driver.show('Show Learning Curves', '.run-list');
    await driver.button(/^Show \d+ Listed/).click();
    await driver.page.locator('line-picture canvas').waitFor();
    const curves = (await save(0, 'SVG', 'curves.svg')).toString();
    expect(pngSize(await save(0, 'PNG', 'curves.png'))).toEqual(sizeOf(curves, 2));
  });

  /** The texts of a drawing that a browser can read. */
  async function textsOf(svg: string): Promise<string[]> {
    return bench.page.evaluate((source) => {
      const parsed = new DOMParser().parseFromString(source, 'image/svg+xml');
      const [error] = parsed.getElementsByTagName('parsererror');
      if (error !== undefined) throw new Error(error.textContent);
      return [...parsed.getElementsByTagName('text')].map(({ textContent }) => textContent);
    }, svg);
  }
});

/** Width and height in pixels, of a file that is a PNG from its first to its last bytes. */
function pngSize(bytes: Buffer): { width: number; height: number } {
  expect(bytes.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  expect(bytes.subarray(-8, -4).toString('latin1')).toBe('IEND');
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

function sizeOf(svg: string, scale: number): { width: number; height: number } {
  const [, width, height] = /<svg [^>]*width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
  // What the browser takes for the size of a drawing is whole pixels.
  return { width: scale * Math.round(Number(width)), height: scale * Math.round(Number(height)) };
}
