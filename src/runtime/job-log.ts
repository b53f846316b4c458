import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';

/** Logs of old jobs are removed beyond this number, oldest first. */
const KEPT_LOGS = 200;

export function logFolder(study: string): string {
  return path.join(study, '.deltaloom', 'cache', 'logs');
}

/** Where the log of a job is kept. Ids begin with the time, so that names sort by age. */
export function jobLogFile(study: string, id: string): string {
  return path.join(logFolder(study), `${id}.log`);
}

/** The line with which a run begins in the log of the job that does it. */
export function runLine(task: string, runId: string): string {
  return `Run ${task}/${runId}`;
}

/** The latest log that tells of a run, whichever window it was done for; null when none is kept. */
export async function findRunLog(study: string, task: string, runId: string): Promise<string | null> {
  const folder = logFolder(study);
  const names = await readdir(folder).catch(() => []);
  const mark = ` ${runLine(task, runId)}\n`;
  for (const name of names
    .filter((file) => file.endsWith('.log'))
    .sort()
    .reverse()) {
    const file = path.join(folder, name);
    // One may be removed as the oldest meanwhile.
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.includes(mark)) return file;
  }
  return null;
}

/** Writes lines to the logs of jobs, in order, without making the job wait. */
export class JobLogs {
  private last: Promise<void> = Promise.resolve();
  private readonly begun = new Set<string>();

  constructor(private readonly failed: (reason: unknown) => void) {}

  append(study: string, id: string, line: string): void {
    const file = jobLogFile(study, id);
    const text = `${new Date().toISOString()} ${line}\n`;
    this.last = this.last
      .then(async () => {
        if (!this.begun.has(file)) {
          this.begun.add(file);
          await mkdir(path.dirname(file), { recursive: true });
          await removeOldest(path.dirname(file));
        }
        await appendFile(file, text);
      })
      .catch(this.failed);
  }

  /** Resolves when all that was appended is on disk. */
  flush(): Promise<void> {
    return this.last;
  }
}

async function removeOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
  for (const name of names.slice(0, Math.max(0, names.length - KEPT_LOGS + 1))) {
    await rm(path.join(folder, name), { force: true });
  }
}
