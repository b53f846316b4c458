import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CHROMIUM_REMEDY, ensureChromium } from '../test/harness/chromium.js';
import { runInHost } from '../test/harness/run-inhost.js';

/**
 * `npm test`: everything a change must pass, in order of cost, on a fresh clone. Ends with
 * `N passed, N failed, N skipped`. Options: `--only unit,ui`, to run some steps while working.
 */

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Step {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

const root = path.resolve(import.meta.dirname, '..');
const results = path.join(root, 'test-results');
const bin = path.join(root, 'node_modules', '.bin');

/** Runs a tool of the project and passes its output through; resolves with its exit code. */
function run(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ...environment },
      shell: process.platform === 'win32',
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function gate(name: string, command: string, args: readonly string[]): Step {
  return {
    name,
    run: async () => {
      const code = await run(command, args);
      return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
    },
  };
}

function vitest(name: string, args: readonly string[]): Step {
  return {
    name,
    run: async () => {
      const file = path.join(results, `${name}.json`);
      const code = await run(path.join(bin, 'vitest'), [
        'run',
        ...args,
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${file}`,
      ]);
      const text = await readFile(file, 'utf8').catch(() => undefined);
      if (text === undefined) return { passed: 0, failed: 1, skipped: 0 };
      const report = JSON.parse(text) as {
        numPassedTests: number;
        numFailedTests: number;
        numPendingTests: number;
        numTodoTests: number;
        numFailedTestSuites: number;
      };
      // A file that can't be loaded fails without a failed test in it.
      const failed = Math.max(report.numFailedTests, code === 0 ? 0 : 1);
      return { passed: report.numPassedTests, failed, skipped: report.numPendingTests + report.numTodoTests };
    },
  };
}

function inHost(): Step {
  return {
    name: 'inhost',
    run: async () => {
      const result = await runInHost(path.join(root, 'test', 'inhost', 'workspace'));
      console.log(result.report);
      return result;
    },
  };
}

/** Steps that need a real browser: without one they fail in CI and are skipped, visibly, elsewhere. */
function needsChromium(step: Step): Step {
  return {
    name: step.name,
    run: async () => {
      if (ensureChromium((line) => console.log(line)) !== undefined) return step.run();
      console.log(`SKIPPED: ${step.name} needs Chromium. ${CHROMIUM_REMEDY}`);
      return process.env['CI'] === 'true'
        ? { passed: 0, failed: 1, skipped: 0 }
        : { passed: 0, failed: 0, skipped: 1 };
    },
  };
}

async function hasTests(folder: string): Promise<boolean> {
  const directory = path.join(root, folder);
  return existsSync(directory) && (await readdir(directory)).some((name) => name.endsWith('.test.ts'));
}

async function collectSteps(): Promise<Step[]> {
  const steps: Step[] = [
    gate('build', process.execPath, ['scripts/build.mjs']),
    gate('typecheck', path.join(bin, 'tsc'), ['-p', 'tsconfig.json', '--noEmit']),
    gate('lint', path.join(bin, 'eslint'), ['.']),
    gate('format', path.join(bin, 'prettier'), ['--check', '--log-level', 'warn', '.']),
    gate('unused', path.join(bin, 'knip'), []),
    gate('licences', process.execPath, ['--import', 'tsx', 'scripts/check-licences.ts']),
    gate('audit', process.execPath, ['--import', 'tsx', 'scripts/read-audit.ts']),
    vitest('unit', ['--coverage']),
  ];
  if (await hasTests('test/inhost')) steps.push(needsChromium(inHost()));
  if (await hasTests('test/ui')) steps.push(needsChromium(vitest('ui', ['--config', 'vitest.ui.config.ts'])));
  return steps;
}

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const only = values.only?.split(',');
const all = await collectSteps();
const unknown = only?.filter((name) => !all.some((step) => step.name === name)) ?? [];
if (unknown.length > 0) {
  console.error(`No such step: ${unknown.join(', ')}. Steps: ${all.map((step) => step.name).join(', ')}.`);
  process.exit(2);
}
await rm(results, { recursive: true, force: true });
await mkdir(results, { recursive: true });
if (!existsSync(path.join(root, '..', 'shared'))) {
  console.log('The shared test data is absent: the tests that read it are counted as skipped.');
}

const total = { passed: 0, failed: 0, skipped: 0 };
const lines: string[] = [];
for (const step of all.filter(({ name }) => only === undefined || only.includes(name))) {
  const start = performance.now();
  console.log(`\n=== ${step.name}`);
  const outcome = await step.run();
  total.passed += outcome.passed;
  total.failed += outcome.failed;
  total.skipped += outcome.skipped;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  lines.push(
    `${step.name.padEnd(10)} ${String(outcome.passed).padStart(5)} passed ${String(outcome.failed).padStart(3)} failed ${String(outcome.skipped).padStart(3)} skipped ${seconds.padStart(7)} s`,
  );
}
console.log(`\n${lines.join('\n')}\n`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;
