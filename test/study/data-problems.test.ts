import { describe, expect, it } from 'vitest';
import { studySchema } from '../../src/study/configuration.js';
import { dataProblems } from '../../src/study/data-problems.js';
import type { TaskEntry } from '../../src/study/snapshot.js';

function task(name: string, ...samplings: (readonly [shots: number | 'full', seed: number])[]): TaskEntry {
  return {
    name,
    groups: [],
    metric: 'ACC',
    data: samplings.map(([shots, seed]) => ({
      shots,
      seed,
      files: Object.fromEntries(
        ['train', 'dev', 'test'].map((split) => [
          split,
          `tasks/${name}/${name}_${shots}_${seed}_${split}.tsv`,
        ]),
      ),
    })),
  };
}

function found(tasks: readonly TaskEntry[], targets: object): unknown[] {
  const configuration = studySchema.parse({ version: 1, backbone: 'b', tasks: 't', targets });
  const problems: unknown[] = [];
  dataProblems(configuration, tasks, (severity, code, path, message, remedy) => {
    problems.push({ severity, code, path, message, remedy });
  });
  return problems;
}

describe('seeds of the targets that share their data', () => {
  const remedy = "Name in 'targets.seeds' those that have files of their own, or add the files.";

  it('are named, once for all tasks in which they do', () => {
    const tasks = ['a', 'b', 'c'].map((name) => task(name, [16, 13], [16, 21], ['full', 7]));
    expect(found(tasks, { seeds: [7, 13, 21] })).toEqual([
      {
        severity: 'warning',
        code: 'seeds-share-data',
        path: ['targets', 'seeds'],
        message:
          "The seeds 7 and 13 train on the same files of 3 tasks, 'a' among them: their results differ by the course of training alone, and are averaged as separate samples.",
        remedy,
      },
    ]);
  });

  it('are told apart by the tasks in which they share', () => {
    const tasks = [task('a', [16, 13], [16, 21]), task('b', [32, 42])];
    expect(found(tasks, { seeds: [13, 21, 42] })).toMatchObject([
      {
        message: expect.stringContaining(
          "The seeds 13 and 42 train on the same files of the task 'a':",
        ) as string,
      },
      {
        message: expect.stringContaining(
          "The seeds 13, 21 and 42 train on the same files of the task 'b':",
        ) as string,
      },
    ]);
  });

  it('are none where every seed has a file of its own', () => {
    expect(found([task('a', [16, 13], [16, 21], ['full', 7])], { seeds: [13, 21] })).toEqual([]);
    // The same seed twice is the same run.
    expect(found([task('a', [16, 13], ['full', 7])], { seeds: [13, 13] })).toEqual([]);
  });
});
