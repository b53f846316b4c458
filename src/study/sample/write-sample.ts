import { cp, mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DeltaloomError } from '../../core/errors.js';
import { explainWriteError, systemErrorCode } from '../../formats/atomic-file.js';
import { recreateSampleHistory } from './sample-history.js';

/**
 * Writes the sample study to a new folder, whole or not at all: as a git repository with the history of its records, and as
 * plain files where git cannot be had.
 *
 * @param sample the folder that the product carries
 * @param directory absent or an empty folder; the folder it is in must exist
 * @returns what stood in the way of a history, or null
 * @throws DeltaloomError `folder-not-empty`, `folder-not-writable`, `disk-full`
 */
export async function writeSample(sample: string, directory: string): Promise<DeltaloomError | null> {
  if (!(await isFree(directory))) {
    throw new DeltaloomError('folder-not-empty', `${directory} exists and is no empty folder.`, {
      remedy: 'Choose another folder, or move that one away.',
    });
  }
  let aside: string | undefined;
  try {
    // Beside it, since a folder can be renamed only within one disk.
    aside = await mkdtemp(join(dirname(directory), '.deltaloom-sample-'));
    const written = join(aside, 'study');
    const obstacle = await tryHistory(sample, written);
    if (obstacle !== null) {
      await rm(written, { recursive: true, force: true });
      await cp(sample, written, { recursive: true });
    }
    // On Windows nothing can be renamed to an empty folder.
    await rmdir(directory).catch(() => undefined);
    await rename(written, directory);
    return obstacle;
  } catch (error) {
    throw explainWriteError(error, directory);
  } finally {
    if (aside !== undefined) await rm(aside, { recursive: true, force: true });
  }
}

async function isFree(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return true;
    if (systemErrorCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

async function tryHistory(sample: string, directory: string): Promise<DeltaloomError | null> {
  const { GitError, simpleGit } = await import('simple-git');
  if (!(await simpleGit().version()).installed) {
    return new DeltaloomError('git-missing', 'The program git was not found.', {
      remedy: 'Install git and put the sample into another folder.',
    });
  }
  await mkdir(directory);
  try {
    await recreateSampleHistory(sample, directory);
    return null;
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return new DeltaloomError('git-failed', `git says: ${error.message.trim()}`, { cause: error });
  }
}
