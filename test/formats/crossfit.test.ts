import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { listCrossFitTasks, parseCrossFit, readCrossFitFile } from '../../src/formats/crossfit.js';
import { isAbsent, refusal, shared, temporaryFolder } from './shared-data.js';

const path = temporaryFolder();

async function readBytes(name: string, content: string | Buffer) {
  const file = path(name);
  await writeFile(file, content);
  return readCrossFitFile(file);
}

describe('readCrossFitFile', () => {
  it('reads inputs and answers, stripping lines as Python does', async () => {
    const { examples, warnings } = await readBytes(
      'plain.tsv',
      ' a question \tone\ttwo\u0085\n\u001cfeff \ufeff\t\tlast\n',
    );
    expect(examples).toEqual([
      { input: 'a question ', answers: ['one', 'two'] },
      { input: 'feff \ufeff', answers: ['', 'last'] },
    ]);
    expect(warnings).toEqual([]);
  });

  it('reads one example without a line end', async () => {
    expect((await readBytes('one.tsv', 'q\ta')).examples).toEqual([{ input: 'q', answers: ['a'] }]);
  });

  it('reads Windows line ends and a byte order mark, with a warning for the mark', async () => {
    const { examples, warnings } = await readBytes('windows.tsv', '\ufeffq\ta\r\nr\tb\r\n');
    expect(examples).toEqual([
      { input: 'q', answers: ['a'] },
      { input: 'r', answers: ['b'] },
    ]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('byte order mark');
  });

  it('skips empty lines and names them', async () => {
    const { examples, warnings } = await readBytes('gaps.tsv', '\nq\ta\n  \t \nr\tb\n\n');
    expect(examples).toHaveLength(2);
    expect(warnings[0]).toContain('3 empty lines were skipped (1, 3, 5)');
  });

  it.each([
    ['a line without a tab', 'q\ta\nno tab here\n', 'task-line-without-answer', 2],
    ['a line with an empty answer only', 'q\ta\nr\tb\nq\t\n', 'task-line-without-answer', 3],
    ['a line with an empty input', '\ta\n', 'task-line-without-answer', 1],
    ['invalid UTF-8', Buffer.from([0x71, 9, 0x61, 10, 0x71, 9, 0xc3, 0x28, 10]), 'text-not-utf8', 2],
    ['an empty file', '', 'task-file-empty', undefined],
    ['blank lines only', '\n\n', 'task-file-empty', undefined],
    ['UTF-16', Buffer.from('\ufeffq\ta\n', 'utf16le'), 'text-not-utf8', undefined],
  ])('refuses %s with file and line', async (name, content, code, line) => {
    const error = await refusal(readBytes(`${name}.tsv`, content));
    expect(error.code).toBe(code);
    expect(error.place).toEqual({
      file: path(`${name}.tsv`),
      ...(line === undefined ? {} : { line }),
    });
    expect(error.remedy).toBeTruthy();
  });

  it('says that a file is missing', async () => {
    expect((await refusal(readCrossFitFile(path('absent.tsv')))).code).toBe('file-missing');
  });

  it('reads 100,000 lines', () => {
    const text = Array.from({ length: 100_000 }, (_, i) => `question number ${i} of many\tanswer ${i}`).join(
      '\n',
    );
    expect(parseCrossFit(text, 'many.tsv').examples).toHaveLength(100_000);
  });
});

describe('listCrossFitTasks', () => {
  it('finds samplings and splits, whatever characters a name holds', async () => {
    const names = [`it's "quoted" & spaced`, 'a_1_2', 'ünïcode-任务', 'no task'];
    for (const name of names) await mkdir(path('tasks', name), { recursive: true });
    const touch = (name: string, file: string) => writeFile(path('tasks', name, file), 'q\ta\n');
    await touch(names[0] ?? '', `${names[0]}_16_13_train.tsv`);
    await touch('a_1_2', 'a_1_2_64_7_train.tsv');
    await touch('a_1_2', 'a_1_2_16_100_test.tsv');
    await touch('a_1_2', 'a_1_2_16_21_dev.tsv');
    await touch('a_1_2', 'a_1_2_full_7_train.tsv');
    await touch('a_1_2', 'other_16_21_dev.tsv');
    await touch('ünïcode-任务', 'ünïcode-任务_16_21_dev.tsv');
    await touch('no task', 'notes.tsv');
    await writeFile(path('tasks', 'README.md'), '');
    const tasks = await listCrossFitTasks(path('tasks'));
    expect(tasks.map(({ name }) => name)).toEqual(['a_1_2', `it's "quoted" & spaced`, 'ünïcode-任务']);
    expect(tasks[0]?.samplings).toEqual([
      { shots: 16, seed: 21, files: { dev: path('tasks', 'a_1_2', 'a_1_2_16_21_dev.tsv') } },
      { shots: 16, seed: 100, files: { test: path('tasks', 'a_1_2', 'a_1_2_16_100_test.tsv') } },
      { shots: 64, seed: 7, files: { train: path('tasks', 'a_1_2', 'a_1_2_64_7_train.tsv') } },
      { shots: 'full', seed: 7, files: { train: path('tasks', 'a_1_2', 'a_1_2_full_7_train.tsv') } },
    ]);
  });

  it('says that the folder is missing', async () => {
    expect((await refusal(listCrossFitTasks(path('absent')))).code).toBe('folder-missing');
  });

  it.skipIf(isAbsent('tasks'))('reads every file of the real tasks', async () => {
    const tasks = await listCrossFitTasks(shared('tasks'));
    expect(tasks).toHaveLength(17);
    for (const { samplings } of tasks) {
      expect(samplings.map(({ shots }) => shots)).toContain(64);
      for (const { files } of samplings) {
        for (const file of Object.values(files)) {
          expect((await readCrossFitFile(file)).examples.length).toBeGreaterThan(0);
        }
      }
    }
  });
});
