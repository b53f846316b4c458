import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEnd } from '../../src/extension/jobs/read-end.js';

describe('the end of a log', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-log-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is all of a short one, and begins with a whole line of a long one', async () => {
    const file = path.join(folder, 'job.log');
    await writeFile(file, 'first\nsecond\nthird\n');
    expect(await readEnd(file, 100)).toBe('first\nsecond\nthird\n');
    expect(await readEnd(file, 10)).toBe('third\n');
  });

  it('is nothing while the job has not begun', async () => {
    expect(await readEnd(path.join(folder, 'none.log'), 100)).toBeNull();
    await expect(readEnd(folder, 100)).rejects.toThrow();
  });
});
