import { statSync } from 'node:fs';
import type { FrameLocator, Locator } from 'playwright-core';
import type { Workbench } from './workbench.js';

/**
 * What a person does on a panel: choosing, walking over a picture, reading what stands there. A page in a frame answers clicks
 * and keys a moment later, so what is read right after one may still be what was there before: tests poll what they read.
 */
export class PanelDriver {
  constructor(private readonly bench: Workbench) {}

  /** The page of the panel that is in front. */
  get page(): FrameLocator {
    return this.bench.page
      .locator('iframe.webview.ready')
      .filter({ visible: true })
      .first()
      .contentFrame()
      .frameLocator('iframe#active-frame');
  }

  /** Opens a panel by its command, for example `Show Results`, and waits for something on it. */
  async show(command: string, awaited: string): Promise<void> {
    await this.bench.runCommand(`Deltaloom: ${command}`);
    await this.page.locator(awaited).first().waitFor({ timeout: 90_000 });
    await this.complete(command);
  }

  /** Brings the panel with this title to the front and waits until nothing is on its way any more. */
  async front(title: RegExp): Promise<void> {
    const tab = this.bench.page.locator('.tab', { hasText: title });
    await tab.click();
    await this.bench.page.locator('.tab.active', { hasText: title }).waitFor();
    await this.complete(String(title));
  }

  /** All that stands on the page and is chosen on it, but for what is read out of pictures. */
  async look(): Promise<{ readonly texts: string[]; readonly controls: string[] }> {
    return this.page.locator('main').evaluate((main) => ({
      texts: [...main.querySelectorAll<HTMLElement>('h2, h3, p:not(.readout), th, td, li, dd, .notice')].map(
        ({ innerText }) => innerText,
      ),
      controls: [
        ...main.querySelectorAll<HTMLInputElement>(
          'vscode-single-select, vscode-textfield, vscode-checkbox, input, [aria-pressed]',
        ),
      ].map((control) =>
        [
          control.getAttribute('label') ?? control.innerText,
          control.getAttribute('aria-pressed') ??
            (control.matches('vscode-checkbox') ? control.checked : control.value),
        ].join(': '),
      ),
    }));
  }

  control(label: string): Locator {
    return this.page.locator(`vscode-single-select[label="${label}"]`).first();
  }

  async choose(label: string, option: string | RegExp): Promise<void> {
    const control = this.control(label);
    await control.click();
    await control.locator('li.option', { hasText: option }).first().click();
  }

  /** What is chosen, as it is written on the control. */
  async chosen(label: string): Promise<string> {
    return (
      await this.control(label)
        .locator('.select-face .text, .combobox-input')
        .first()
        .evaluate((element) => (element instanceof HTMLInputElement ? element.value : element.textContent))
    ).trim();
  }

  /** The first line of every choice. */
  async options(label: string): Promise<string[]> {
    const control = this.control(label);
    await control.click();
    await control.locator('li.option').first().waitFor();
    const texts = await control.locator('li.option').allInnerTexts();
    await this.bench.page.keyboard.press('Escape');
    return texts.map((text) => (text.split('\n')[0] ?? '').trim());
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name }).first();
  }

  /** Chooses a format in the `place`-th bar of exports on the page. */
  async exportAs(place: number, format: string): Promise<void> {
    const control = this.page.locator('.export').nth(place).locator('vscode-single-select');
    await control.click();
    await control.locator('li.option', { hasText: format }).first().click();
  }

  /** Saves by the `place`-th bar of exports, through VS Code's dialog, to a file that does not exist yet. */
  async saveAs(place: number, file: string): Promise<void> {
    await this.page.locator('.export').nth(place).getByRole('button', { name: 'Save' }).click();
    const input = this.bench.quickInput();
    await input.waitFor();
    // The dialog writes its proposal a moment after it has opened.
    await this.until('a proposed name', async () => /\.\w+$/.test(await input.inputValue()));
    await input.fill(file);
    // The first Enter may only lead the dialog to the file's folder.
    await this.until('the end of the dialog', async () => {
      await input.press('Enter');
      return input.waitFor({ state: 'hidden', timeout: 1500 }).then(
        () => true,
        () => false,
      );
    });
    // VS Code makes an empty file first and fills it then.
    let written = 0;
    await this.until(`the whole file ${file}`, () => {
      const before = written;
      written = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      return Promise.resolve(written > 0 && written === before);
    });
  }

  /** Walks to a cell of the heatmap with the keyboard and returns the read-out. */
  async readCell(row: number, column: number): Promise<string> {
    const { keyboard } = this.bench.page;
    await this.page.locator('heatmap-picture .picture-area').focus();
    for (let i = 0; i < 4; i++) await keyboard.press('PageUp');
    await keyboard.press('Home');
    for (let i = 0; i < row; i++) await keyboard.press('ArrowDown');
    for (let i = 0; i < column; i++) await keyboard.press('ArrowRight');
    return settledText(this.page.locator('heatmap-picture .readout'));
  }

  /** Walks to a cell of the heatmap and opens it; what `awaited` names is on the page then. */
  async openCell(row: number, column: number, awaited: string): Promise<void> {
    await this.until(`${awaited} of cell ${row}, ${column}`, async () => {
      await this.readCell(row, column);
      await this.bench.page.keyboard.press('Enter');
      return this.page
        .locator(awaited)
        .first()
        .waitFor({ timeout: 5000 })
        .then(
          () => true,
          () => false,
        );
    });
  }

  /** The row of the first table whose head is this, cell by cell, head left out; none where there is no such row (yet). */
  async tableRow(head: string): Promise<string[]> {
    const row = this.page
      .locator('table')
      .first()
      .locator('tbody tr')
      .filter({
        has: this.page.locator('th', { hasText: new RegExp(`^\\s*${head}\\s*$`) }),
      });
    return (await row.first().locator('td').allInnerTexts()).map((text) => text.trim());
  }

  /** Waits until nothing is on its way any more: what arrives moves what stands below it. */
  private async complete(what: string): Promise<void> {
    await this.until(`${what} complete`, async () => {
      const texts = await this.page
        .locator('main')
        .allInnerTexts()
        .catch(() => []);
      return texts.length === 1 && texts[0] !== '' && !/^Reading .*…$/m.test(texts[0] ?? '');
    });
  }

  private async until(what: string, holds: () => Promise<boolean>, seconds = 30): Promise<void> {
    for (const end = Date.now() + seconds * 1000; !(await holds());) {
      if (Date.now() > end) throw new Error(`Never seen: ${what}.`);
      await this.bench.page.waitForTimeout(100);
    }
  }
}

/** What it says when it has stopped changing: a page in a frame answers the mouse a moment later. */
export async function settledText(locator: Locator): Promise<string> {
  for (let before = await locator.innerText(); ;) {
    await locator.page().waitForTimeout(200);
    const now = await locator.innerText();
    if (now === before) return now;
    before = now;
  }
}
