import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importIntoStudy } from '../../src/study/import.js';
import type { JobContext } from '../../src/study/jobs.js';
import { withStudyLock } from '../../src/study/lock.js';
import type { ScoreMatrix } from '../../src/study/records.js';
import { StudyStore } from '../../src/study/store.js';
import { writeTinyStudy } from '../support/tiny-study.js';
import { withoutPrivileges } from '../support/without-privileges.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'deltaloom-import-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const context: JobContext = {
  signal: new AbortController().signal,
  progress: () => undefined,
  log: () => undefined,
  engine: () => Promise.reject(new Error('importing needs no engine')),
};

async function study(name: string): Promise<string> {
  const directory = join(root, name);
  await mkdir(directory);
  await writeTinyStudy(directory);
  return directory;
}

type Row = readonly [target: string, values: Readonly<Record<string, number>>];

/** As the reference writes it. */
async function resultFile(name: string, ...rows: Row[]): Promise<string> {
  const lines = rows.flatMap(([target, values]) => [
    target,
    ...Object.entries(values).map(([source, value]) => `${source},${value}`),
  ]);
  const file = join(root, name);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

function valuesOf(matrix: ScoreMatrix | null): Record<string, (number | null)[]> {
  return Object.fromEntries(
    (matrix?.cells ?? []).map(({ target, source, values }) => [`${target} < ${source}`, values]),
  );
}

describe('results of the reference', () => {
  const byLoss = { deltaName: 'adapter', method: 'loss' } as const;

  it('are put beside the cells that the matrix has, which stay as they are', async () => {
    const directory = await study('beside');
    const store = new StudyStore(directory);
    const first = await resultFile(
      'first.tsv',
      ['copy', { copy: 1, 'last letter': 2 }],
      ['last letter', { copy: 3, 'last letter': 4 }],
    );
    expect(await importIntoStudy(directory, first, byLoss, context)).toMatchObject({
      computed: 4,
      reused: 0,
      summary: '4 scores by loss imported.',
    });
    const before = await store.readMatrix('adapter', 'loss', 'model');

    const second = await resultFile(
      'second.tsv',
      ["it's", { "it's": 5, copy: 6 }],
      ['copy', { "it's": 7, copy: 8 }],
    );
    expect(await importIntoStudy(directory, second, byLoss, context)).toMatchObject({
      computed: 3,
      reused: 1,
      summary: '3 scores by loss imported, 1 here already.',
    });
    const after = await store.readMatrix('adapter', 'loss', 'model');
    expect(after).toMatchObject({
      targets: ['copy', "it's", 'last letter'],
      sources: ['copy', "it's", 'last letter'],
    });
    expect(valuesOf(after)).toEqual({
      'copy < copy': [1],
      "copy < it's": [7],
      'copy < last letter': [2],
      "it's < copy": [6],
      "it's < it's": [5],
      'last letter < copy': [3],
      'last letter < last letter': [4],
    });
    // Every cell still points at its own provenance.
    for (const cell of before?.cells ?? []) {
      const now = after?.cells.find(({ key }) => key === cell.key);
      expect(after?.provenances[now?.provenance ?? -1]).toEqual(before?.provenances[cell.provenance]);
    }
    expect(await importIntoStudy(directory, second, byLoss, context)).toMatchObject({
      computed: 0,
      reused: 4,
    });
    expect(await store.readMatrix('adapter', 'loss', 'model')).toEqual(after);
  });

  it('leave the cells of a task that left the study', async () => {
    const directory = await study('left');
    const store = new StudyStore(directory);
    await importIntoStudy(directory, await resultFile('all.tsv', ["it's", { "it's": 1 }]), byLoss, context);
    await rm(join(directory, 'tasks', "it's"), { recursive: true });
    await importIntoStudy(directory, await resultFile('less.tsv', ['copy', { copy: 2 }]), byLoss, context);
    expect(valuesOf(await store.readMatrix('adapter', 'loss', 'model'))).toEqual({
      'copy < copy': [2],
      "it's < it's": [1],
    });
  });

  it('of other blocks than those of the matrix are refused, and the matrix stays', async () => {
    const directory = await study('blocks');
    const store = new StudyStore(directory);
    const byBlock = { deltaName: 'adapter', method: 'grand' } as const;
    await resultFile('two/encoder_block_0_result.tsv', ['copy', { copy: 1 }]);
    await resultFile('two/decoder_block_0_result.tsv', ['copy', { copy: 2 }]);
    await importIntoStudy(directory, join(root, 'two'), byBlock, context);
    await resultFile('one/encoder_block_0_result.tsv', ["it's", { copy: 3 }]);
    await expect(importIntoStudy(directory, join(root, 'one'), byBlock, context)).rejects.toMatchObject({
      code: 'import-parts',
      place: { file: '.deltaloom/scores/adapter/grand.block.json' },
    });
    expect(valuesOf(await store.readMatrix('adapter', 'grand', 'block'))).toEqual({ 'copy < copy': [1, 2] });
  });
});

it.skipIf(process.platform === 'win32')('a folder that may not be listed is named', async () => {
  const directory = await study('open');
  const from = join(root, 'closed');
  await mkdir(from);
  await chmod(from, 0o000);
  // The study itself must stay writable to whoever imports.
  for (const folder of [root, directory]) await chmod(folder, 0o777);
  await expect(
    withoutPrivileges(() => importIntoStudy(directory, from, { deltaName: 'adapter' }, context)),
  ).rejects.toMatchObject({ code: 'file-unreadable', place: { file: from } });
  await chmod(from, 0o755);
});

describe('while another works on the study', () => {
  const options = { deltaName: 'adapter', method: 'loss' } as const;

  it('importing waits if asked to, and says for whom', async () => {
    const directory = await study('busy');
    const file = await resultFile('busy.tsv', ['copy', { copy: 1 }]);
    const said: string[] = [];
    let done = false;
    const other = withStudyLock(directory, 'tuning', async () => {
      await expect(importIntoStudy(directory, file, options, context)).rejects.toMatchObject({
        code: 'study-locked',
      });
      await sleep(400);
      done = true;
    });
    await sleep(50);
    const waiting = { ...context, log: (line: string) => said.push(line) };
    await importIntoStudy(directory, file, { ...options, waitMs: Infinity }, waiting);
    expect(done).toBe(true);
    expect(said).toEqual([`Waiting for process ${process.pid}, which works on the study (tuning).`]);
    await other;
  });

  it('the waiting can be stopped', async () => {
    const directory = await study('stopped');
    const file = await resultFile('stopped.tsv', ['copy', { copy: 1 }]);
    await withStudyLock(directory, 'tuning', async () => {
      const signal = AbortSignal.timeout(100);
      const importing = importIntoStudy(
        directory,
        file,
        { ...options, waitMs: Infinity },
        { ...context, signal },
      );
      await expect(importing).rejects.toMatchObject({ name: 'TimeoutError' });
    });
  });
});
