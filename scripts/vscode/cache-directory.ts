import os from 'node:os';
import path from 'node:path';

/** Where large downloads of the development tools are kept, outside the tree: `DELTALOOM_CACHE`, or the user's cache folder. */
export function cacheDirectory(): string {
  const chosen = process.env['DELTALOOM_CACHE'];
  if (chosen !== undefined && chosen !== '') return path.resolve(chosen);
  if (process.platform === 'win32') {
    return path.join(process.env['LOCALAPPDATA'] ?? path.join(os.homedir(), 'AppData', 'Local'), 'deltaloom');
  }
  if (process.platform === 'darwin') return path.join(os.homedir(), 'Library', 'Caches', 'deltaloom');
  return path.join(process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'), 'deltaloom');
}
