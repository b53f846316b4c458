import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRunLog, jobLogFile, JobLogs, runLine } from '../../src/runtime/job-log.js';

let study: string;

beforeEach(async () => {
  study = await mkdtemp(path.join(tmpdir(), 'deltaloom-logs-'));
});

afterEach(async () => {
  await rm(study, { recursive: true });
});

describe('the log of a run', () => {
  it('is the latest of the jobs that did it', async () => {
    const logs = new JobLogs((reason) => {
      throw reason;
    });
    logs.append(study, '1-first', runLine('boolq', 'adapter.42'));
    logs.append(study, '2-second', runLine('boolq', 'adapter.42'));
    // Another run whose name only begins like it.
    logs.append(study, '3-third', runLine('boolq', 'adapter.421'));
    await logs.flush();
    expect(await findRunLog(study, 'boolq', 'adapter.42')).toBe(jobLogFile(study, '2-second'));
    expect(await findRunLog(study, 'boolq', 'adapter.4')).toBeNull();
  });

  it('is null where no job has ever logged', async () => {
    expect(await findRunLog(study, 'boolq', 'adapter.42')).toBeNull();
  });
});
