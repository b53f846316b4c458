import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PANEL_KINDS, type HostMessage, type PanelKind } from '../../src/extension/panels/messages.js';
import { findChromium } from '../harness/chromium.js';
import { exampleStudy } from '../support/example-study.js';
import { PanelBrowser } from '../support/panel-page.js';
import { viewOf } from '../support/sheet.js';

/** What holds for every page whoever shows it: reach by keyboard, names for screen readers, narrow windows, calm. */
describe.skipIf(findChromium() === undefined)('panel pages', () => {
  let browser: PanelBrowser;
  const study = exampleStudy({ tasks: 8, methods: ['loss', 'el2n'], blocks: 2 });
  const cell = { target: 'compare_00', source: 'compare_02' };
  const arrangements: Readonly<Record<PanelKind, Readonly<Record<string, unknown>>>> = {
    heatmap: { method: 'grand', granularity: 'block', ...cell },
    weights: { target: 'compare_00', temperature: 0.3 },
    results: { target: 'compare_00', source: 'average' },
    curves: { runs: study.runs.slice(0, 3).map(({ task, id }) => `${task}/${id}`) },
  };

  beforeAll(async () => {
    browser = await PanelBrowser.launch();
  });

  afterAll(async () => {
    await browser.close();
  });

  async function open(
    kind: PanelKind,
    arrangement: Readonly<Record<string, unknown>> = {},
    awaited = kind === 'results' ? 'bar-picture canvas' : 'canvas, table',
  ): Promise<Page> {
    const { page } = await browser.open({
      kind,
      study,
      arrangement: { ...arrangements[kind], ...arrangement },
      viewport: { width: 600, height: 900 },
    });
    await page.locator(awaited).first().waitFor();
    // The bar above the view is there once the history is; it may come after the picture.
    await page.getByTitle('2 records not committed').waitFor();
    return page;
  }

  it.each(PANEL_KINDS)(
    '%s: Tab reaches everything that can be used, and all of it has a name',
    async (kind) => {
      const page = await open(kind);
      const reached: string[] = [];
      await page.locator('body').focus();
      for (let i = 0; i < 400; i++) {
        await page.keyboard.press('Tab');
        const name = await page.evaluate(() => {
          const element = document.activeElement;
          if (element === null || element === document.body) return null;
          const label =
            element.getAttribute('aria-label') ??
            element.getAttribute('label') ??
            (element instanceof HTMLInputElement ? element.labels?.[0]?.textContent : null) ??
            element.textContent;
          element.setAttribute('data-reached', '');
          return label.trim();
        });
        if (name === null) break;
        reached.push(name);
      }
      expect(reached.filter((name) => name === '')).toEqual([]);
      // Everything a mouse can use.
      const missed = await page.evaluate(() =>
        [
          ...document.querySelectorAll(
            'vscode-single-select, vscode-button:not([disabled]), vscode-checkbox, vscode-textfield, button, input, a, summary, .picture-area, .table-scroll',
          ),
        ]
          .filter((element) => element.checkVisibility() && !element.hasAttribute('data-reached'))
          .map((element) => element.outerHTML.slice(0, 120)),
      );
      expect(missed).toEqual([]);
      expect(reached.length).toBeGreaterThan(10);
      await page.close();
    },
  );

  it.each(PANEL_KINDS)('%s: selects and pictures are announced as what they are', async (kind) => {
    const page = await open(kind);
    const labels = await page
      .locator('vscode-single-select')
      .evaluateAll((elements) => elements.map((element) => element.getAttribute('label') ?? ''));
    for (const label of new Set(labels)) {
      await page.getByRole('combobox', { name: label }).first().waitFor();
    }
    // A picture says how to walk over it and that there is a table; what is read out is spoken.
    const area = page.getByRole('application').first();
    if (kind !== 'results') expect(await area.getAttribute('aria-label')).toContain('Choose Table');
    await area.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    const said = page.locator('.readout[role="status"]').first();
    await expect.poll(() => said.innerText()).toMatch(/\d/);
    for (const canvas of await page.locator('canvas').all()) {
      expect(await canvas.evaluate((element) => element.closest('[aria-hidden="true"]') !== null)).toBe(true);
    }
    await page.close();
  });

  it.each(PANEL_KINDS)(
    '%s: nothing sticks out of a panel of 600 pixels, as picture or as table',
    async (kind) => {
      for (const display of ['picture', 'table']) {
        const page = await open(kind, { display });
        const beyond = await page.evaluate(
          () => document.body.scrollWidth - document.documentElement.clientWidth,
        );
        expect(beyond, display).toBeLessThanOrEqual(0);
        await page.close();
      }
    },
  );

  it('opens every list of choices where all of it is seen, however low its control stands', async () => {
    const page = await open('heatmap');
    await page.setViewportSize({ width: 600, height: 420 });
    for (const control of await page.locator('vscode-single-select').all()) {
      await control.evaluate((element) => element.scrollIntoView({ block: 'end' }));
      await control.click();
      for (const option of [control.locator('li.option').first(), control.locator('li.option').last()]) {
        await option.scrollIntoViewIfNeeded();
        const box = await option.boundingBox();
        expect(box?.y).toBeGreaterThanOrEqual(0);
        expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(420);
      }
      await page.keyboard.press('Escape');
    }
    await page.close();
  });

  it('moves nothing where motion is not wanted', async () => {
    const page = await open('heatmap');
    await page.emulateMedia({ reducedMotion: 'reduce' });
    const moving = await page.evaluate(
      () =>
        [...document.querySelectorAll('*')].filter((element) => {
          const { transitionDuration, animationName } = getComputedStyle(element);
          return (
            animationName !== 'none' || transitionDuration.split(',').some((time) => parseFloat(time) > 0)
          );
        }).length,
    );
    expect(moving).toBe(0);
    await page.close();
  });

  it('says what is chosen in a select when its choices change around it', async () => {
    const page = await open('heatmap', { granularity: 'model', method: 'loss', part: null });
    const method = page.locator('vscode-single-select[label="Method"]');
    const shown = () => method.evaluate((element) => (element as HTMLElement & { value: string }).value);
    await expect.poll(shown).toBe('loss');
    // Without the matrices by loss, EL2N moves to the first place and is shown.
    const without = viewOf({ ...study, matrices: study.matrices.filter(({ method: id }) => id === 'el2n') });
    await page.evaluate((view) => window.postMessage({ type: 'study', study: view }, '*'), without);
    await expect.poll(shown).toBe('el2n');
    await page.close();
  });

  it('draws a tuning while it runs, and goes on showing it once it is on record', async () => {
    const [run] = study.runs.filter(({ role }) => role === 'target');
    if (run === undefined) throw new Error('no run');
    const before = viewOf({ ...study, runs: study.runs.filter((other) => other !== run) });
    const page = await open('curves', { runs: [], display: 'table' }, '.run-list');
    const push = (message: HostMessage) =>
      page.evaluate((posted) => window.postMessage(posted, '*'), message);
    await push({ type: 'study', study: before });
    await page.locator('.run-list vscode-checkbox').nth(before.runs.length).waitFor({ state: 'detached' });
    const curve = (steps: number): HostMessage => ({
      type: 'curve',
      curve: {
        id: `${run.task}/${run.id}`,
        label: 'being tuned',
        running: true,
        train: run.curve.train.slice(0, steps).map(({ step, loss }) => ({ step, value: loss })),
        dev: [],
        metric: '',
      },
    });
    const rows = () => page.locator('tbody tr').count();
    await push(curve(2));
    await page.locator('h2 small', { hasText: '1 still running' }).waitFor();
    await expect.poll(() => page.locator('thead').innerText()).toContain('being tuned');
    await expect.poll(rows).toBe(2);
    await push(curve(4));
    await expect.poll(rows).toBe(4);
    await push({ type: 'study', study: viewOf(study) });
    await page.locator('h2 small').waitFor({ state: 'detached' });
    await expect.poll(rows).toBe(run.curve.train.length);
    await page.close();
  });

  it('tells beside the merge of the tuning that starts from it, and of no other', async () => {
    const page = await open('weights');
    const push = (job: { id: string; kind: string; merge: string | null; text: string }) => {
      const message: HostMessage = {
        type: 'job',
        job: { ...job, title: job.text, state: 'done', fraction: 1, target: 'compare_00' },
      };
      return page.evaluate((posted) => window.postMessage(posted, '*'), message);
    };
    const told = () => page.locator('.merge .job').allInnerTexts();
    await push({ id: '1', kind: 'tune', merge: null, text: 'Tuned from random.' });
    await push({ id: '2', kind: 'merge', merge: 'merges/x.json', text: 'Merged.' });
    await expect.poll(told).toEqual(['✓ Merged.']);
    await push({ id: '3', kind: 'tune', merge: 'merges/x.json', text: 'Tuned from it.' });
    await expect.poll(told).toEqual(['✓ Merged.', '✓ Tuned from it.']);
    await page.close();
  });

  it('names the commit of what was computed, and offers to open it where it is known', async () => {
    const commit = 'c'.repeat(40);
    const computed = exampleStudy({ tasks: 4, methods: ['loss'], commit });
    for (const commits of [[], [{ hash: commit, author: 'Ada', date: '2026-01-01', subject: 'Begin' }]]) {
      const { page } = await browser.open({ kind: 'heatmap', study: computed, commits });
      const line = page.locator('.provenance', { hasText: `Computed at ${commit.slice(0, 7)}` });
      await line.waitFor();
      expect(await line.locator('a').count()).toBe(commits.length);
      await page.close();
    }
  });

  it('asks for scores where there are none, and says so', async () => {
    const { page, requests } = await browser.open({ kind: 'heatmap', study: { ...study, matrices: [] } });
    await page.getByRole('heading', { name: 'No scores yet' }).waitFor();
    await page.getByRole('button', { name: 'Score Tasks…' }).click();
    await expect.poll(() => requests.map(({ kind }) => kind)).toContain('score');
    await page.close();
  });
});
