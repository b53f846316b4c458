import { readFile, writeFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import type { Services } from '../../src/extension/services.js';
import { EXTENSION_ID, VIEWS } from '../../src/extension/identifiers.js';

/**
 * Runs inside the extension host of a real VS Code (`bench/extension.ts` starts it) in a workspace without a study, so that
 * the activation is this program's own call. What is measured is the host's event loop: how long it could not answer.
 */

interface Phase {
  readonly name: string;
  /** Milliseconds from the call to what people wait for; null where nobody waits. */
  readonly took: number | null;
  /** Longest time for which the event loop did not turn, in milliseconds. */
  readonly blocked: number;
}

const phases: Phase[] = [];
const loop = monitorEventLoopDelay({ resolution: 1 });

async function measure(name: string, work: () => PromiseLike<unknown>, settle = 1500): Promise<void> {
  await delay(300);
  loop.reset();
  loop.enable();
  // The histogram counts from its second tick on.
  await delay(50);
  const start = performance.now();
  await work();
  const took = performance.now() - start;
  // What the work sets off (the tree asks for its rows) belongs to it.
  await delay(settle);
  loop.disable();
  phases.push({ name, took: settle === 0 ? null : took, blocked: loop.max / 1e6 });
}

export async function run(): Promise<void> {
  const report = process.env['DELTALOOM_TEST_REPORT'] ?? '';
  try {
    await measureAll();
    const lines = phases.map((phase) => JSON.stringify(phase));
    writeFileSync(report, JSON.stringify({ passed: phases.length, failed: 0, skipped: 0, lines }));
  } catch (error) {
    const line = error instanceof Error ? (error.stack ?? error.message) : String(error);
    writeFileSync(report, JSON.stringify({ passed: 0, failed: 1, skipped: 0, lines: [line] }));
  }
}

async function measureAll(): Promise<void> {
  const studyFolder = process.env['DELTALOOM_BENCH_STUDY'] ?? '';
  const extension = vscode.extensions.getExtension<Services>(EXTENSION_ID);
  if (extension === undefined) throw new Error('The extension is not installed.');
  // VS Code itself is busy after its start.
  await delay(5000);
  await measure('idle, for comparison', () => delay(3000), 0);
  let services: Services | undefined;
  await measure('activation: load the code and call activate', async () => {
    services = await extension.activate();
  });
  if (services === undefined) throw new Error('The extension gave no services.');
  const { studies } = services;
  const changed = (): Promise<void> =>
    new Promise((resolve) => {
      const listening = studies.onDidChange(() => {
        listening.dispose();
        resolve();
      });
    });
  await vscode.commands.executeCommand(`${VIEWS.studies}.focus`);
  await delay(1000);
  await measure(
    'first reading of the study and its first tree',
    async () => {
      const reading = changed();
      await vscode.workspace
        .getConfiguration('deltaloom')
        .update('studyFolder', studyFolder, vscode.ConfigurationTarget.Workspace);
      await reading;
    },
    4000,
  );
  await measure(
    'opening every task of the tree, one after another',
    async () => {
      await vscode.commands.executeCommand(`${VIEWS.studies}.focus`);
      await vscode.commands.executeCommand('list.focusLast');
      // From the end, so that what was opened does not get in the way.
      const rows = studies.studies.reduce((sum, { snapshot }) => sum + snapshot.tasks.length, 0) + 10;
      for (let row = 0; row < rows; row++) {
        await vscode.commands.executeCommand('list.expand');
        await vscode.commands.executeCommand('list.focusUp');
      }
    },
    4000,
  );
  const study = studies.studies[0];
  const run = study?.snapshot.runs.find(({ kind }) => kind === 'tune');
  if (study === undefined || run === undefined) throw new Error('The study was not found.');
  const folder = path.join(study.directory, '.deltaloom', 'runs', run.task);
  const file = path.join(folder, `${run.id}.json`);
  for (const name of ['first', 'second', 'third']) {
    await measure(
      `one record changes (${name} time)`,
      async () => {
        const reading = changed();
        const text = await readFile(file, 'utf8');
        await writeFile(file, text.replace(/"seconds": [\d.]+/, `"seconds": ${name.length}`));
        await reading;
      },
      3000,
    );
  }
  await measure('filtering', () => vscode.commands.executeCommand('deltaloom.filter', 'source'), 2000);
  await measure('clearing the filter', () => vscode.commands.executeCommand('deltaloom.clearFilter'), 2000);
}
