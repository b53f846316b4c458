import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Arrival } from '../../src/extension/studies/arrival.js';

describe('a folder that the next window opens', () => {
  let storage: string;

  beforeEach(async () => {
    storage = await mkdtemp(path.join(tmpdir(), 'deltaloom-arrival-'));
  });

  afterEach(() => rm(storage, { recursive: true, force: true }));

  it('is met there, once', async () => {
    await new Arrival(path.join(storage, 'new')).announce('/studies/sample');
    const next = new Arrival(path.join(storage, 'new'));
    expect(await next.claim(['/studies'])).toBe(false);
    expect(await next.claim([])).toBe(false);
    expect(await next.claim(['/other', '/studies/sample'])).toBe(true);
    expect(await next.claim(['/studies/sample'])).toBe(false);
  });

  it('is none where nothing was announced, or half of it was written', async () => {
    const arrival = new Arrival(storage);
    expect(await arrival.claim(['/studies/sample'])).toBe(false);
    await writeFile(path.join(storage, 'arrival.json'), '{"folder": "/stu');
    expect(await arrival.claim(['/studies/sample'])).toBe(false);
    await arrival.announce('/studies/sample');
    expect(await arrival.claim(['/studies/sample'])).toBe(true);
  });
});
