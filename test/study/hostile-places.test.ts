import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { executeJob } from '../../src/study/execute.js';
import { importIntoStudy } from '../../src/study/import.js';
import { initialiseStudy } from '../../src/study/initialise.js';
import type { JobContext, JobRequest } from '../../src/study/jobs.js';
import { preflight } from '../../src/study/preflight.js';
import { readSnapshot } from '../../src/study/snapshot.js';
import { TINY_TUNING, copyInputs, writeTinyStudy } from '../support/tiny-study.js';

/** Full disks, folders without permission, tasks without relatives: a clear error or a defined result each. */

let root: string;
let inputs: string;
let engine: Engine;
let context: JobContext;
const isRoot = process.getuid?.() === 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'deltaloom-hostile-'));
  inputs = join(root, 'inputs');
  await writeTinyStudy(inputs);
  engine = await openEngine({ device: 'cpu', threads: 1 });
  context = {
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    engine: () => Promise.resolve(engine),
  };
});
afterAll(async () => {
  await engine.dispose();
  await rm(root, { recursive: true, force: true });
});

const tune: JobRequest = {
  kind: 'tune',
  tasks: ['copy', 'last letter', "it's"],
  deltaName: 'adapter',
  role: 'source',
  initialisation: { kind: 'random' },
};

describe.runIf(isRoot && process.platform === 'linux')('a full disk (needs root, for a tmpfs)', () => {
  it('is named, and the same command continues once there is room', async () => {
    const disk = join(root, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk]);
    } catch {
      console.warn('skipped: mounting a tmpfs is not allowed here');
      return;
    }
    try {
      const study = join(disk, 'study');
      await mkdir(study);
      await copyInputs(inputs, study);
      // Leaves a few KB: some records fit, the rest does not.
      const { bavail, bsize } = await statfs(disk);
      await writeFile(join(disk, 'ballast'), Buffer.alloc(bavail * bsize - 12 * 1024));
      await expect(executeJob(study, tune, context)).rejects.toMatchObject({ code: 'disk-full' });
      await rm(join(disk, 'ballast'));
      await executeJob(study, tune, context);
      const { runs, problems } = await readSnapshot(study);
      expect(problems).toEqual([]);
      expect(runs.map(({ status }) => status)).toEqual(['done', 'done', 'done']);
    } finally {
      // Lazily: the engine still maps the backbone's weights.
      execFileSync('umount', ['--lazy', disk]);
    }
  });
});

it.skipIf(isRoot)('a folder that may not be written is named, and nothing is begun', async () => {
  const study = join(root, 'read-only');
  await mkdir(study);
  await copyInputs(inputs, study);
  await chmod(study, 0o555);
  await expect(executeJob(study, tune, context)).rejects.toMatchObject({ code: 'folder-not-writable' });
  expect((await preflight(study)).map(({ code }) => code)).toContain('folder-not-writable');
  await chmod(study, 0o755);
});

describe.runIf(isRoot && process.platform === 'linux')('a read-only file system (needs root)', () => {
  it('is named, and nothing is begun', async () => {
    const mounted = join(root, 'mounted');
    await mkdir(mounted);
    try {
      execFileSync('mount', ['--bind', inputs, mounted]);
      execFileSync('mount', ['-o', 'remount,ro,bind', mounted]);
    } catch {
      console.warn('skipped: mounting is not allowed here');
      return;
    }
    try {
      await expect(executeJob(mounted, tune, context)).rejects.toMatchObject({ code: 'folder-not-writable' });
      expect((await preflight(mounted)).map(({ code }) => code)).toContain('folder-not-writable');
    } finally {
      execFileSync('umount', ['--lazy', mounted]);
    }
  });
});

it('a target without another source is refused by name', async () => {
  const study = join(root, 'alone');
  await mkdir(study);
  await writeTinyStudy(study, { tasks: ['only one'] });
  expect((await preflight(study)).map(({ code }) => code)).toContain('no-other-source');
  await executeJob(study, { ...tune, tasks: ['only one'] }, context);
  const merge: JobRequest = {
    kind: 'merge',
    target: 'only one',
    deltaName: 'adapter',
    by: { kind: 'average' },
  };
  await expect(executeJob(study, merge, context)).rejects.toMatchObject({ code: 'no-other-source' });
});

it('an unknown metric, method of delta or task is named at its line', async () => {
  const study = join(root, 'unknown');
  await mkdir(study);
  await writeTinyStudy(study, { configuration: { metrics: { copy: 'BLEU' } } });
  expect(await preflight(study)).toMatchObject([
    { severity: 'error', code: 'study-property-invalid', path: ['metrics', 'copy'] },
  ]);
  await writeTinyStudy(study);
  await expect(executeJob(study, { ...tune, deltaName: 'lora' }, context)).rejects.toMatchObject({
    code: 'delta-unknown',
  });
  await expect(executeJob(study, { ...tune, tasks: ['cpy'] }, context)).rejects.toMatchObject({
    code: 'task-unknown',
    remedy: "Did you mean 'copy'?",
  });
});

it('a long task file and one of invalid UTF-8 are read or refused with the line', async () => {
  const study = join(root, 'long');
  await mkdir(study);
  await writeTinyStudy(study, {
    tasks: ['copy'],
    configuration: { sources: { tuning: { ...TINY_TUNING, steps: 1, validateEvery: 1 } } },
  });
  const file = join(study, 'tasks', 'copy', 'copy_16_42_train.tsv');
  await writeFile(file, 'abcd\ta\n'.repeat(100_000));
  const outcome = await executeJob(study, { ...tune, tasks: ['copy'] }, context);
  expect(outcome.computed).toBe(1);
  await writeFile(file, Buffer.concat([Buffer.from('abcd\ta\n'), Buffer.from([0xff, 0x09, 0x61, 0x0a])]));
  await expect(executeJob(study, { ...tune, tasks: ['copy'] }, context)).rejects.toMatchObject({
    code: 'text-not-utf8',
    place: { line: 2 },
  });
});

describe('import and init', () => {
  it('bring in checkpoints by task, once, and use them as sources', async () => {
    const [from, into] = [join(root, 'from'), join(root, 'into')];
    await mkdir(into);
    await writeTinyStudy(from);
    await executeJob(from, tune, context);
    await copyInputs(from, into);
    const left = join(root, 'left');
    for (const run of (await readSnapshot(from)).runs) {
      await mkdir(join(left, run.task), { recursive: true });
      const bytes = await readFile(join(from, run.checkpoint?.path ?? ''));
      await writeFile(join(left, run.task, 'checkpoint-best.safetensors'), bytes);
    }
    const options = { deltaName: 'adapter' };
    expect((await importIntoStudy(into, left, options, context)).computed).toBe(3);
    expect((await importIntoStudy(into, left, options, context)).reused).toBe(3);
    const score: JobRequest = {
      kind: 'score',
      deltaName: 'adapter',
      methods: ['loss'],
      granularities: ['model'],
    };
    expect((await executeJob(into, score, context)).computed).toBe(9);
    await expect(importIntoStudy(into, join(root, 'nowhere'), options, context)).rejects.toMatchObject({
      code: 'import-missing',
    });
  });

  it('read a result.tsv of the reference', async () => {
    const file = join(root, 'result.tsv');
    const study = join(root, 'results');
    await mkdir(study);
    await copyInputs(inputs, study);
    const names = ['copy', 'last letter', "it's"];
    const lines = names.flatMap((target, i) => [
      target,
      ...names.map((source, j) => `${source},${i + j / 10}`),
    ]);
    await writeFile(file, `${lines.join('\n')}\n`);
    await expect(importIntoStudy(study, file, { deltaName: 'adapter' }, context)).rejects.toMatchObject({
      code: 'import-without-method',
    });
    await importIntoStudy(study, file, { deltaName: 'adapter', method: 'loss' }, context);
    const [matrix] = (await readSnapshot(study)).matrices;
    expect(matrix?.targets).toEqual(['copy', "it's", 'last letter']);
    expect(
      matrix?.cells.find(({ target, source }) => target === 'last letter' && source === "it's")?.values,
    ).toEqual([1.2]);
  });

  it('write a study that is in order, and never over another', async () => {
    const study = join(root, 'new');
    await mkdir(study);
    await copyInputs(inputs, study);
    await rm(join(study, 'deltaloom.json'));
    const made = await initialiseStudy(study, { deltas: ['adapter', 'lora'] });
    expect(made).toMatchObject({ backbone: 'backbone', tasksFolder: 'tasks', tasks: 3 });
    expect(await preflight(study)).toEqual([]);
    await expect(initialiseStudy(study, { deltas: ['adapter'] })).rejects.toMatchObject({
      code: 'study-exists',
    });
  });
});
