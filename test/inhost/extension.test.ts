import assert from 'node:assert/strict';
import { access, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Services, Study } from '../../src/extension/services.js';
import { COMMANDS, VIEWS } from '../../src/extension/identifiers.js';
import { hasEnded, type JobView } from '../../src/runtime/protocol.js';
import {
  makeLargeRecords,
  makeRecords,
  QUICK_SETTINGS,
  writeStudy,
  writeTinyBackbone,
} from '../extension/make-study.js';
import { folder, installed, studyIn, tune, until } from './support.js';

/** Inside a real extension host, with the real runtime process. The workspace is a copy, filled by the suite. */

const extension = installed();
let services: Services;
let activeByItself = false;

function declaredCommands(): string[] {
  const { contributes } = extension.packageJSON as {
    contributes: { commands: readonly { readonly command: string }[] };
  };
  return contributes.commands.map(({ command }) => command).sort();
}

function study(): Study {
  return studyIn(services, folder);
}

before(async function () {
  this.timeout(120_000);
  await writeTinyBackbone(extension.extensionPath, folder);
  await writeStudy(folder, makeRecords(), QUICK_SETTINGS);
  activeByItself = await until(() => (extension.isActive ? true : undefined), 'the activation');
  services = await extension.activate();
  await until(() => (services.studies.ready ? true : undefined), 'the first reading');
  await services.studies.refresh();
});

describe('the extension', () => {
  it('is active by itself in a workspace that holds a study', () => {
    assert.ok(activeByItself);
  });

  it('registers exactly the declared commands', async () => {
    const known = (await vscode.commands.getCommands(true)).filter((command) =>
      command.startsWith('deltaloom.'),
    );
    // VS Code makes some of its own for each view.
    const ofViews = Object.values(VIEWS).flatMap((view) => known.filter((id) => id.startsWith(`${view}.`)));
    const own = known.filter((command) => !ofViews.includes(command));
    assert.deepEqual(own.sort(), Object.values(COMMANDS).sort());
    assert.deepEqual(declaredCommands(), own);
  });

  it('reads the study with its tasks and records', () => {
    const { snapshot, name } = study();
    assert.equal(name, 'Two families');
    assert.equal(snapshot.tasks.length, 6);
    assert.equal(snapshot.runs.length, makeRecords().runs.length);
    assert.equal(snapshot.merges.length, 5);
  });

  it('reads the study anew when a record appears', async () => {
    const before = study().snapshot.runs.length;
    const [run] = makeRecords().runs;
    assert.ok(run);
    const file = path.join(folder, '.deltaloom', 'runs', run.task, 'another.json');
    await writeFile(file, JSON.stringify({ ...run, id: 'another' }));
    await until(() => (study().snapshot.runs.length === before + 1 ? true : undefined), 'the new record', 20);
  });

  it('shows a wrong setting in the Problems panel, at its line, and clears it when it is mended', async () => {
    const file = path.join(folder, 'deltaloom.json');
    const good = await readFile(file, 'utf8');
    assert.ok(good.includes('"size": 4'));
    await writeFile(file, good.replace('"size": 4', '"size": -4'));
    const uri = vscode.Uri.file(file);
    const found = await until(
      () => vscode.languages.getDiagnostics(uri).find(({ source }) => source === 'deltaloom'),
      'the diagnostic',
    );
    const line = good.split('\n').findIndex((text) => text.includes('"size": 4'));
    assert.equal(found.range.start.line, line);
    assert.equal(found.severity, vscode.DiagnosticSeverity.Error);
    // Mended in any case: the tests that follow use the study.
    await writeFile(file, good);
    await until(
      () =>
        vscode.languages.getDiagnostics(uri).some(({ source }) => source === 'deltaloom') ? undefined : true,
      'the end of the diagnostic',
    );
  });

  it('completes and checks deltaloom.json by its schema', async () => {
    const document = await vscode.workspace.openTextDocument(path.join(folder, 'deltaloom.json'));
    await vscode.window.showTextDocument(document);
    const offset = document.getText().indexOf('"version"');
    const names = await until(async () => {
      const list = await vscode.commands.executeCommand<vscode.CompletionList | undefined>(
        'vscode.executeCompletionItemProvider',
        document.uri,
        document.positionAt(offset),
      );
      const labels = (list?.items ?? []).map(({ label }) =>
        typeof label === 'string' ? label : label.label,
      );
      return labels.some((label) => label.includes('compatibility')) ? labels : undefined;
    }, 'completions from the schema');
    assert.ok(names.some((name) => name.includes('merges')));
  });

  it('shows a checkpoint in its editor', async () => {
    const run = study().snapshot.runs.find(({ checkpoint }) => checkpoint !== null);
    assert.ok(run?.checkpoint);
    await services.openCheckpoint(study(), run.checkpoint.path);
    const tab = await until(() => {
      const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
      return input instanceof vscode.TabInputCustom ? input : undefined;
    }, 'the checkpoint editor');
    assert.equal(tab.viewType, 'deltaloom.checkpoint');
    const summary = await services.jobs.inspect({ file: path.join(folder, run.checkpoint.path) });
    // The backbone's two blocks each: of two sublayers in the encoder, of three in the decoder; two tensors a sublayer.
    assert.equal(summary.layers.length, 10);
    assert.equal(summary.tensors.length, 20);
    assert.equal(summary.settings?.type, 'adapter');
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });
});

describe('jobs', function () {
  this.timeout(180_000);

  const choice = { role: 'target', deltaName: 'adapter', initialisation: { kind: 'random' } } as const;
  // With other shots than those on record, whose work would not be done again.
  const long = { ...choice, role: 'source', shots: 16 } as const;

  async function running(id: string): Promise<JobView> {
    return until(
      () => {
        const view = services.jobs.get(id);
        if (view !== undefined && hasEnded(view.state))
          throw new Error(`It ended: ${JSON.stringify(view.error)}`);
        return (view?.progress?.step ?? 0) > 0 ? view : undefined;
      },
      'the first step',
      150,
    );
  }

  it('tunes a task in the runtime process while the extension host stays free', async () => {
    let longest = 0;
    let last = performance.now();
    const pulse = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }, 10);
    const job = await tune(services, folder, 'negation', choice);
    const end = await services.jobs.finished(job.id);
    clearInterval(pulse);
    assert.equal(end.state, 'done', JSON.stringify(end.error));
    await until(
      () => study().snapshot.runs.find(({ task, results }) => task === 'negation' && results.steps === 60),
      'the record',
    );
    await access(end.logFile);
    console.log(`longest pause of the extension host: ${longest.toFixed(0)} ms`);
  });

  it('cancels a running tuning', async () => {
    const job = await tune(services, folder, 'hotels', long);
    await running(job.id);
    const ended = services.jobs.finished(job.id);
    await vscode.commands.executeCommand(COMMANDS.cancelJob, job.id);
    assert.equal((await ended).state, 'cancelled');
  });

  it('starts the runtime again when it is killed, and the job resumes', async () => {
    const job = await tune(services, folder, 'phones', long);
    await running(job.id);
    const { state } = services.jobs;
    if (state.kind !== 'ready') throw new Error(`The runtime is ${state.kind}.`);
    process.kill(state.pid, 'SIGKILL');
    await until(() => (services.jobs.state.kind === 'restarting' ? true : undefined), 'the restart', 20);
    const again = await until(() => {
      const view = services.jobs.get(job.id);
      return view?.attempts === 2 && view.state === 'running' ? view : undefined;
    }, 'the second attempt');
    assert.equal(again.error, null);
    await vscode.commands.executeCommand(COMMANDS.cancelAll);
    assert.equal((await services.jobs.finished(job.id)).state, 'cancelled');
  });

  it('have a log to be looked at before they begin', async () => {
    const first = await tune(services, folder, 'phones', long);
    await running(first.id);
    const waiting = await tune(services, folder, 'hotels', { ...long, seeds: [8] });
    await vscode.commands.executeCommand(COMMANDS.showLog, waiting.id);
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.scheme, 'deltaloom-log');
    assert.match(document.getText(), /has not begun/);
    await vscode.commands.executeCommand(COMMANDS.cancelAll);
    for (const { id } of [waiting, first])
      assert.equal((await services.jobs.finished(id)).state, 'cancelled');
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });
});

describe('a large study', function () {
  this.timeout(120_000);

  it('is read without holding the extension host', async () => {
    const large = path.join(folder, 'large');
    await writeStudy(large, { ...makeLargeRecords(40, 50), matrices: [] });
    await services.studies.refresh();
    const appeared = services.studies.find(large);
    assert.ok(appeared);
    assert.equal(appeared.snapshot.tasks.length, 40);
    assert.equal(services.studies.studies.length, 2);
  });
});
