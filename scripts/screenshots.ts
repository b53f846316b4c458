import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { PROJECT_ROOT, Workbench } from '../test/harness/workbench.js';

/** Makes the README's pictures from the sample study in a real VS Code: `npx tsx scripts/screenshots.ts`. */

execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: PROJECT_ROOT, stdio: 'inherit' });
const images = path.join(PROJECT_ROOT, 'docs', 'images');
await mkdir(images, { recursive: true });
const temporary = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-pictures-'));
const study = path.join(temporary, 'sample-study');
execFileSync(process.execPath, ['--import', 'tsx', 'scripts/sample-history.ts', '--out', study], {
  cwd: PROJECT_ROOT,
  stdio: 'inherit',
});

const workbench = await Workbench.launch({
  folder: study,
  theme: 'dark',
  viewport: { width: 1500, height: 900 },
});
try {
  const { page } = workbench;
  await workbench.openView('Deltaloom');
  await workbench.treeItem(/./).first().waitFor({ timeout: 60_000 });
  await workbench.runCommand('Deltaloom: Open Configuration');
  await page.waitForTimeout(2000);
  for (const [command, name] of [
    ['Deltaloom: Show Heatmap', 'heatmap'],
    ['Deltaloom: Show Averaging Weights', 'weights'],
    ['Deltaloom: Show Results', 'results'],
    ['Deltaloom: Show Learning Curves', 'curves'],
  ] as const) {
    await workbench.runCommand(command);
    await page.waitForTimeout(6000);
    await cp(await workbench.screenshot(name), path.join(images, `${name}.png`));
  }
} finally {
  await workbench.close();
  await rm(temporary, { recursive: true, force: true });
}
