import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { PROTOCOL_VERSION } from './protocol.js';

/**
 * How the next window finds a runtime that outlived the last one: a small file in the study's cache names its process
 * and its socket. The socket itself lies in the user's temporary folder, since socket paths may be only about 100
 * characters long.
 */
const advertisementSchema = z.object({
  protocol: z.number(),
  pid: z.int().positive(),
  /** Path of a socket, or of a named pipe on Windows. */
  address: z.string().min(1),
});
export type Advertisement = z.infer<typeof advertisementSchema>;

export function advertisementFile(study: string): string {
  return path.join(study, '.deltaloom', 'cache', 'runtime.json');
}

/** An address that nobody else can guess, in a folder that only this user can enter. */
export async function newAddress(): Promise<string> {
  const name = `deltaloom-${randomBytes(12).toString('hex')}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  const folder = path.join(os.tmpdir(), name);
  await mkdir(folder, { mode: 0o700 });
  return path.join(folder, 's');
}

/** Removes what `newAddress` and the listener left behind. */
export async function removeAddress(address: string): Promise<void> {
  if (process.platform !== 'win32') await rm(path.dirname(address), { recursive: true, force: true });
}

export async function advertise(study: string, address: string): Promise<void> {
  const file = advertisementFile(study);
  await mkdir(path.dirname(file), { recursive: true });
  const aside = `${file}.${process.pid}`;
  const advertisement: Advertisement = { protocol: PROTOCOL_VERSION, pid: process.pid, address };
  await writeFile(aside, JSON.stringify(advertisement), { mode: 0o600 });
  await rename(aside, file);
}

/** Removes this process's advertisement; another's is left alone. */
export async function withdraw(study: string): Promise<void> {
  const found = await readAdvertisement(study);
  if (found?.pid === process.pid) await rm(advertisementFile(study), { force: true });
}

/** The living runtime advertised in a study; undefined if there is none. A dead one's file is removed. */
export async function findAdvertised(study: string): Promise<Advertisement | undefined> {
  const found = await readAdvertisement(study);
  if (found === undefined) return undefined;
  if (!isAlive(found.pid)) {
    await rm(advertisementFile(study), { force: true });
    return undefined;
  }
  return found.protocol === PROTOCOL_VERSION ? found : undefined;
}

async function readAdvertisement(study: string): Promise<Advertisement | undefined> {
  try {
    return advertisementSchema.parse(JSON.parse(await readFile(advertisementFile(study), 'utf8')));
  } catch {
    return undefined; // absent or half a file of a process that died: either way there is nobody to join
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, but is another user's; it can't be joined.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
