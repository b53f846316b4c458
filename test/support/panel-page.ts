import { build } from 'esbuild';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import {
  collectCurve,
  collectMatrix,
  collectStudy,
  matrixId,
  runKey,
} from '../../src/extension/panels/collect.js';
import {
  pageMessageSchema,
  REQUESTS,
  type HostMessage,
  type PanelKind,
  type StudyView,
} from '../../src/extension/panels/messages.js';
import type { RecordCommit, RecordedStudy } from '../../src/study/history.js';
import { studySchema } from '../../src/study/configuration.js';
import { CHROMIUM_ARGUMENTS, findChromium } from '../harness/chromium.js';
import type { ExampleStudy } from './example-study.js';

/**
 * A panel's page in a browser without VS Code around it: the real bundle, and answers made by the host's own functions from
 * records. For measuring and for looking at every state quickly; what the extension does is tested in the real editor.
 */
export interface PanelPageOptions {
  readonly kind: PanelKind;
  readonly study: ExampleStudy;
  /** Records by version; null is the working tree (default: `study`). */
  readonly versions?: ReadonlyMap<string, RecordedStudy>;
  readonly commits?: readonly RecordCommit[];
  readonly arrangement?: Readonly<Record<string, unknown>>;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** CSS variables without `--vscode-`, and the body's class. */
  readonly theme?: { readonly className: string; readonly variables: Readonly<Record<string, string>> };
}

const DARK = {
  className: 'vscode-dark',
  variables: {
    'editor-background': '#1f1f1f',
    'editor-foreground': '#cccccc',
    foreground: '#cccccc',
    descriptionForeground: '#9d9d9d',
    focusBorder: '#0078d4',
    'panel-border': '#2b2b2b',
    'charts-blue': '#3794ff',
    'charts-orange': '#d18616',
    'charts-green': '#89d185',
    'charts-purple': '#b180d7',
    'charts-red': '#f14c4c',
    'charts-yellow': '#cca700',
    'font-family': 'sans-serif',
    'font-size': '13px',
  },
};

export class PanelBrowser {
  private constructor(
    private readonly browser: Browser,
    private readonly script: string,
    private readonly style: string,
  ) {}

  static async launch(): Promise<PanelBrowser> {
    const executablePath = findChromium();
    if (executablePath === undefined) throw new Error('No Chromium found.');
    const folder = await mkdtemp(path.join(tmpdir(), 'deltaloom-panel-'));
    await build({
      entryPoints: { panel: path.resolve(import.meta.dirname, '../../webview/main.ts') },
      outdir: folder,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      minify: true,
      logLevel: 'warning',
    });
    const [script, style] = await Promise.all(
      ['panel.js', 'panel.css'].map((name) => readFile(path.join(folder, name), 'utf8')),
    );
    await rm(folder, { recursive: true });
    const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_ARGUMENTS] });
    return new PanelBrowser(browser, script ?? '', style ?? '');
  }

  async close(): Promise<void> {
    await this.browser.close();
  }

  /** Opens a panel; `requests` collects what it asked for beside data. */
  async open(
    options: PanelPageOptions,
  ): Promise<{ page: Page; requests: { kind: string; parameters: unknown }[] }> {
    const page = await this.browser.newPage({ viewport: options.viewport ?? { width: 1000, height: 900 } });
    page.setDefaultTimeout(120_000);
    const requests: { kind: string; parameters: unknown }[] = [];
    const theme = options.theme ?? DARK;
    await page.route('http://panel.test/', (route) =>
      route.fulfill({ contentType: 'text/html', body: pageHtml(options.kind, this.style, theme) }),
    );
    await page.exposeFunction('tellHost', (raw: unknown) => {
      const message = pageMessageSchema.parse(raw);
      if (message.type === 'ready') return [{ type: 'study', study: studyOf(options, null) }];
      if (message.type === 'arranged') return [];
      const { id, kind, parameters } = message;
      const value = answer(kind, parameters, options, requests);
      return [{ type: 'answer', id, ok: true, value }] satisfies HostMessage[];
    });
    // What esbuild (tsx) calls in functions that it has named; the page has no such helper.
    await page.addInitScript('globalThis.__name = (named) => named');
    await page.addInitScript(
      (state) => {
        const scope = window as unknown as {
          tellHost(message: unknown): Promise<unknown[]>;
          acquireVsCodeApi: () => unknown;
          keptState: unknown;
        };
        scope.keptState = state;
        const revive = (message: { value?: { values?: unknown; provenance?: unknown } }) => {
          const { value } = message;
          if (Array.isArray(value?.values)) {
            value.values = Float64Array.from(value.values as (number | null)[], (v) => v ?? Number.NaN);
            value.provenance = Int32Array.from(value.provenance as number[]);
          }
          return message;
        };
        scope.acquireVsCodeApi = () => ({
          postMessage: (message: unknown) =>
            void scope.tellHost(message).then((answers) => {
              for (const one of answers) window.postMessage(revive(one as object), '*');
            }),
          getState: () => scope.keptState,
          setState: (kept: unknown) => {
            scope.keptState = kept;
          },
        });
      },
      options.arrangement === undefined ? undefined : { version: 1, ...options.arrangement },
    );
    page.on('pageerror', (error) => {
      throw error;
    });
    await page.goto('http://panel.test/');
    await page.addScriptTag({ content: this.script, type: 'module' });
    return { page, requests };
  }
}

function answer(
  kind: string,
  parameters: unknown,
  options: PanelPageOptions,
  requests: { kind: string; parameters: unknown }[],
): unknown {
  switch (kind) {
    case 'study':
      return studyOf(options, REQUESTS.study.parameters.parse(parameters).version);
    case 'matrix': {
      const { version, id } = REQUESTS.matrix.parameters.parse(parameters);
      const matrix = recordsOf(options, version).matrices.find((candidate) => matrixId(candidate) === id);
      if (matrix === undefined) throw new Error(`no matrix ${id}`);
      const { values, provenance, ...rest } = collectMatrix(matrix, version);
      return { ...rest, values: [...values], provenance: [...provenance] };
    }
    case 'curves': {
      const { version, runs } = REQUESTS.curves.parameters.parse(parameters);
      return recordsOf(options, version)
        .runs.filter((run) => runs.includes(runKey(run)))
        .map(collectCurve);
    }
    case 'history':
      return {
        repository: {
          kind: 'repository',
          branch: 'main',
          head: 'f'.repeat(40),
          operation: null,
          shallow: false,
        },
        commits: (options.commits ?? []).map((commit) => ({ ...commit, here: true })),
        named: [],
        uncommitted: 2,
        changedHere: false,
      };
    default:
      requests.push({ kind, parameters });
      return kind === 'merge'
        ? {
            id: 'job',
            title: 'Merge',
            kind: 'merge',
            state: 'done',
            text: 'Merged.',
            fraction: 1,
            target: 'x',
            merge: null,
          }
        : null;
  }
}

function recordsOf(options: PanelPageOptions, version: string | null): RecordedStudy {
  const { study, versions } = options;
  const recorded = version === null ? undefined : versions?.get(version);
  if (recorded !== undefined) return recorded;
  return {
    configuration: studySchema.parse(study.configuration),
    runs: study.runs,
    matrices: study.matrices,
    merges: [],
    problems: [],
  };
}

function studyOf(options: PanelPageOptions, version: string | null): StudyView {
  return collectStudy(
    {
      ...recordsOf(options, version),
      directory: 'study',
      name: 'Example',
      version,
      tasks: options.study.tasks,
      stale: new Map(),
    },
    new Map((options.commits ?? []).map((commit) => [commit.hash, commit])),
  );
}

function pageHtml(
  kind: PanelKind,
  style: string,
  theme: { readonly className: string; readonly variables: Readonly<Record<string, string>> },
): string {
  const variables = Object.entries(theme.variables)
    .map(([name, value]) => `--vscode-${name}: ${value};`)
    .join(' ');
  return `<!DOCTYPE html><html lang="en" style="${variables}"><head><meta charset="utf-8"><style>${style}</style></head><body class="${theme.className}" data-panel="${kind}"><main id="panel"></main></body></html>`;
}
