import { execFile } from 'node:child_process';

/** A driver that is asked for its GPU may take seconds to wake it, and a library of a gigabyte to be read; not more. */
const PATIENCE_MS = 60_000;

/** Why a question had no answer, in one line, and what the child printed meanwhile. */
export class ProbeFailure extends Error {
  override readonly name = 'ProbeFailure';

  constructor(
    message: string,
    readonly printed: string,
  ) {
    super(message);
  }
}

/**
 * Runs a question to a native library in a process of its own: what such libraries print there stays there, and one that
 * crashes or hangs takes nothing with it.
 *
 * @param question CommonJS: finds `words` in `process.argv` from 1 on, prints its answer, ends itself with 1 after printing why
 *   there is none
 * @returns what it printed to stdout
 * @throws ProbeFailure
 */
export function askInChild(question: string, words: readonly string[]): Promise<string> {
  const options = {
    timeout: PATIENCE_MS,
    // The runtime's Node may be VS Code's own.
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
  };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['-e', question, ...words], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.killed === true) reject(failure(`it gave no answer in ${PATIENCE_MS / 1000} s`));
      else if (error.signal != null) reject(failure(`its driver crashed with ${error.signal}`));
      else reject(failure(stdout.trim() === '' ? lastLine(stderr, error.message) : stdout.trim()));

      function failure(message: string): ProbeFailure {
        return new ProbeFailure(message, stderr);
      }
    });
  });
}

/** Node prints an error that nobody caught with its stack: the line that says what it was is the one without a place. */
function lastLine(stderr: string, otherwise: string): string {
  return /^(?:\w*Error): .+$/m.exec(stderr)?.[0] ?? otherwise.split('\n')[0] ?? otherwise;
}
