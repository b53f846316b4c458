import type { FrameLocator, Locator } from 'playwright-core';
import type { Workbench } from './workbench.js';

/** What a person does on a panel: choosing, walking over a picture, reading what stands there. */
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

  /** Walks to a cell of the heatmap with the keyboard and returns the read-out. */
  async readCell(row: number, column: number): Promise<string> {
    const { keyboard } = this.bench.page;
    await this.page.locator('heatmap-picture .picture-area').focus();
    for (let i = 0; i < 4; i++) await keyboard.press('PageUp');
    await keyboard.press('Home');
    for (let i = 0; i < row; i++) await keyboard.press('ArrowDown');
    for (let i = 0; i < column; i++) await keyboard.press('ArrowRight');
    return this.page.locator('heatmap-picture .readout').innerText();
  }

  /** The row of the first table whose head is this, cell by cell, head left out. */
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
}
