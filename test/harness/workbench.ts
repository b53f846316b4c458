import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { chromium, type Browser, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { ensureVsCode } from '../../scripts/vscode/installation.js';
import {
  remoteResource,
  startVsCodeServer,
  workbenchAddress,
  type VsCodeServer,
} from '../../scripts/vscode/server.js';
import { CHROMIUM_ARGUMENTS, CHROMIUM_REMEDY, findChromium } from './chromium.js';
import { removeFolder } from './temporary-folder.js';

export const PROJECT_ROOT = path.resolve(import.meta.dirname, '..', '..');

/** VS Code's built-in themes, one of each kind. */
export const THEMES = {
  dark: 'Default Dark Modern',
  light: 'Default Light Modern',
  'high-contrast': 'Default High Contrast',
  'high-contrast-light': 'Default High Contrast Light',
} as const;
export type ThemeName = keyof typeof THEMES;

/** How VS Code marks its window while a theme of this kind is on. */
const THEME_MARKS: Readonly<Record<ThemeName, string>> = {
  dark: 'vs-dark',
  light: 'vs',
  'high-contrast': 'hc-black',
  'high-contrast-light': 'hc-light',
};

export interface WorkbenchOptions {
  /** Folder to open; undefined: an empty window. */
  readonly folder?: string;
  readonly theme?: ThemeName;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Settings of scope "machine": VS Code in the browser ignores those among a user's own. */
  readonly machineSettings?: Readonly<Record<string, unknown>>;
  /** true: the folder starts untrusted. */
  readonly workspaceTrust?: boolean;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** Kept by the caller to close and reopen as the same user; default a fresh one that `close` removes. */
  readonly dataDirectory?: string;
  /** false: do not load the extension from the tree (it is installed in `dataDirectory` from a package). */
  readonly development?: boolean;
}

/** A real VS Code in a real browser, with the extension in it. Call `close` in any case. */
export class Workbench {
  private constructor(
    readonly page: Page,
    readonly server: VsCodeServer,
    private readonly browser: Browser,
    private readonly temporary: string | undefined,
    private readonly settings: Readonly<Record<string, unknown>>,
  ) {}

  static async launch(options: WorkbenchOptions = {}): Promise<Workbench> {
    const executablePath = findChromium();
    if (executablePath === undefined) throw new Error(`No Chromium found. ${CHROMIUM_REMEDY}`);
    const installation = await ensureVsCode((line) => console.log(line));
    const temporary =
      options.dataDirectory === undefined
        ? await mkdtemp(path.join(os.tmpdir(), 'deltaloom-workbench-'))
        : undefined;
    const settings = {
      'workbench.colorTheme': THEMES[options.theme ?? 'dark'],
      'workbench.reduceMotion': 'on',
      // What hangs over a row that is pointed at takes the clicks on those below it.
      'workbench.hover.delay': 100_000,
      ...options.settings,
    };
    const dataDirectory = options.dataDirectory ?? temporary ?? '';
    if (options.machineSettings !== undefined) {
      const machine = path.join(dataDirectory, 'data', 'Machine');
      await mkdir(machine, { recursive: true });
      await writeFile(path.join(machine, 'settings.json'), JSON.stringify(options.machineSettings));
    }
    const server = await startVsCodeServer(installation, {
      dataDirectory,
      workspaceTrust: options.workspaceTrust ?? false,
      testDriver: true,
      settings,
    });
    let browser: Browser | undefined;
    try {
      browser = await chromium.launch({ executablePath, args: [...CHROMIUM_ARGUMENTS] });
      const page = await browser.newPage({ viewport: options.viewport ?? { width: 1400, height: 900 } });
      const payload: [string, string][] =
        options.development === false
          ? []
          : [['extensionDevelopmentPath', remoteResource(server, PROJECT_ROOT)]];
      // Not 'load': on a busy machine the last of VS Code's thousand files may take its time, and nothing waits for it.
      await page.goto(workbenchAddress(server, options.folder, payload), {
        waitUntil: 'commit',
        timeout: 120_000,
      });
      await isWhole(page);
      return new Workbench(page, server, browser, temporary, settings);
    } catch (error) {
      await browser?.close();
      await server.stop();
      throw error;
    }
  }

  /** Opens the view container of this name from the activity bar. */
  async openView(name: string): Promise<void> {
    const tab = this.page.locator('.activitybar').getByRole('tab', { name });
    await tab.waitFor({ timeout: 120_000 });
    const isOpen = async (): Promise<boolean> => (await tab.getAttribute('aria-selected')) === 'true';
    // A click on the one that is open closes it, and a window that was opened anew may open it by itself meanwhile.
    for (const end = Date.now() + 60_000; !(await isOpen()) && Date.now() < end;) {
      await tab.click();
      for (let wait = 0; wait < 20 && !(await isOpen()); wait++) await this.page.waitForTimeout(100);
    }
  }

  /** A row of a tree in the side bar. */
  treeItem(name: string | RegExp): Locator {
    return this.page.locator('.sidebar').getByRole('treeitem', { name });
  }

  /** The first row of this name below an open row of the tree, once it is there. Rows name no parent: levels tell. */
  async rowBelow(parent: RegExp, name: RegExp, seconds = 120): Promise<Locator> {
    for (const end = Date.now() + seconds * 1000; ;) {
      const row = await this.findRowBelow(parent, name);
      if (row !== undefined) return row;
      if (Date.now() > end) throw new Error(`There is no row ${String(name)} below ${String(parent)}.`);
      await this.page.waitForTimeout(100);
    }
  }

  async findRowBelow(parent: RegExp, name: RegExp): Promise<Locator | undefined> {
    const list = this.page.locator('.sidebar .monaco-list-row[role=treeitem]');
    const rows = await list.evaluateAll((elements) =>
      elements
        .map((element) => ({
          index: Number(element.getAttribute('data-index')),
          level: Number(element.getAttribute('aria-level')),
          label: element.getAttribute('aria-label') ?? '',
        }))
        .sort((a, b) => a.index - b.index),
    );
    const at = rows.findIndex(({ label }) => parent.test(label));
    const owner = rows[at];
    if (owner === undefined) return undefined;
    for (const { index, level, label } of rows.slice(at + 1)) {
      if (level <= owner.level) return undefined;
      if (name.test(label)) {
        return this.page.locator(`.sidebar .monaco-list-row[role=treeitem][data-index="${index}"]`);
      }
    }
    return undefined;
  }

  /** Opens the window anew with another theme, as the same user. */
  async setTheme(theme: ThemeName): Promise<void> {
    await this.server.writeSettings({ ...this.settings, 'workbench.colorTheme': THEMES[theme] });
    await this.reopen();
  }

  /** Waits for a theme that was set while the window is open. */
  async themeShown(theme: ThemeName): Promise<void> {
    await this.page.locator(`.monaco-workbench.${THEME_MARKS[theme]}`).waitFor();
    // Webviews follow a frame later.
    await this.page.waitForTimeout(300);
  }

  /** Closes the window and opens it again. */
  async reopen(): Promise<void> {
    await this.page.reload({ waitUntil: 'commit', timeout: 120_000 });
    await isWhole(this.page);
  }

  /** Right-clicks a tree row and chooses a menu item. */
  async chooseFromContextMenu(row: Locator, item: string | RegExp): Promise<void> {
    await row.click({ button: 'right' });
    const choice = this.page.locator('.monaco-menu').getByRole('menuitem', { name: item });
    await choice.waitFor();
    // A menu ignores clicks in its first moments, which last longer on a busy machine.
    for (let attempt = 0; attempt < 20 && (await choice.isVisible()); attempt++) {
      await this.page.waitForTimeout(500);
      await choice.click({ timeout: 2000 }).catch(() => undefined);
    }
  }

  /**
   * Chooses in the list that a menu item asks with. While a job goes on rows come and go: the row that is right-clicked may be
   * another one by then than the one that was found, so it is looked for again, as a person would.
   */
  async chooseFromContextMenuAndList(
    row: () => Promise<Locator>,
    item: string | RegExp,
    option: string | RegExp,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.chooseFromContextMenu(await row(), item);
      try {
        await this.quickPickOption(option).click({ timeout: 15_000 });
        return;
      } catch (error) {
        if (attempt === 3) throw error;
        await this.page.keyboard.press('Escape');
      }
    }
  }

  /** Runs a command by its palette title, for example `Deltaloom: Show Heatmap`. */
  async runCommand(title: string): Promise<void> {
    await this.openPalette();
    await this.quickInput().fill(`>${title}`);
    await this.quickPickOption(title).first().waitFor();
    // The first is not always the one: 'Cancel All Jobs' is as good an answer to 'Cancel Job'. Names end with their keys.
    const named = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const exact = this.quickPickOption(new RegExp(`^${named}(,.*)?$`));
    if ((await exact.count()) > 0) await exact.first().click();
    else await this.page.keyboard.press('Enter');
  }

  /**
   * A key that is pressed while the focus moves between webview and workbench is heard by neither; and the box that is there may
   * be the one of the last command, about to close.
   */
  private async openPalette(): Promise<void> {
    const opened = async (): Promise<boolean> =>
      (await this.quickInput().isVisible()) && (await this.quickInput().inputValue()).startsWith('>');
    for (let attempt = 0; attempt < 20; attempt++) {
      await this.page.keyboard.press('F1');
      for (let look = 0; look < 10; look++) {
        if (await opened()) return;
        await this.page.waitForTimeout(200);
      }
    }
  }

  /** Runs a command and chooses in the list that it shows. */
  async runAndChoose(title: string, option: string | RegExp): Promise<void> {
    await this.runAndAnswer(title, (timeout) => this.quickPickOption(option).click({ timeout }));
  }

  /** Runs a command and writes into the box that it shows. */
  async runAndWrite(title: string, text: string): Promise<void> {
    await this.runAndAnswer(title, (timeout) => this.quickInput().fill(text, { timeout }));
    await this.page.keyboard.press('Enter');
  }

  /**
   * On a busy machine VS Code at times gives the focus back from the palette when what the command asks with is already open,
   * which closes it: then once more, as a person would.
   */
  private async runAndAnswer(title: string, answer: (timeout: number) => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.runCommand(title);
      try {
        await answer(30_000);
        return;
      } catch (error) {
        if (attempt === 3 || (await this.quickInput().isVisible())) throw error;
      }
    }
  }

  quickInput(): Locator {
    return this.page.locator('.quick-input-widget .quick-input-box input');
  }

  quickPickOption(name: string | RegExp): Locator {
    return this.page.locator('.quick-input-list').getByRole('option', { name });
  }

  /** The document inside the visible webview (the `index`-th when several are visible). */
  webview(index = 0): FrameLocator {
    return this.page
      .locator('iframe.webview.ready')
      .nth(index)
      .contentFrame()
      .frameLocator('iframe#active-frame');
  }

  /** Saves a picture under `test-results/screenshots/`. */
  async screenshot(name: string): Promise<string> {
    const file = path.join(PROJECT_ROOT, 'test-results', 'screenshots', `${name}.png`);
    await mkdir(path.dirname(file), { recursive: true });
    await this.page.screenshot({ path: file });
    return file;
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
    if (this.temporary !== undefined) await removeFolder(this.temporary);
  }
}

/** Until the last of VS Code's own parts is there: before, nobody has told menus and views that the workspace is trusted. */
async function isWhole(page: Page): Promise<void> {
  await page.locator('.statusbar [id="status.problems"]').waitFor({ timeout: 180_000 });
}
