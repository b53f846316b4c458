import { chmod, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256File } from '../../src/formats/atomic-file.js';
import { ContentHashes } from '../../src/study/content-hashes.js';
import { withoutPrivileges } from '../support/without-privileges.js';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deltaloom-hashes-'));
  file = join(folder, 'weights.bin');
  await writeFile(file, 'good weights');
});
afterEach(() => rm(folder, { recursive: true }));

/** As if the file had been hashed when it had long been as it is. */
async function remember(time: Date): Promise<void> {
  await utimes(file, time, time);
  // The time of the inode can't be set: the clock is waited for instead.
  await new Promise((resolve) => setTimeout(resolve, 2100));
  const hashes = new ContentHashes(folder);
  await hashes.of(file);
  await hashes.save();
}

it('remembers a file that has settled, across sessions, and notices other bytes of the same size and time', async () => {
  const time = new Date('2026-01-01T00:00:00Z');
  await remember(time);
  const kept = await readFile(join(folder, '.deltaloom', 'cache', 'hashes.json'), 'utf8');
  expect(kept).toContain(await sha256File(file));
  // What is remembered is believed: a lie in the cache comes back.
  const lie = kept.replace(/[0-9a-f]{64}/, 'f'.repeat(64));
  await writeFile(join(folder, '.deltaloom', 'cache', 'hashes.json'), lie);
  expect(await new ContentHashes(folder).of(file)).toBe('f'.repeat(64));

  await writeFile(file, 'evil garbage');
  await utimes(file, time, time);
  expect(await new ContentHashes(folder).of(file)).toBe(await sha256File(file));
});

it('remembers nothing of a file that was written just now', async () => {
  const hashes = new ContentHashes(folder);
  await hashes.of(file);
  await hashes.save();
  await expect(readFile(join(folder, '.deltaloom', 'cache', 'hashes.json'))).rejects.toThrow();
});

describe.skipIf(process.platform === 'win32')('a file that may not be read', () => {
  const unreadable = { code: 'file-unreadable', remedy: 'Change its permissions.' };

  it('is named, with what to do', async () => {
    await chmod(folder, 0o755);
    await chmod(file, 0o000);
    const hash = withoutPrivileges(() => new ContentHashes(folder).of(file));
    await expect(hash).rejects.toMatchObject({ ...unreadable, place: { file } });
  });

  it('is named where its folder is closed too', async () => {
    await chmod(folder, 0o000);
    const hash = withoutPrivileges(() => new ContentHashes(folder).of(file));
    await expect(hash).rejects.toMatchObject({ ...unreadable, place: { file } });
    await chmod(folder, 0o755);
  });
});

it('a folder is no file to hash', async () => {
  await expect(new ContentHashes(folder).of(folder)).rejects.toMatchObject({ code: 'file-is-folder' });
});
