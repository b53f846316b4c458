import Mocha from 'mocha';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * What VS Code calls inside the extension host (`extensionTestsPath`): runs every bundled `*.test.cjs` beside this
 * file and writes the outcome to the file named by DELTALOOM_TEST_REPORT, since the console relay mangles mocha's output.
 */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'bdd', timeout: 60_000, reporter: 'min' });
  for (const name of readdirSync(__dirname)) {
    if (name.endsWith('.test.cjs')) mocha.addFile(path.join(__dirname, name));
  }
  const lines: string[] = [];
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => resolve());
    runner.on('pass', (test) => {
      passed++;
      lines.push(`  ok   ${test.fullTitle()} (${test.duration ?? 0} ms)`);
    });
    runner.on('fail', (test, error: unknown) => {
      failed++;
      lines.push(
        `  FAIL ${test.fullTitle()}\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    });
    runner.on('pending', (test) => {
      skipped++;
      lines.push(`  skip ${test.fullTitle()}`);
    });
  });
  const report = process.env['DELTALOOM_TEST_REPORT'];
  if (report !== undefined) writeFileSync(report, JSON.stringify({ passed, failed, skipped, lines }));
  if (failed > 0) throw new Error(`${failed} failed`);
}
