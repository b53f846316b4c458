#!/usr/bin/env node
import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { DeltaloomError } from '../core/errors.js';
import { importCommand } from './import-command.js';
import { initCommand } from './init-command.js';
import {
  checkCommand,
  devicesCommand,
  reportCommand,
  resultsCommand,
  statusCommand,
  weightsCommand,
} from './read-commands.js';
import { Terminal, asDeltaloomError } from './terminal.js';
import { evaluateCommand, mergeCommand, runCommand, scoreCommand, tuneCommand } from './work-commands.js';

/** The exit code of a program that was interrupted, as shells know it. */
const INTERRUPTED = 130;

/** The first Ctrl-C stops between two steps and keeps what is finished; the second ends the process at once. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    process.stderr.write('\nStopping; press Ctrl-C again to end at once.\n');
    controller.abort(
      new DeltaloomError('cancelled', 'Stopped; what is finished is kept.', {
        remedy: 'The same command continues.',
      }),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

async function main(): Promise<void> {
  // A reader that closes the pipe early (head) is no error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  const signal = stopOnSignals();
  const program = new Command('deltaloom')
    .description(
      'Which delta checkpoints should a new few-shot task start from, and in what proportions? Tune, score, weigh and merge adapters, LoRA and prefixes of a frozen T5.',
    )
    .version(packageJson.version)
    .showHelpAfterError('(deltaloom --help lists the commands)');
  for (const make of [
    initCommand,
    checkCommand,
    tuneCommand,
    evaluateCommand,
    scoreCommand,
    weightsCommand,
    mergeCommand,
    runCommand,
    resultsCommand,
    reportCommand,
    importCommand,
    statusCommand,
    devicesCommand,
  ]) {
    program.addCommand(make(signal));
  }
  try {
    await program.parseAsync();
  } catch (error) {
    if (process.env['DELTALOOM_DEBUG'] !== undefined) console.error(error);
    new Terminal(process.argv.includes('--json')).error(asDeltaloomError(error));
    process.exitCode = signal.aborted ? INTERRUPTED : 1;
  }
}

/** A pipe takes what was written later than `write` returns. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}

await main();
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
// Native libraries may keep threads; nothing is left to do.
process.exit();
