import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockHolder, withStudyLock } from '../../src/study/lock.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'deltaloom-lock-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function writeLock(holder: Record<string, unknown>): Promise<void> {
  await mkdir(join(directory, '.deltaloom'), { recursive: true });
  const lock = { host: hostname(), started: null, since: 'then', purpose: 'tuning', token: 'x', ...holder };
  await writeFile(join(directory, '.deltaloom', 'lock'), JSON.stringify(lock));
}

it('lets one in and refuses the second, saying who holds it', async () => {
  await withStudyLock(directory, 'first', async () => {
    expect((await lockHolder(directory))?.purpose).toBe('first');
    await expect(withStudyLock(directory, 'second', () => Promise.resolve())).rejects.toMatchObject({
      code: 'study-locked',
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
  });
  expect(await readdir(join(directory, '.deltaloom'))).toEqual([]);
});

it('waits when asked to', async () => {
  const order: string[] = [];
  const first = withStudyLock(directory, 'first', async () => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    order.push('first');
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await withStudyLock(directory, 'second', () => Promise.resolve(order.push('second')), { waitMs: 10_000 });
  await first;
  expect(order).toEqual(['first', 'second']);
});

it('takes over the lock of a dead process', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  await writeLock({ pid: child.pid });
  expect(await lockHolder(directory)).toBeNull();
  await expect(withStudyLock(directory, 'next', () => Promise.resolve('in'))).resolves.toBe('in');
});

it.runIf(process.platform === 'linux')('sees through a process id that was used again', async () => {
  await writeLock({ pid: process.pid, started: 'another-boot:1' });
  await expect(withStudyLock(directory, 'next', () => Promise.resolve('in'))).resolves.toBe('in');
});

it('respects a holder on another machine, and a damaged lock stops nobody', async () => {
  await writeLock({ pid: 1, host: 'elsewhere' });
  await expect(withStudyLock(directory, 'next', () => Promise.resolve())).rejects.toMatchObject({
    code: 'study-locked',
  });
  await writeFile(join(directory, '.deltaloom', 'lock'), 'garbage');
  await expect(withStudyLock(directory, 'next', () => Promise.resolve('in'))).resolves.toBe('in');
});

it('is not taken away where whose it is can not be read', async () => {
  await mkdir(join(directory, '.deltaloom', 'lock'), { recursive: true });
  await expect(withStudyLock(directory, 'next', () => Promise.resolve())).rejects.toMatchObject({
    code: 'file-is-folder',
  });
});

it('takes over what a process left that died while it took over', async () => {
  await writeLock({ pid: 2 ** 30 });
  await copyFile(join(directory, '.deltaloom', 'lock'), join(directory, '.deltaloom', 'lock.takeover'));
  await expect(withStudyLock(directory, 'next', () => Promise.resolve('in'))).resolves.toBe('in');
  expect(await readdir(join(directory, '.deltaloom'))).toEqual([]);
});

it('of many that find it stale exactly one works at a time', async () => {
  await writeLock({ pid: 2 ** 30 });
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inside++;
    most = Math.max(most, inside);
    await new Promise((resolve) => setTimeout(resolve, 1));
    inside--;
  };
  // Without waiting, so that locks come and go while others are about to look at them.
  const takeTurns = async (): Promise<void> => {
    for (let turns = 0; turns < 25;) {
      await withStudyLock(directory, 'one of many', work).then(
        () => turns++,
        (error: unknown) => expect(error).toMatchObject({ code: 'study-locked' }),
      );
    }
  };
  await Promise.all(Array.from({ length: 8 }, takeTurns));
  expect(most).toBe(1);
});
