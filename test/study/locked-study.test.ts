import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobContext, JobProgress } from '../../src/study/jobs.js';
import { withStudyLock } from '../../src/study/lock.js';
import { withLockedStudy } from '../../src/study/locked-study.js';
import { writeTinyStudy } from '../support/tiny-study.js';

describe('a study that another process works on', () => {
  let study: string;
  beforeEach(async () => {
    study = await mkdtemp(join(tmpdir(), 'deltaloom-locked-'));
    await writeTinyStudy(study);
  });
  afterEach(() => rm(study, { recursive: true, force: true }));

  function job(told: JobProgress[], signal = new AbortController().signal): JobContext {
    return {
      signal,
      progress: (progress) => told.push(progress),
      log: () => undefined,
      engine: () => Promise.reject(new Error('nothing is computed here')),
    };
  }
  const waiting = { purpose: 'tune', waitMs: Number.POSITIVE_INFINITY };
  const label = `Waiting for process ${process.pid}, which works on the study (run)`;

  it('is waited for, says so, and is then found as that one left it', async () => {
    const told: JobProgress[] = [];
    let found: Promise<string[]> | undefined;
    await withStudyLock(study, 'run', async () => {
      found = withLockedStudy(study, job(told), waiting, ({ configuration }) =>
        Promise.resolve(Object.keys(configuration.deltas)),
      );
      await expect.poll(() => told).toEqual([{ label, done: 0, total: 0, unit: 'steps' }]);
      const file = join(study, 'deltaloom.json');
      const configuration = JSON.parse(await readFile(file, 'utf8')) as object;
      const deltas = { later: { type: 'lora', rank: 2 } };
      await writeFile(file, JSON.stringify({ ...configuration, deltas }));
    });
    expect(await found).toEqual(['later']);
  });

  it('is not waited for any longer by a job that is cancelled', async () => {
    const told: JobProgress[] = [];
    const stop = new AbortController();
    await withStudyLock(study, 'run', async () => {
      const reason = new Error('stopped');
      const cancelled = withLockedStudy(study, job(told, stop.signal), waiting, () => Promise.resolve());
      await expect.poll(() => told.length).toBe(1);
      stop.abort(reason);
      await expect(cancelled).rejects.toBe(reason);
    });
  });

  it('is not told of where it is free', async () => {
    const told: JobProgress[] = [];
    await withLockedStudy(study, job(told), waiting, () => sleep(1));
    expect(told).toEqual([]);
  });
});
