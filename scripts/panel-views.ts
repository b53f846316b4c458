import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import type { FrameLocator } from 'playwright-core';
import type { PanelKind } from '../src/extension/panels/messages.js';
import { PROJECT_ROOT, THEMES, Workbench, type ThemeName } from '../test/harness/workbench.js';
import { gitIn, writeSampleStudy } from '../test/support/commands.js';
import { exampleStudy, writeJson, writeStudy, writeTasks } from '../test/support/example-study.js';
import { argument } from './console-job.js';

/**
 * Takes a picture of every state of every panel, in four themes, wide and narrow, in a real VS Code, to be looked at by a person:
 *
 *   npx tsx scripts/panel-views.ts --out DIR [--only PATTERN] [--theme dark]
 *
 * The sample study shows what people see first, a study of 24 blocks and 60 layers what is dense, and an empty one what is empty.
 */
const WIDTHS = { wide: { width: 1248, height: 1400 }, narrow: { width: 648, height: 1400 } } as const;
const STUDIES = { sample: 'Sample study', deep: 'Deep study', empty: 'Empty study' } as const;

interface View {
  readonly name: string;
  readonly study: keyof typeof STUDIES;
  readonly kind: PanelKind;
  readonly arrangement: Readonly<Record<string, unknown>>;
  /** What shows that the view is complete. */
  readonly awaits: string;
  readonly act?: (panel: FrameLocator) => Promise<void>;
}

const PLAIN = {
  deltaName: 'adapter',
  method: 'loss',
  granularity: 'model',
  part: null,
  order: 'group',
  weightOrder: 'value',
  colour: 'value',
  target: null,
  source: null,
  temperature: null,
  shownVersion: null,
  comparedVersion: undefined,
  display: 'picture',
  figure: 'value',
  split: 'test',
  sort: null,
  filter: '',
  hidden: [],
  runs: [],
  curve: 'train',
};

function views(commit: (subject: RegExp) => string, curves: readonly string[]): View[] {
  const sample = (
    name: string,
    kind: PanelKind,
    awaits: string,
    arrangement: View['arrangement'] = {},
  ): View => ({
    name,
    study: 'sample',
    kind,
    awaits,
    arrangement: { ...PLAIN, ...arrangement },
  });
  const cell = { target: 'film_reviews', source: 'hotel_reviews' };
  const openPicker = async (panel: FrameLocator) => {
    await panel.locator('vscode-single-select[label="Showing"]').click();
  };
  return [
    sample('heatmap', 'heatmap', 'heatmap-picture canvas'),
    sample('heatmap-weights', 'heatmap', 'heatmap-picture canvas', { colour: 'weight', order: 'clustering' }),
    sample('heatmap-cell', 'heatmap', 'section.cell', cell),
    sample('heatmap-blocks', 'heatmap', 'line-picture canvas', {
      method: 'grand',
      granularity: 'block',
      ...cell,
    }),
    sample('heatmap-difference', 'heatmap', '.empty, .notice, h2 small', {
      method: 'el2n',
      comparedVersion: commit(/Score by EL2N/),
      ...cell,
    }),
    sample('heatmap-table', 'heatmap', 'table', { display: 'table', ...cell }),
    { ...sample('picker', 'heatmap', 'heatmap-picture canvas'), act: openPicker },
    sample('heatmap-unknown-commit', 'heatmap', '.notice.error', { shownVersion: 'f'.repeat(40) }),
    sample('weights', 'weights', 'bar-picture canvas', { target: 'film_reviews' }),
    sample('weights-collapsed', 'weights', '.notice.warning', { target: 'film_reviews', temperature: 0.002 }),
    sample('weights-difference', 'weights', 'bar-picture canvas', {
      target: 'film_reviews',
      method: 'el2n',
      comparedVersion: commit(/Score by EL2N/),
    }),
    sample('weights-blocks', 'weights', 'bar-picture canvas', {
      target: 'film_reviews',
      method: 'grand',
      granularity: 'block',
    }),
    sample('results', 'results', 'bar-picture canvas', { target: 'film_reviews', source: 'average' }),
    sample('results-gain', 'results', 'table', {
      figure: 'gain-random',
      sort: { column: 'loss', descending: true },
      hidden: ['group'],
      filter: 'who',
    }),
    sample('results-difference', 'results', '.notice, table', {
      comparedVersion: commit(/Score by the other/),
    }),
    sample('results-none', 'results', '.empty', { shownVersion: commit(/Score by loss/) }),
    sample('curves-none', 'curves', '.run-list'),
    sample('curves', 'curves', 'line-picture canvas', { runs: curves.slice(0, 4) }),
    sample('curves-many', 'curves', 'line-picture canvas', { runs: curves, curve: 'dev' }),
    sample('curves-table', 'curves', 'table', { runs: curves.slice(0, 4), display: 'table' }),
    {
      ...sample('deep-layers', 'heatmap', 'line-picture canvas', {
        method: 'grand',
        granularity: 'layer',
        target: 'compare_00',
        source: 'compare_05',
      }),
      study: 'deep',
    },
    { ...sample('deep-heatmap', 'heatmap', 'heatmap-picture canvas', { order: 'study' }), study: 'deep' },
    { ...sample('empty-heatmap', 'heatmap', '.empty'), study: 'empty' },
    { ...sample('empty-weights', 'weights', '.empty'), study: 'empty' },
    { ...sample('empty-results', 'results', '.empty'), study: 'empty' },
    { ...sample('empty-curves', 'curves', '.muted'), study: 'empty' },
  ];
}

const COMMANDS: Readonly<Record<PanelKind, string>> = {
  heatmap: 'Show Heatmap',
  weights: 'Show Averaging Weights',
  results: 'Show Results',
  curves: 'Show Learning Curves',
};

const out = argument('out');
if (out === undefined) throw new Error('Say where the pictures go: --out DIR.');
const only = argument('only');
const oneTheme = argument('theme');
const themes = (Object.keys(THEMES) as ThemeName[]).filter(
  (name) => oneTheme === undefined || name === oneTheme,
);

execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: PROJECT_ROOT, stdio: 'inherit' });
const folder = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-views-'));
const sampleFolder = path.join(folder, 'sample');
writeSampleStudy(sampleFolder);
const log = gitIn(sampleFolder, 'log', '--format=%H %s').split('\n');
const targetRuns = (await readdir(path.join(sampleFolder, '.deltaloom', 'runs', 'film_reviews')))
  .sort()
  .filter((file) => file.includes('.16-shot.') && file.endsWith('.json'))
  .map((file) => `film_reviews/${file.slice(0, -'.json'.length)}`);
const deep = exampleStudy({ tasks: 32, methods: ['loss', 'el2n'], blocks: 12, perGroup: 8 });
await writeStudy(path.join(folder, 'deep'), deep);
await writeJson(folder, 'deep/deltaloom.json', { ...(deep.configuration as object), name: STUDIES.deep });
await writeTasks(path.join(folder, 'deep'), deep.tasks);
await mkdir(path.join(folder, 'empty', 'tasks'), { recursive: true });
gitIn(path.join(folder, 'empty'), 'init', '--quiet', '--initial-branch=main');
await writeJson(folder, 'empty/deltaloom.json', {
  version: 1,
  name: STUDIES.empty,
  backbone: 'backbone',
  tasks: 'tasks',
});
await mkdir(path.join(folder, '.vscode'));
await mkdir(out, { recursive: true });

/** What did not come, or sticks out: told at the end, when all the other pictures are there. */
const wrong: string[] = [];
const bench = await Workbench.launch({ folder, viewport: WIDTHS.wide });
try {
  const { page } = bench;
  // Nothing is waited for longer, whatever a view lacks.
  page.setDefaultTimeout(20_000);
  await bench.openView('Deltaloom');
  await bench.treeItem(/./).first().waitFor({ timeout: 90_000 });
  await page.keyboard.press('Control+B');
  const all = views(
    (subject) => log.find((line) => subject.test(line.slice(41)))?.slice(0, 40) ?? '',
    targetRuns,
  ).filter(({ name }) => only === undefined || new RegExp(only).test(name));
  for (const study of Object.keys(STUDIES) as (keyof typeof STUDIES)[]) {
    for (const kind of Object.keys(COMMANDS) as PanelKind[]) {
      const shown = all.filter((view) => view.study === study && view.kind === kind);
      if (shown.length === 0) continue;
      await bench.runCommand(`Deltaloom: ${COMMANDS[kind]}`);
      await bench.quickInput().fill(STUDIES[study]);
      await bench.quickPickOption(STUDIES[study]).first().waitFor();
      await page.keyboard.press('Enter');
      const panel = bench.webview();
      await panel.locator('.versions, .notice, .empty').first().waitFor({ timeout: 90_000 });
      for (const theme of themes) {
        await writeFile(
          path.join(folder, '.vscode', 'settings.json'),
          JSON.stringify({
            'workbench.colorTheme': THEMES[theme],
            'workbench.activityBar.location': 'hidden',
          }),
        );
        await bench.themeShown(theme);
        for (const view of shown) {
          for (const width of Object.keys(WIDTHS) as (keyof typeof WIDTHS)[]) {
            await page.setViewportSize(WIDTHS[width]);
            await panel.locator('body').evaluate((_, patch) => {
              window.postMessage({ type: 'arrange', patch }, '*');
              window.scrollTo(0, 0);
            }, view.arrangement);
            await panel
              .locator(view.awaits)
              .first()
              .waitFor()
              .then(() => view.act?.(panel))
              .catch((error: unknown) => wrong.push(`${view.name} ${width} ${theme}: ${firstLine(error)}`));
            await page.waitForTimeout(900);
            await page.screenshot({ path: path.join(out, `${view.name}.${width}.${theme}.png`) });
            if (view.act !== undefined) await page.keyboard.press('Escape');
            const beyond = await panel
              .locator('body')
              .evaluate((body) => body.scrollWidth - body.clientWidth);
            if (beyond > 0) wrong.push(`${view.name} ${width} ${theme}: ${beyond} px wider than its panel`);
          }
        }
      }
      // With none of its panels in front, the next command asks which study is meant.
      await bench.runCommand('View: Close All Editors');
      await page.locator('.tabs-container .tab').first().waitFor({ state: 'detached' });
    }
  }
} finally {
  await bench.close();
  await rm(folder, { recursive: true, force: true });
}
for (const line of wrong) console.error(line);
process.exitCode = wrong.length === 0 ? 0 : 1;

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
