import { rm } from 'node:fs/promises';

/** Removes a folder in which processes that are just ending may still write. */
export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
