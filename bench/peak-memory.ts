import { existsSync, readFileSync } from 'node:fs';

/**
 * The most memory that this process has had resident, in bytes. Linux counts what the parent had into maxRSS, and keeps the
 * process's own peak elsewhere.
 */
export function peakMemory(): number {
  const own = existsSync('/proc/self/status')
    ? /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    : undefined;
  // Both are in KiB.
  return Number(own ?? process.resourceUsage().maxRSS) * 1024;
}
