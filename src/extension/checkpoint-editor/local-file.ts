import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Uri, workspace } from 'vscode';

/**
 * Gives `use` a file on this machine with what the document holds. What is not a file, as the version of a commit that a diff
 * shows beside the one in the working tree, is copied for as long as it is used.
 */
export async function withLocalFile<T>(uri: Uri, use: (file: string) => Promise<T>): Promise<T> {
  if (uri.scheme === 'file') return use(uri.fsPath);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-version-'));
  try {
    const file = path.join(folder, path.basename(uri.path));
    await workspace.fs.writeFile(Uri.file(file), await workspace.fs.readFile(uri));
    return await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
