import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PanelDriver } from '../test/harness/panel-driver.js';
import { PROJECT_ROOT, Workbench } from '../test/harness/workbench.js';
import { writeSampleStudy } from '../test/support/commands.js';

/** Makes the README's pictures from the sample study in a real VS Code: `npx tsx scripts/screenshots.ts`. */

execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: PROJECT_ROOT, stdio: 'inherit' });
const images = path.join(PROJECT_ROOT, 'docs', 'images');
await mkdir(images, { recursive: true });
const temporary = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-pictures-'));
const study = path.join(temporary, 'sample-study');
writeSampleStudy(study);

const workbench = await Workbench.launch({
  folder: study,
  theme: 'dark',
  viewport: { width: 1500, height: 940 },
  settings: { 'editor.minimap.enabled': false, 'workbench.layoutControl.enabled': false },
});
const { page } = workbench;
const panel = new PanelDriver(workbench);

/** Of the window as it is now, for the README. */
async function picture(name: string): Promise<void> {
  // What was drawn last is on screen, and nothing is pointed at.
  await page.mouse.move(0, 0);
  await page.waitForTimeout(1000);
  await cp(await workbench.screenshot(name), path.join(images, `${name}.png`));
}

try {
  page.setDefaultTimeout(60_000);
  await workbench.openView('Deltaloom');
  await workbench
    .treeItem(/film_reviews/)
    .first()
    .waitFor();
  await workbench.runCommand('Deltaloom: Open Configuration');
  await page.locator('.tab', { hasText: 'deltaloom.json' }).waitFor();

  await panel.show('Show Heatmap', 'heatmap-picture canvas');
  await panel.choose('Method', /^\s*EL2N\s*$/);
  await panel.page.locator('h2', { hasText: 'EL2N' }).waitFor();
  await picture('heatmap');

  await panel.show('Show Averaging Weights', 'bar-picture canvas');
  await panel.choose('Target', 'film_reviews');
  await panel.page.locator('h2', { hasText: 'film_reviews' }).first().waitFor();
  await picture('weights');

  await panel.show('Show Results', 'h2:has-text("Results:")');
  await picture('results');

  await panel.show('Show Learning Curves', '.run-list');
  for (const start of ['Random', 'Average', 'Loss', 'Best source']) {
    const run = `film_reviews from ${start}, adapter, 16 shots, seed 13`;
    await panel.page.locator('vscode-textfield input').fill(run);
    await panel.page.locator(`vscode-checkbox[label="${run}"]`).click();
  }
  await panel.page.locator('vscode-textfield input').fill('film_reviews from');
  await panel.page.locator('.lines li').nth(3).waitFor();
  await picture('curves');
} finally {
  await workbench.close();
  await rm(temporary, { recursive: true, force: true });
}
