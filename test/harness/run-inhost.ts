import { build } from 'esbuild';
import { cp, mkdir, mkdtemp, readFile, readdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { ensureVsCode } from '../../scripts/vscode/installation.js';
import { remoteResource, startVsCodeServer, workbenchAddress } from '../../scripts/vscode/server.js';
import { CHROMIUM_ARGUMENTS, CHROMIUM_REMEDY, findChromium } from './chromium.js';
import { PROJECT_ROOT } from './workbench.js';
import { removeFolder } from './temporary-folder.js';

export interface InHostResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The runner's own report, for people. */
  readonly report: string;
}

interface InHostReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly lines: readonly string[];
}

export interface InHostOptions {
  /** Folder of the bundled programs, relative to the project; its `index.ts` exports `run`. */
  readonly programs?: string;
  readonly timeoutSeconds?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Runs `test/inhost/*.test.ts` (mocha) inside the extension host of a real VS Code, on a copy of `workspace`.
 * The extension is loaded from the tree; `dist/` must be built. A suite that never ends counts as one failure.
 */
export async function runInHost(
  workspace: string,
  { programs = 'test/inhost', timeoutSeconds = 600, environment = {} }: InHostOptions = {},
): Promise<InHostResult> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error(`No Chromium found. ${CHROMIUM_REMEDY}`);
  const tests = path.join(PROJECT_ROOT, 'dist', programs);
  await bundle(path.join(PROJECT_ROOT, programs), tests);
  const temporary = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-inhost-'));
  const reportFile = path.join(temporary, 'report.json');
  const folder = path.join(temporary, 'workspace');
  await mkdir(folder);
  await cp(workspace, folder, { recursive: true });
  const server = await startVsCodeServer(await ensureVsCode((line) => console.log(line)), {
    dataDirectory: path.join(temporary, 'data'),
    testDriver: true,
    settings: { 'workbench.reduceMotion': 'on' },
  });
  const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_ARGUMENTS] });
  try {
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    const ended = new Promise<boolean>((resolve) => {
      void page.exposeFunction('codeAutomationExit', () => resolve(true));
      void page.exposeFunction('codeAutomationLog', () => undefined);
      setTimeout(() => resolve(false), timeoutSeconds * 1000).unref();
    });
    await page.goto(
      workbenchAddress(server, folder, [
        ['extensionDevelopmentPath', remoteResource(server, PROJECT_ROOT)],
        ['extensionTestsPath', remoteResource(server, path.join(tests, 'index.cjs'))],
        ['extensionEnvironment', JSON.stringify({ ...environment, DELTALOOM_TEST_REPORT: reportFile })],
      ]),
    );
    const inTime = await ended;
    const text = await readFile(reportFile, 'utf8').catch(() => undefined);
    if (text === undefined) {
      const why = inTime ? 'ended without a report' : `did not end within ${timeoutSeconds} s`;
      return { passed: 0, failed: 1, skipped: 0, report: `The suite inside the extension host ${why}.` };
    }
    const report = JSON.parse(text) as InHostReport;
    return { ...report, report: report.lines.join('\n') };
  } finally {
    await browser.close();
    await server.stop();
    await removeFolder(temporary);
  }
}

async function bundle(directory: string, outdir: string): Promise<void> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.test.ts') || name === 'index.ts');
  await removeFolder(outdir);
  await build({
    entryPoints: files.map((name) => path.join(directory, name)),
    outdir,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    sourcemap: 'inline',
    external: ['vscode', 'mocha', 'onnxruntime-node'],
    logLevel: 'warning',
  });
}
