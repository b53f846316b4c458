import { randomBytes } from 'node:crypto';
import { access, constants, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { systemErrorCode } from '../formats/atomic-file.js';
import { explainReadError } from '../formats/binary-file.js';
import { DATA_FOLDER } from './paths.js';

/** One writer per study. Readers need no lock: everything appears atomically. */

const holderSchema = z.object({
  pid: z.int(),
  host: z.string(),
  /** When that process started, where the system tells: a process id is used again after a while. */
  started: z.string().nullable(),
  since: z.string(),
  /** What it does, for people. */
  purpose: z.string(),
  token: z.string(),
});
export type LockHolder = z.infer<typeof holderSchema>;

/** What lies where a lock is looked for. */
type Found = { readonly kind: 'nothing' | 'damaged' } | { readonly kind: 'held'; readonly by: LockHolder };

const POLL_MS = 250;
/** Taking over a lock is the work of a moment. */
const TAKEOVER_POLL_MS = 5;

export interface LockOptions {
  /** How long to wait for another holder, in milliseconds; Infinity waits until it is done. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** Told once when waiting begins. */
  readonly waiting?: (holder: LockHolder) => void;
}

/**
 * Runs `work` while holding the study's lock. The lock of a dead process is taken over.
 *
 * @throws DeltaloomError `study-locked` saying who holds it
 */
export async function withStudyLock<Result>(
  directory: string,
  purpose: string,
  work: () => Promise<Result>,
  options: LockOptions = {},
): Promise<Result> {
  const release = await acquire(directory, purpose, options);
  try {
    return await work();
  } finally {
    await release();
  }
}

/**
 * Who holds the lock of a study now; null for nobody, dead holders included.
 *
 * @throws DeltaloomError where the lock can't be read
 */
export async function lockHolder(directory: string): Promise<LockHolder | null> {
  const found = await look(lockFile(directory));
  return found.kind === 'held' && (await isAlive(found.by)) ? found.by : null;
}

function lockFile(directory: string): string {
  return join(directory, DATA_FOLDER, 'lock');
}

async function acquire(
  directory: string,
  purpose: string,
  { waitMs = 0, signal, waiting }: LockOptions,
): Promise<() => Promise<void>> {
  const file = lockFile(directory);
  const own: LockHolder = {
    pid: process.pid,
    host: hostname(),
    started: await startOf(process.pid),
    since: new Date().toISOString(),
    purpose,
    token: randomBytes(8).toString('hex'),
  };
  const deadline = Date.now() + waitMs;
  let told = false;
  await makeFolder(directory);
  for (;;) {
    signal?.throwIfAborted();
    if (await create(file, own)) return () => release(file, own);
    const found = await look(file);
    if (await isStale(found)) {
      await removeStale(file, found, own);
      continue;
    }
    if (found.kind !== 'held') continue;
    if (Date.now() >= deadline) throw locked(file, found.by);
    if (!told) waiting?.(found.by);
    told = true;
    await sleep(POLL_MS);
  }
}

async function makeFolder(directory: string): Promise<void> {
  try {
    // Asked first: on a read-only file system mkdir reports a missing folder.
    await access(directory, constants.W_OK);
    await mkdir(join(directory, DATA_FOLDER), { recursive: true });
  } catch (error) {
    throw notWritable(error, directory);
  }
}

/** The lock appears with its content in one step: written aside, then linked, which fails where one exists. */
async function create(file: string, own: LockHolder): Promise<boolean> {
  const aside = `${file}.${own.token}`;
  try {
    await writeFile(aside, JSON.stringify(own));
    await link(aside, file);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemErrorCode(error) ?? '')) {
      return await createWithoutLinks(file, own, error);
    }
    throw notWritable(error, file);
  } finally {
    await rm(aside, { force: true }).catch(() => undefined);
  }
}

/** Some file systems (FAT, some network mounts) have no links: exclusive creation is nearly as good. */
async function createWithoutLinks(file: string, own: LockHolder, cause: unknown): Promise<boolean> {
  try {
    await writeFile(file, JSON.stringify(own), { flag: 'wx' });
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw notWritable(cause, file);
  }
}

/**
 * Removes a lock that nobody holds, if it is still the one that was found. Whoever removes another's lock holds a second lock
 * meanwhile: what it reads there can't be another's living lock by the time it removes it. That second lock may be left by a
 * dead process too, and is then removed in the same way.
 */
async function removeStale(file: string, stale: Found, own: LockHolder): Promise<void> {
  const guard = `${file}.takeover`;
  if (!(await create(guard, own))) {
    const other = await look(guard);
    if (await isStale(other)) await removeStale(guard, other, own);
    else await sleep(TAKEOVER_POLL_MS);
    return;
  }
  try {
    if (isSame(await look(file), stale)) await rm(file, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function isStale(found: Found): Promise<boolean> {
  return found.kind === 'damaged' || (found.kind === 'held' && !(await isAlive(found.by)));
}

function isSame(one: Found, other: Found): boolean {
  return one.kind === 'held' && other.kind === 'held'
    ? one.by.token === other.by.token
    : one.kind === other.kind;
}

async function release(file: string, own: LockHolder): Promise<void> {
  const found = await look(file);
  if (found.kind === 'held' && found.by.token === own.token) await rm(file, { force: true });
}

async function look(file: string): Promise<Found> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return { kind: 'nothing' };
    // Whose it is can't be told, so it is nobody's to take away.
    throw explainReadError(error, file);
  }
  try {
    return { kind: 'held', by: holderSchema.parse(JSON.parse(text)) };
  } catch {
    return { kind: 'damaged' };
  }
}

/** A holder on another machine can't be asked and counts as alive. */
async function isAlive({ pid, host, started }: LockHolder): Promise<boolean> {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
  }
  const now = await startOf(pid);
  return started === null || now === null || now === started;
}

/** Start time of a process in clock ticks since boot, with the boot's id; null where the system does not tell. */
async function startOf(pid: number): Promise<string | null> {
  if (process.platform !== 'linux') return null;
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // Fields after the command, which stands in parentheses and may hold anything; 22nd field of all.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'dead' : `${boot.trim()}:${fields[19] ?? ''}`;
  } catch {
    return null;
  }
}

function locked(file: string, { pid, host, since, purpose }: LockHolder): DeltaloomError {
  const where = host === hostname() ? '' : ` on ${host}`;
  return new DeltaloomError(
    'study-locked',
    `Another process works on this study: process ${pid}${where}, since ${since} (${purpose}).`,
    {
      place: { file },
      remedy:
        host === hostname()
          ? 'Wait for it (--wait), or end it.'
          : 'Wait for it (--wait). If that machine no longer works on it, delete the file.',
    },
  );
}

function notWritable(error: unknown, file: string): unknown {
  const code = systemErrorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new DeltaloomError('disk-full', 'The disk is full; nothing was changed.', {
      place: { file },
      remedy: 'Free some space and run the command again.',
      cause: error,
    });
  }
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM' || code === 'ENOTDIR') {
    return new DeltaloomError('folder-not-writable', "The study folder can't be written.", {
      place: { file },
      remedy: 'Change its permissions, or copy the study to a folder that can be written.',
      cause: error,
    });
  }
  return error;
}
