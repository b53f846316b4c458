import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  addressOf,
  advertise,
  advertisementFile,
  findAdvertised,
  isOurAddress,
  newAddress,
} from '../../src/runtime/discovery.js';
import { PROTOCOL_VERSION } from '../../src/runtime/protocol.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'discovery-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const NAME = `deltaloom-${'0a'.repeat(12)}`;

/** A process that has ended: nobody has its number. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

async function advertiseFor(pid: number, address: string): Promise<void> {
  const file = advertisementFile(folder);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify({ protocol: PROTOCOL_VERSION, pid, address }));
}

describe('addresses', () => {
  it('are sockets in a folder of their own, and named pipes on Windows', () => {
    expect(addressOf(NAME, 'linux', '/folder')).toBe(`/folder/${NAME}/s`);
    expect(addressOf(NAME, 'win32', 'C:\\Temp')).toBe(`\\\\.\\pipe\\${NAME}`);
    // The system allows about 100 characters; macOS has long temporary folders.
    expect(addressOf(NAME, 'darwin', '/var/folders/ab/0123456789abcdefghijklmnopqrst/T').length).toBeLessThan(
      104,
    );
  });

  it('are ours only if they look like it', () => {
    expect(isOurAddress(`/folder/${NAME}/s`, 'linux')).toBe(true);
    expect(isOurAddress(`\\\\.\\pipe\\${NAME}`, 'win32')).toBe(true);
    for (const foreign of [
      '/run/docker.sock',
      `/folder/${NAME}`,
      `/folder/${NAME}/s/x`,
      '/home/me/s',
      `/folder/x${NAME}/s`,
    ]) {
      expect(isOurAddress(foreign, 'linux')).toBe(false);
    }
    expect(isOurAddress('\\\\.\\pipe\\docker_engine', 'win32')).toBe(false);
    expect(isOurAddress(`\\\\server\\pipe\\${NAME}`, 'win32')).toBe(false);
  });
});

describe.skipIf(process.platform === 'win32')('what a killed runtime left', () => {
  it('is removed when the next window looks for it', async () => {
    const address = addressOf(NAME, process.platform, folder);
    await mkdir(path.dirname(address));
    await advertiseFor(deadPid(), address);
    expect(await findAdvertised(folder)).toBeUndefined();
    expect(existsSync(advertisementFile(folder))).toBe(false);
    expect(existsSync(path.dirname(address))).toBe(false);
  });

  it('is removed by the next runtime, even if nobody advertised it; a living one and a young one stay', async () => {
    const long = new Date(Date.now() - 3_600_000);
    const folderOf = async (letters: string, old: boolean): Promise<string> => {
      const made = path.join(folder, `deltaloom-${letters.repeat(12)}`);
      await mkdir(made);
      if (old) await utimes(made, long, long);
      return made;
    };
    const dead = await folderOf('d0', true);
    const young = await folderOf('e0', false);
    const living = await folderOf('f0', false);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path.join(living, 's'), resolve));
    await utimes(living, long, long);
    const foreign = path.join(folder, 'deltaloom-settings');
    await mkdir(foreign);
    const address = await newAddress(folder);
    expect(existsSync(path.dirname(address))).toBe(true);
    expect([dead, young, living, foreign].map((each) => existsSync(each))).toEqual([false, true, true, true]);
    await new Promise((resolve) => server.close(resolve));
  });

  it('is not believed when it names an address that no runtime makes', async () => {
    const precious = path.join(folder, 'precious', 's');
    await mkdir(path.dirname(precious));
    await advertiseFor(deadPid(), precious);
    expect(await findAdvertised(folder)).toBeUndefined();
    await advertiseFor(process.pid, '/run/docker.sock');
    expect(await findAdvertised(folder)).toBeUndefined();
    expect(existsSync(path.dirname(precious))).toBe(true);
  });

  it('is found while it lives', async () => {
    const address = addressOf(NAME, process.platform, folder);
    await advertise(folder, address);
    expect(await findAdvertised(folder)).toMatchObject({ pid: process.pid, address });
  });
});
