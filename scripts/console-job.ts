import { asDeltaloomError } from '../src/cli/terminal.js';
import { DeltaloomError } from '../src/core/errors.js';
import { openEngine } from '../src/engine/index.js';
import type { Engine } from '../src/engine/contract.js';
import { executeJob } from '../src/study/execute.js';
import type { JobOutcome, JobProgress, JobRequest } from '../src/study/jobs.js';

/** How often a long job says where it stands. */
const REPORT_EVERY_MS = 10_000;

/** Runs study jobs one after the other with one engine, telling on the console where they stand. Ctrl+C stops between two steps. */
export class ConsoleJobs {
  private engine: Promise<Engine> | null = null;
  private readonly controller = new AbortController();
  private readonly stop = (): void =>
    this.controller.abort(
      new DeltaloomError('stopped', 'Stopped.', {
        remedy: 'What is on record is kept: the same command goes on from there.',
      }),
    );

  /** @param prefix begins every line, where several processes tell on one console */
  constructor(
    private readonly threads: number | undefined,
    private readonly prefix = '',
  ) {
    process.once('SIGINT', this.stop);
  }

  async run(directory: string, request: JobRequest): Promise<JobOutcome> {
    let told = 0;
    const progress = ({ label, done, total, unit, secondsLeft }: JobProgress): void => {
      const now = performance.now();
      if (now - told < REPORT_EVERY_MS) return;
      told = now;
      const left = secondsLeft === undefined ? '' : `, about ${Math.ceil(secondsLeft)} s left`;
      console.log(`${this.prefix}${label}: ${done} of ${total} ${unit}${left}`);
    };
    return executeJob(directory, request, {
      signal: this.controller.signal,
      progress,
      log: () => undefined,
      engine: () => (this.engine ??= this.open()),
    });
  }

  async close(): Promise<void> {
    process.off('SIGINT', this.stop);
    await (await this.engine)?.dispose();
  }

  private open(): Promise<Engine> {
    return openEngine({
      device: 'cpu',
      ...(this.threads === undefined ? {} : { threads: this.threads }),
      log: console.log,
    });
  }
}

/** Ends the process with one line where `main` fails, as the command line does. */
export async function tellFailure(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (process.env['DELTALOOM_DEBUG'] !== undefined) console.error(error);
    console.error(asDeltaloomError(error).line);
    process.exitCode = 1;
  }
}

/** The value after `--name`, if it is there. */
export function argument(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

export function flag(name: string): boolean {
  return process.argv.includes(`--${name}`);
}
