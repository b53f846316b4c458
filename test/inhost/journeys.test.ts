import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import { checkpointUri } from '../../src/extension/checkpoint-editor/checkpoint-uri.js';
import { withLocalFile } from '../../src/extension/checkpoint-editor/local-file.js';
import { CHECKPOINT_EDITOR, COMMANDS } from '../../src/extension/identifiers.js';
import type { Services, Study } from '../../src/extension/services.js';
import type { TreeNode } from '../../src/extension/tree/nodes.js';
import type { JobView } from '../../src/runtime/protocol.js';
import { withStudyLock } from '../../src/study/lock.js';
import { readReferenceDeltaCheckpoint } from '../../src/formats/pytorch-checkpoint.js';
import { runRecordPath } from '../../src/study/paths.js';
import { QUICK_SETTINGS, makeLargeRecords, writeStudy } from '../extension/make-study.js';
import { folder, indexOf, installed, studyIn, tune, until, within } from './support.js';

/** What people do after the first look, as far as no dialog is needed. The suite of extension.test.ts has made the study. */

let services: Services;
const random = { role: 'target', deltaName: 'adapter', initialisation: { kind: 'random' } } as const;
const second = within(folder, 'second');

before(async () => {
  services = await installed().activate();
});

function checkpointNode(study: Study, task: string, id: string): TreeNode {
  const checkpoint = indexOf(services, study.directory).checkpointById.get(`${task}/${id}`);
  if (checkpoint === undefined) throw new Error(`There is no checkpoint '${task}/${id}'.`);
  return { kind: 'checkpoint', study, group: null, checkpoint };
}

function taskNode(study: Study, task: string): TreeNode {
  const contents = indexOf(services, study.directory).tasks.get(task);
  if (contents === undefined) throw new Error(`There is no task '${task}'.`);
  return { kind: 'task', study, group: null, contents };
}

function git(...args: string[]): string {
  return execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@example.org', ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
}

function activeFile(): string {
  return vscode.window.activeTextEditor?.document.uri.fsPath ?? '';
}

describe('rows', () => {
  it('become stale when their data change, and fresh again', async () => {
    const file = within(folder, 'tasks', 'phones', 'phones_64_42_train.tsv');
    const before = await readFile(file);
    const source = (): string | undefined =>
      indexOf(services, folder)
        .tasks.get('phones')
        ?.checkpoints.find(({ run }) => run.role === 'source' && run.status === 'done')?.reason ?? undefined;
    assert.equal(source(), undefined);
    await appendFile(file, 'one more\tgood\n');
    const reason = await until(source, 'the stale mark', 30);
    assert.equal(reason, 'Stale: the train data changed. Tune again to bring it up to date.');
    await writeFile(file, before);
    await until(() => (source() === undefined ? true : undefined), 'the end of the stale mark', 30);
  });
});

describe('several studies in one workspace', function () {
  this.timeout(120_000);

  before(async () => {
    await writeStudy(second, { ...makeLargeRecords(2, 2), matrices: [] }, QUICK_SETTINGS);
    await services.studies.refresh();
  });

  it('are all found, the inner one by its own files', () => {
    assert.ok(services.studies.studies.some(({ directory }) => directory === second));
    const data = within(second, 'tasks', 'task_000', 'task_000_16_13_train.tsv');
    assert.equal(services.studies.find(data)?.directory, second);
    assert.equal(services.studies.find(within(folder, 'tasks', 'movies'))?.directory, folder);
    // Both are called the same by their configurations.
    assert.equal(studyIn(services, folder).name, `Two families (${path.basename(folder)})`);
    assert.equal(studyIn(services, second).name, 'Two families (second)');
  });

  it('are those of the workspace: a job of another one brings no rows', async () => {
    const foreign = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-foreign-'));
    await writeStudy(foreign, { ...makeLargeRecords(1, 1), matrices: [] });
    const before = services.studies.studies.length;
    await services.studies.refresh(foreign);
    assert.equal(services.studies.find(foreign), undefined);
    assert.equal(services.studies.studies.length, before);
    await rm(foreign, { recursive: true });
  });

  it('are each worked on by the commands of their own rows', async () => {
    const study = studyIn(services, second);
    await vscode.commands.executeCommand(COMMANDS.openConfiguration, { kind: 'study', study });
    assert.equal(activeFile(), within(second, 'deltaloom.json'));
    await vscode.commands.executeCommand(COMMANDS.openData, taskNode(study, 'task_001'));
    assert.ok(activeFile().startsWith(within(second, 'tasks', 'task_001')));
    const row = checkpointNode(study, 'task_000', 'adapter-16-s1');
    await vscode.commands.executeCommand(COMMANDS.openRecord, row);
    assert.equal(activeFile(), path.join(second, runRecordPath('task_000', 'adapter-16-s1')));
    await vscode.commands.executeCommand(COMMANDS.openConfiguration, {
      kind: 'study',
      study: studyIn(services, folder),
    });
    assert.equal(activeFile(), within(folder, 'deltaloom.json'));
  });

  it('fail by themselves: a study without a backbone says so and keeps the log', async () => {
    const job = await tune(services, second, 'task_000', { ...random, seeds: [77] });
    const end = await services.jobs.finished(job.id);
    assert.equal(end.state, 'failed');
    assert.equal(end.study, second);
    assert.match(end.error?.file ?? '', /second.backbone/);
    await vscode.commands.executeCommand(COMMANDS.showLog, job.id);
    const log = vscode.window.activeTextEditor?.document;
    assert.equal(log?.uri.scheme, 'deltaloom-log');
    assert.match(log.getText(), /Failed: .*second.backbone/);
  });
});

describe('a study that another process works on', () => {
  it('is waited for by jobs, which say so', async () => {
    const job = await withStudyLock(folder, 'run', async () => {
      const submitted = await tune(services, folder, 'hotels', { ...random, seeds: [78] });
      const label = `Waiting for process ${process.pid}, which works on the study (run)`;
      const waits = () => (services.jobs.get(submitted.id)?.progress?.label === label ? true : undefined);
      await until(waits, 'the waiting');
      return submitted;
    });
    const end = await services.jobs.finished(job.id);
    assert.equal(end.state, 'done');
  });
});

describe('the checkpoint editor', () => {
  const tab = (): vscode.TabInputCustom | undefined => {
    const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
    return input instanceof vscode.TabInputCustom ? input : undefined;
  };

  it("opens the reference's .pt by itself, and compares two files", async () => {
    const original = path.join(
      installed().extensionPath,
      'test/fixtures/golden/checkpoints/adapter/reference_pt/hotpot_qa_checkpoint-best.pt',
    );
    const file = within(folder, 'checkpoint-best.pt');
    await copyFile(original, file);
    await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(file));
    const opened = await until(tab, 'the editor of a .pt');
    assert.equal(opened.viewType, CHECKPOINT_EDITOR);
    const summary = await services.jobs.inspect({ file, compareWith: file });
    assert.equal(summary.format, 'pytorch');
    assert.ok(summary.tensors.length > 0);
    assert.ok(summary.tensors.every(({ norm, difference }) => norm !== null && difference === 0));
    assert.ok(summary.layers.length > 1);
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('compares two checkpoints of the tree side by side in a tab of their own', async () => {
    const study = studyIn(services, folder);
    const [one, other] = [...indexOf(services, folder).checkpointById.values()].filter(
      ({ run, state }) => run.role === 'source' && state === 'done',
    );
    if (one === undefined || other === undefined) throw new Error('Two sources are needed.');
    const rows = [one, other].map(({ run }) => checkpointNode(study, run.task, run.id));
    await vscode.commands.executeCommand(COMMANDS.compare, rows[0], rows);
    const opened = await until(tab, 'the comparison');
    const [first, compared] = [one, other].map(({ run }) => path.join(folder, run.checkpoint?.path ?? ''));
    if (first === undefined) throw new Error('unreachable');
    assert.equal(opened.uri.toString(), checkpointUri(first, compared).toString());
    const summary = await services.jobs.inspect({ file: first, compareWith: compared ?? '' });
    assert.ok(summary.tensors.every(({ difference }) => (difference ?? 0) > 0));
    assert.deepEqual(summary.disagreements, []);
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });
});

describe('the commit of a checkpoint', () => {
  it('is shown with its message and changes', async () => {
    git('init', '--quiet', '--initial-branch', 'main');
    git('add', 'deltaloom.json');
    git('commit', '--quiet', '--message', 'The study begins');
    const commit = git('rev-parse', 'HEAD').trim();
    const [known] = [...indexOf(services, folder).checkpointById.values()];
    if (known === undefined) throw new Error('There is no checkpoint.');
    const { run } = known;
    const record = { ...run, provenance: { ...run.provenance, commit } };
    await writeFile(path.join(folder, runRecordPath(run.task, run.id)), JSON.stringify(record));
    await services.studies.refresh(folder);
    const row = checkpointNode(studyIn(services, folder), run.task, run.id);
    await vscode.commands.executeCommand(COMMANDS.showCommit, row);
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.scheme, 'deltaloom-commit');
    assert.match(document.getText(), /The study begins/);
    assert.match(document.getText(), /\+.*"version": 1/);
    // As it comes back with the next window, which knows nothing but its address.
    const restored = await vscode.workspace.openTextDocument(document.uri.with({ path: '/restored.diff' }));
    assert.equal(restored.getText(), document.getText());
  });

  it('is named where the repository does not have it', async () => {
    const query = new URLSearchParams({ directory: folder, commit: '0123456789' }).toString();
    const unknown = vscode.Uri.from({ scheme: 'deltaloom-commit', path: '/0123456.diff', query });
    const document = await vscode.workspace.openTextDocument(unknown);
    assert.match(document.getText(), /The repository has no commit 0123456 \(any more\)\. Fetch it/);
  });
});

describe('a checkpoint that git knows', () => {
  interface Git {
    getAPI(version: 1): {
      openRepository(root: vscode.Uri): Promise<unknown>;
      toGitUri(uri: vscode.Uri, ref: string): vscode.Uri;
    };
  }

  it('is read in the version that a diff shows', async () => {
    const fixtures = path.join(installed().extensionPath, 'test/fixtures/golden/checkpoints/adapter');
    const file = within(folder, 'versioned.pt');
    const original = path.join(fixtures, 'reference_pt/hotpot_qa_checkpoint-best.pt');
    await copyFile(original, file);
    git('add', '--force', 'versioned.pt');
    git('commit', '--quiet', '--message', 'A checkpoint');
    await writeFile(file, 'something else by now');
    const extension = vscode.extensions.getExtension<Git>('vscode.git');
    if (extension === undefined) throw new Error('VS Code has no git.');
    const api = (await extension.activate()).getAPI(1);
    await api.openRepository(vscode.Uri.file(folder));
    const committed = api.toGitUri(vscode.Uri.file(file), 'HEAD');
    let copy = '';
    const [summary, bytes] = await withLocalFile(committed, async (local) => {
      copy = local;
      return [await services.jobs.inspect({ file: local }), await readFile(local)] as const;
    });
    assert.equal(summary.format, 'pytorch');
    assert.deepEqual(bytes, await readFile(original));
    await assert.rejects(readFile(copy), { code: 'ENOENT' });
    git('commit', '--all', '--quiet', '--message', 'No checkpoint any more');
    // Not by the extension's own reader: of errors of another bundle `withLocalFile` knows nothing.
    const broken = withLocalFile(committed, readReferenceDeltaCheckpoint);
    await assert.rejects(broken, { place: { file: committed.path } });
    assert.equal(await withLocalFile(vscode.Uri.file(file), (same) => Promise.resolve(same)), file);
  });
});

describe('settings', function () {
  this.timeout(120_000);

  async function withSettings<T>(
    values: Readonly<Record<string, unknown>>,
    work: () => Promise<T>,
  ): Promise<T> {
    const configuration = vscode.workspace.getConfiguration('deltaloom');
    const target = vscode.ConfigurationTarget.Workspace;
    for (const [name, value] of Object.entries(values)) await configuration.update(name, value, target);
    try {
      return await work();
    } finally {
      for (const name of Object.keys(values)) await configuration.update(name, undefined, target);
    }
  }

  function tuned(seed: number): Promise<JobView> {
    return tune(services, folder, 'agreement', { ...random, seeds: [seed] }).then(({ id }) =>
      services.jobs.finished(id),
    );
  }

  it('device, threads and packed weights go with the next job', async () => {
    const end = await withSettings({ device: 'cpu', threads: 1, packWeights: true }, () => tuned(101));
    assert.equal(end.state, 'done', JSON.stringify(end.error));
    assert.deepEqual(end.compute, { device: 'cpu', threads: 1, packWeights: true });
    assert.equal(services.jobs.device?.id, 'cpu');
  });

  it('a device that is not there is refused by name', async () => {
    const end = await withSettings({ device: 'tfjs-node-gpu' }, () => tuned(102));
    assert.equal(end.state, 'failed');
    assert.match(`${end.error?.message} ${end.error?.remedy}`, /tfjs-node-gpu/);
  });

  it('the memory limit ends a job that outgrows it, at once', async () => {
    const end = await withSettings({ memoryLimit: 20 }, async () => {
      const job = await tune(services, folder, 'phones', { ...random, role: 'source', shots: 16 });
      return services.jobs.finished(job.id);
    });
    assert.equal(end.state, 'failed');
    assert.equal(end.error?.code, 'memory-limit');
  });

  it('the study folder limits what is looked at', async () => {
    await withSettings({ studyFolder: 'second' }, async () => {
      await until(
        () => (services.studies.studies.length === 1 ? true : undefined),
        'the other studies being left out',
      );
      assert.equal(services.studies.studies[0]?.directory, second);
    });
    await until(() => (services.studies.studies.length > 1 ? true : undefined), 'all studies again');
  });

  it('the Node that runs the runtime is the chosen one, and a wrong one is named', async () => {
    const { state } = services.jobs;
    if (state.kind === 'ready') process.kill(state.pid, 'SIGTERM');
    await until(() => (services.jobs.state.kind === 'absent' ? true : undefined), 'the end of the runtime');
    // Only a user's own settings may name a program: a workspace that could would run it.
    const configuration = vscode.workspace.getConfiguration('deltaloom');
    await configuration.update('runtime.node', '/no/such/node', vscode.ConfigurationTarget.Global);
    try {
      const failed = await services.jobs.devices().then(
        () => undefined,
        (error: unknown) => error,
      );
      assert.match(String(failed), /no\/such\/node|ENOENT/);
      assert.equal(services.jobs.state.kind, 'broken');
    } finally {
      await configuration.update('runtime.node', undefined, vscode.ConfigurationTarget.Global);
    }
    assert.ok((await services.jobs.devices()).some(({ id, usable }) => id === 'cpu' && usable));
    assert.equal(services.jobs.state.kind, 'ready');
  });
});
