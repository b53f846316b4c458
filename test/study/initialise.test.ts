import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initialiseStudy } from '../../src/study/initialise.js';
import { preflight } from '../../src/study/preflight.js';
import { writeTinyStudy } from '../support/tiny-study.js';

let study: string;
beforeEach(async () => {
  study = await mkdtemp(join(tmpdir(), 'deltaloom-initialise-'));
  await writeTinyStudy(study, { tasks: [] });
  await rm(join(study, 'deltaloom.json'));
});
afterEach(() => rm(study, { recursive: true }));

async function addTask(name: string, ...samplings: string[]): Promise<void> {
  const folder = join(study, 'tasks', name);
  await mkdir(folder, { recursive: true });
  for (const sampling of samplings) {
    for (const split of ['train', 'dev', 'test']) {
      await writeFile(join(folder, `${name}_${sampling}_${split}.tsv`), 'abc\ta\n');
    }
  }
}

async function targetsWritten(): Promise<unknown> {
  await initialiseStudy(study, { deltas: ['adapter'] });
  return (JSON.parse(await readFile(join(study, 'deltaloom.json'), 'utf8')) as { targets: unknown }).targets;
}

describe('the targets of a new study', () => {
  it('have the seeds of the files that serve their shots, and of no others', async () => {
    for (const name of ['first', 'second']) await addTask(name, '16_13', '16_21', '64_3', 'full_7');
    expect(await targetsWritten()).toEqual({ shots: 16, seeds: [13, 21] });
    expect(await preflight(study)).toEqual([]);
  });

  it('have those of the full files where there is nothing else', async () => {
    for (const name of ['first', 'second']) await addTask(name, 'full_7');
    expect(await targetsWritten()).toEqual({ shots: 'full', seeds: [7] });
    expect(await preflight(study)).toEqual([]);
  });
});
