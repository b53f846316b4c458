import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { makeRecords, QUICK_SETTINGS, writeStudy, writeTinyBackbone } from '../test/extension/make-study.js';
import {
  PROJECT_ROOT,
  THEMES,
  Workbench,
  type ThemeName,
  type WorkbenchOptions,
} from '../test/harness/workbench.js';
import { argument } from './console-job.js';

/**
 * Takes a picture of every state of the extension outside its panels, in four themes, in a real VS Code, to be looked at by a person:
 *
 *   npx tsx scripts/extension-views.ts --out DIR [--only PATTERN] [--theme dark]
 */
const WIDE = { width: 1200, height: 860 };
const NARROW = { width: 620, height: 860 };

interface Window {
  readonly name: string;
  readonly options?: WorkbenchOptions;
  /** Makes the folder; undefined: no folder is opened. */
  readonly folder?: (folder: string) => Promise<void>;
  readonly states: readonly State[];
}

interface State {
  readonly name: string;
  /** Leads from the state before to this one. */
  readonly act: (bench: Workbench, folder: string) => Promise<void>;
  readonly narrow?: boolean;
}

async function makeStudy(folder: string): Promise<void> {
  await writeTinyBackbone(PROJECT_ROOT, folder);
  await writeStudy(folder, makeRecords(), QUICK_SETTINGS);
}

const escape = (bench: Workbench) => bench.page.keyboard.press('Escape');

const WINDOWS: readonly Window[] = [
  {
    name: 'study',
    folder: makeStudy,
    options: { settings: { 'workbench.hover.delay': 500 } },
    states: [
      {
        name: 'tree',
        narrow: true,
        act: async (bench) => {
          for (const task of [/^odd_one/, /^movies/]) await bench.treeItem(task).click();
          await bench
            .treeItem(/Merge by Loss/)
            .first()
            .waitFor();
        },
      },
      {
        name: 'task-menu',
        act: async (bench) => {
          await bench.treeItem(/^movies/).click({ button: 'right' });
          await bench.page.locator('.monaco-menu').waitFor();
        },
      },
      {
        name: 'checkpoint-menu',
        act: async (bench) => {
          await escape(bench);
          await (await bench.rowBelow(/^movies/, /source, adapter/)).click({ button: 'right' });
          await bench.page.locator('.monaco-menu').waitFor();
        },
      },
      {
        name: 'tooltip',
        act: async (bench) => {
          await escape(bench);
          await bench
            .treeItem(/Merge by Loss/)
            .first()
            .hover();
          await bench.page.locator('.workbench-hover').getByText('Source').first().waitFor();
        },
      },
      {
        name: 'checkpoint',
        narrow: true,
        act: async (bench) => {
          await (await bench.rowBelow(/^movies/, /source, adapter/)).click();
          await bench.webview().getByRole('heading', { name: 'Layers' }).waitFor();
        },
      },
      {
        name: 'compare',
        act: async (bench) => {
          await bench.chooseFromContextMenu(await bench.rowBelow(/^movies/, /source, adapter/), /Compare/);
          await bench
            .quickPickOption(/^phones/)
            .first()
            .click();
          await bench.page.locator('.tab').nth(1).waitFor();
          await bench.page.waitForTimeout(2000);
        },
      },
      {
        name: 'tune-role',
        act: async (bench) => {
          await bench.runCommand('View: Close All Editors');
          await bench.chooseFromContextMenu(bench.treeItem(/^agreement/), 'Tune…');
          await bench.quickPickOption(/^As a source/).waitFor();
        },
      },
      {
        name: 'tune-start',
        act: async (bench) => {
          await bench.quickPickOption(/^As a few-shot/).click();
          await bench.quickPickOption(/^adapter/).click();
          await bench
            .quickPickOption(/movies/)
            .first()
            .waitFor();
        },
      },
      {
        name: 'temperature',
        act: async (bench) => {
          await escape(bench);
          await bench.chooseFromContextMenu(bench.treeItem(/^odd_one/), /Merge for Task/);
          await bench
            .quickPickOption(/adapter/)
            .first()
            .waitFor();
          if ((await bench.quickPickOption(/^Loss/).count()) === 0) await bench.page.keyboard.press('Enter');
          await bench.quickPickOption(/^Loss/).first().click();
          await bench
            .quickPickOption(/effective/)
            .first()
            .waitFor();
        },
      },
      {
        name: 'running',
        narrow: true,
        act: async (bench) => {
          await escape(bench);
          await bench.treeItem(/^movies/).click();
          await bench.chooseFromContextMenu(bench.treeItem(/^agreement/), 'Tune…');
          await bench.quickPickOption(/^As a source/).click();
          await bench.quickPickOption(/^adapter/).click();
          await bench.quickPickOption(/^16 shots/).click();
          await bench.page.keyboard.press('Enter');
          await bench.treeItem(/^agreement/).click();
          await bench.treeItem(/Tuning agreement.*left.*loss/).waitFor({ timeout: 120_000 });
        },
      },
      {
        name: 'jobs',
        act: async (bench) => {
          await bench.runAndChoose('Deltaloom: Tune with Last Settings', /^negation/);
          await bench.runCommand('Deltaloom: Show Jobs');
          await bench.quickPickOption(/agreement/).waitFor();
        },
      },
      {
        name: 'status-hover',
        act: async (bench) => {
          await escape(bench);
          await bench.page
            .locator('.statusbar')
            .getByText(/agreement/)
            .hover();
          await bench.page
            .locator('.workbench-hover')
            .getByText(/Device/)
            .first()
            .waitFor();
        },
      },
      {
        name: 'log',
        act: async (bench) => {
          await bench.treeItem(/Tuning agreement/).click();
          await bench.page
            .locator('.view-lines')
            .getByText(/begins/)
            .waitFor();
        },
      },
      {
        name: 'notifications',
        act: async (bench, folder) => {
          await bench.runCommand('Deltaloom: Cancel All Jobs');
          await bench.treeItem(/Tuning agreement/).waitFor({ state: 'detached' });
          await bench.runCommand('View: Close All Editors');
          await writeFile(path.join(folder, 'tasks', 'hotels', 'hotels_16_13_train.tsv'), 'no answer here\n');
          for (const task of [/^hotels/, /^phones/]) {
            await bench.runAndChoose('Deltaloom: Tune…', task);
            await bench.quickPickOption(/^As a few-shot/).click();
            await bench.quickPickOption(/^adapter/).click();
            await bench.quickPickOption(/^Random/).click();
            await bench.quickPickOption(/^16 shots/).click();
            await bench.page.locator('.quick-input-widget').getByText('Seeds').waitFor();
            await bench.quickInput().fill('13');
            await bench.page.keyboard.press('Enter');
          }
          await bench.runCommand('Notifications: Show Notifications');
          await bench.page
            .locator('.notifications-center')
            .getByText(/failed/)
            .waitFor({ timeout: 120_000 });
        },
      },
      {
        name: 'delete',
        act: async (bench) => {
          await bench.runCommand('Notifications: Clear All Notifications');
          await bench.treeItem(/^movies/).click();
          await bench.chooseFromContextMenu(await bench.rowBelow(/^movies/, /source, lora/), /^Delete/);
          await bench.page.locator('.monaco-dialog-box').waitFor();
        },
      },
      {
        name: 'broken',
        narrow: true,
        act: async (bench, folder) => {
          await escape(bench);
          const file = path.join(folder, 'deltaloom.json');
          const text = await readFile(file, 'utf8');
          await writeFile(file, text.replace('"size": 4', '"sizes": 4'));
          await bench.treeItem(/can't be used/).click();
          await bench.runCommand('Problems: Focus on Problems View');
          await bench.page.waitForTimeout(1500);
        },
      },
      {
        name: 'walkthrough',
        narrow: true,
        act: async (bench, folder) => {
          const file = path.join(folder, 'deltaloom.json');
          const text = await readFile(file, 'utf8');
          await writeFile(file, text.replace('"sizes": 4', '"size": 4'));
          await bench.runCommand('View: Close All Editors');
          await bench.runCommand('View: Hide Panel');
          await bench.runAndChoose('Welcome: Open Walkthrough...', /Get started with Deltaloom/);
          await bench.page.locator('.getting-started-step').first().waitFor();
        },
      },
    ],
  },
  {
    name: 'untrusted',
    folder: makeStudy,
    options: {
      workspaceTrust: true,
      settings: { 'security.workspace.trust.startupPrompt': 'never' },
    },
    states: [
      {
        name: 'tree',
        narrow: true,
        act: async (bench) => {
          await bench.page.getByText('You can browse').waitFor();
          await bench.treeItem(/^movies/).click();
        },
      },
    ],
  },
  {
    name: 'no-folder',
    states: [
      {
        name: 'welcome',
        narrow: true,
        act: (bench) => bench.page.getByText('Open the folder of a study').waitFor(),
      },
    ],
  },
  {
    name: 'no-study',
    folder: async (folder) => {
      await writeFile(path.join(folder, 'README.md'), '# Nothing here\n');
    },
    states: [
      {
        name: 'welcome',
        narrow: true,
        act: (bench) => bench.page.getByText('No deltaloom.json was found').waitFor(),
      },
    ],
  },
  {
    name: 'no-backbone',
    folder: (folder) => writeStudy(folder, makeRecords(), QUICK_SETTINGS),
    states: [
      {
        name: 'welcome',
        narrow: true,
        act: (bench) => bench.page.getByText('The backbone that deltaloom.json names').waitFor(),
      },
    ],
  },
  {
    name: 'no-runtime',
    folder: makeStudy,
    options: { machineSettings: { 'deltaloom.runtime.node': '/no/such/node' } },
    states: [
      {
        name: 'welcome',
        narrow: true,
        act: async (bench) => {
          await bench.chooseFromContextMenu(bench.treeItem(/^agreement/), 'Tune with Last Settings');
          await bench.page.getByText('The runtime process stopped').waitFor();
          await bench.runCommand('Notifications: Show Notifications');
        },
      },
    ],
  },
];

const out = argument('out');
if (out === undefined) throw new Error('Say where the pictures go: --out DIR.');
const only = new RegExp(argument('only') ?? '.');
const oneTheme = argument('theme');
const themes = (Object.keys(THEMES) as ThemeName[]).filter(
  (name) => oneTheme === undefined || name === oneTheme,
);
execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: PROJECT_ROOT, stdio: 'inherit' });
await mkdir(out, { recursive: true });
for (const window of WINDOWS) if (only.test(window.name)) await takePictures(window, out);

async function takePictures({ name, folder: make, options, states }: Window, to: string): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-views-'));
  await make?.(folder);
  const bench = await Workbench.launch({
    ...options,
    ...(make === undefined ? {} : { folder }),
    viewport: WIDE,
  });
  const { page } = bench;
  page.setDefaultTimeout(60_000);
  try {
    await bench.openView('Deltaloom');
    for (const state of states) {
      await state.act(bench, folder).catch((error: unknown) => {
        console.log(`${name}-${state.name}: ${String(error)}`);
      });
      for (const theme of themes) {
        await setTheme(bench, theme, make === undefined ? undefined : folder);
        // A window that was opened anew has to come to this state again.
        if (make === undefined) await state.act(bench, folder);
        await page.screenshot({ path: path.join(to, `${name}-${state.name}.${theme}.png`) });
        if (state.narrow !== true) continue;
        await page.setViewportSize(NARROW);
        await page.waitForTimeout(500);
        await page.screenshot({ path: path.join(to, `${name}-${state.name}.narrow.${theme}.png`) });
        await page.setViewportSize(WIDE);
      }
    }
  } finally {
    await bench.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Live where there is a folder, whose settings are watched; otherwise the window is opened anew. */
async function setTheme(bench: Workbench, theme: ThemeName, folder: string | undefined): Promise<void> {
  if (folder === undefined) {
    await bench.setTheme(theme);
    await bench.openView('Deltaloom');
    return;
  }
  await mkdir(path.join(folder, '.vscode'), { recursive: true });
  await writeFile(
    path.join(folder, '.vscode', 'settings.json'),
    JSON.stringify({ 'workbench.colorTheme': THEMES[theme] }),
  );
  await bench.themeShown(theme);
}
