import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
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

/** What `newAddress` calls its folders and pipes. Nothing else is ever connected to or removed. */
const NAME = /^deltaloom-[0-9a-f]{24}$/;
const PIPE_PREFIX = '\\\\.\\pipe\\';
/** A folder younger than this may be that of a runtime that is about to listen. */
const YOUNG_MS = 60_000;

/**
 * The socket of this name in a folder of its own, or a named pipe on Windows.
 *
 * @param name as `newAddress` makes them
 */
export function addressOf(name: string, platform: NodeJS.Platform, temporary: string): string {
  return platform === 'win32' ? `${PIPE_PREFIX}${name}` : path.posix.join(temporary, name, 's');
}

/** Whether this is an address as `newAddress` makes them: advertisements are files that anybody may have put there. */
export function isOurAddress(address: string, platform: NodeJS.Platform): boolean {
  if (platform === 'win32') {
    return address.startsWith(PIPE_PREFIX) && NAME.test(address.slice(PIPE_PREFIX.length));
  }
  return path.posix.basename(address) === 's' && NAME.test(path.posix.basename(path.posix.dirname(address)));
}

/**
 * An address that nobody else can guess, in a folder that only this user can enter. Removes what runtimes that were
 * killed left there.
 */
export async function newAddress(temporary = os.tmpdir()): Promise<string> {
  const address = addressOf(`deltaloom-${randomBytes(12).toString('hex')}`, process.platform, temporary);
  if (process.platform === 'win32') return address;
  await sweepAddresses(temporary);
  await mkdir(path.dirname(address), { mode: 0o700 });
  return address;
}

/** Removes what `newAddress` and the listener left behind. Pipes of Windows go with their process. */
export async function removeAddress(address: string): Promise<void> {
  if (process.platform === 'win32' || !isOurAddress(address, process.platform)) return;
  await rm(path.dirname(address), { recursive: true, force: true });
}

/** Removes the socket folders at which nobody listens any more. */
async function sweepAddresses(temporary: string): Promise<void> {
  const names = (await readdir(temporary).catch(() => [])).filter((name) => NAME.test(name));
  for (const name of names) {
    const address = addressOf(name, process.platform, temporary);
    const { mtimeMs } = await stat(path.dirname(address)).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs < YOUNG_MS || (await isListenedTo(address))) continue;
    // Another user's folder can't be removed, and need not.
    await removeAddress(address).catch(() => undefined);
  }
}

function isListenedTo(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      // Anything else (no permission, for one) does not say that nobody is there.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
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

/** The living runtime advertised in a study; undefined if there is none. What a dead one left is removed. */
export async function findAdvertised(study: string): Promise<Advertisement | undefined> {
  const found = await readAdvertisement(study);
  if (found === undefined) return undefined;
  if (!isAlive(found.pid)) {
    await rm(advertisementFile(study), { force: true });
    await removeAddress(found.address).catch(() => undefined);
    return undefined;
  }
  return found.protocol === PROTOCOL_VERSION ? found : undefined;
}

async function readAdvertisement(study: string): Promise<Advertisement | undefined> {
  try {
    const text = await readFile(advertisementFile(study), 'utf8');
    const found = advertisementSchema.parse(JSON.parse(text));
    return isOurAddress(found.address, process.platform) ? found : undefined;
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
