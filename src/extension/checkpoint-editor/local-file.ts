import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Uri, workspace } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';

/**
 * Gives `use` a file on this machine with what the document holds. What is not a file, as the version of a commit that a diff
 * shows beside the one in the working tree, is copied for as long as it is used.
 */
export async function withLocalFile<T>(uri: Uri, use: (file: string) => Promise<T>): Promise<T> {
  if (uri.scheme === 'file') return use(uri.fsPath);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-version-'));
  const file = path.join(folder, path.basename(uri.path));
  try {
    await workspace.fs.writeFile(Uri.file(file), await workspace.fs.readFile(uri));
    return await use(file);
  } catch (error) {
    if (!(error instanceof DeltaloomError) || error.place.file !== file) throw error;
    // Of the copy nobody knows.
    throw error.with({ place: { file: uri.path } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
