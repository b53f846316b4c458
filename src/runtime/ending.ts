import { setTimeout as delay } from 'node:timers/promises';
import type { RuntimeProcess } from './process.js';

/** Asks the process to end, and ends it when it does not. */
export async function endProcess(process: RuntimeProcess, softKill: number): Promise<void> {
  process.terminate();
  if (!(await endsWithin(process, softKill))) process.kill();
  await process.gone;
}

export function endsWithin(process: RuntimeProcess, milliseconds: number): Promise<boolean> {
  return Promise.race([process.gone.then(() => true), delay(milliseconds, false, { ref: false })]);
}
