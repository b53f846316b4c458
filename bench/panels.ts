import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { exampleStudy } from '../test/support/example-study.js';
import { PanelBrowser } from '../test/support/panel-page.js';

/**
 * How long a panel takes to its first picture, and what a frame costs while the temperature is dragged. Real bundle, real
 * Chromium, records of the given number of tasks; without VS Code around it.
 */

const SIZES = [32, 128, 256];
const FRAMES = 120;

interface Timing {
  readonly label: string;
  readonly values: readonly number[];
}

const browser = await PanelBrowser.launch();
const rows: string[] = [];
try {
  for (const tasks of SIZES) {
    const study = exampleStudy({ tasks, perGroup: 8, methods: ['loss'], seeds: [42] });
    const values: number[] = [];
    const moves: number[] = [];
    for (let round = 0; round < 3; round++) {
      const { page } = await browser.open({ kind: 'heatmap', study });
      await page.locator('heatmap-picture canvas').first().waitFor();
      values.push(
        await page.evaluate(
          () =>
            new Promise<number>((resolve) => {
              // The picture marks the end of its first drawing; a later one would overwrite nothing.
              const poll = () => {
                const [mark] = performance.getEntriesByName('first-picture');
                const [start] = performance.getEntriesByName('records-arrived');
                if (mark === undefined || start === undefined) requestAnimationFrame(poll);
                else resolve(mark.startTime - start.startTime);
              };
              poll();
            }),
        ),
      );
      moves.push(
        ...(await page.evaluate(() => {
          const stage = document.querySelector('heatmap-picture .picture-stage');
          const canvas = document.querySelector('heatmap-picture canvas');
          if (stage === null || canvas === null) return [];
          const box = canvas.getBoundingClientRect();
          return Array.from({ length: 100 }, (_, i) => {
            const start = performance.now();
            stage.dispatchEvent(
              new PointerEvent('pointermove', {
                clientX: box.left + box.width * (0.3 + i / 200),
                clientY: box.top + box.height * (0.3 + i / 200),
                bubbles: true,
              }),
            );
            return performance.now() - start;
          });
        })),
      );
      await page.close();
    }
    report({ label: `Heatmap, ${tasks} x ${tasks}: first picture after the records arrived`, values });
    report({ label: `Heatmap, ${tasks} x ${tasks}: read-out of a cell`, values: moves });
  }
  for (const sources of [16, 64, 256]) {
    const study = exampleStudy({
      tasks: sources,
      perGroup: 8,
      methods: ['loss', 'el2n', 'kl-divergence', 'logits-label-cosine'],
      seeds: [42],
    });
    const { page } = await browser.open({ kind: 'weights', study });
    await page.locator('bar-picture canvas').waitFor();
    await page.locator('h2', { hasText: 'side by side' }).waitFor();
    const frames = await page.evaluate(async (count) => {
      const slider = document.querySelector<HTMLInputElement>('#temperature');
      if (slider === null) return [];
      const next = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
      const times: number[] = [];
      let last = await next();
      for (let i = 0; i < count; i++) {
        slider.value = String(300 + ((i * 7) % 400));
        slider.dispatchEvent(new Event('input'));
        const now = await next();
        times.push(now - last);
        last = now;
      }
      return times;
    }, FRAMES);
    report({ label: `Weights, ${sources} sources: frame while dragging the temperature`, values: frames });
    await page.close();
  }
} finally {
  await browser.close();
}

const text = [
  '# Panels',
  '',
  `\`npm run bench:panels\` on ${os.cpus()[0]?.model ?? 'an unknown processor'}, ${os.cpus().length} cores, Chromium without a GPU. Milliseconds.`,
  '',
  '| what | median | 95 % | worst | n |',
  '| --- | ---: | ---: | ---: | ---: |',
  ...rows,
  '',
].join('\n');
const directory = path.resolve(import.meta.dirname, 'results');
await mkdir(directory, { recursive: true });
await writeFile(path.join(directory, 'panels.md'), text);
console.log(text);

function report({ label, values }: Timing): void {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1);
  rows.push(`| ${label} | ${at(0.5)} | ${at(0.95)} | ${at(1)} | ${sorted.length} |`);
}
