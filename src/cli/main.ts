#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { DeltaloomError } from '../core/errors.js';
import { importCommand } from './import-command.js';
import { initCommand } from './init-command.js';
import { explainMistakes } from './mistakes.js';
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

/** The exit codes of a program that was interrupted, and of one that nobody listens to any more, as shells know them. */
const INTERRUPTED = 130;
const UNHEARD = 141;

/** What ends the work before it is done: it stops between two steps and keeps what is finished. */
class Stopping {
  private readonly controller = new AbortController();
  private interrupted = false;
  private unheard = false;

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The first Ctrl-C stops; the second ends the process at once. */
  onSignals(): void {
    const interrupt = (): void => {
      if (this.interrupted) process.exit(INTERRUPTED);
      this.interrupted = true;
      process.stderr.write('\nStopping; press Ctrl-C again to end at once.\n');
      this.stop();
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
  }

  /** A reader may close the pipe early (head), or be ended by the same Ctrl-C (tee). */
  onClosedPipe(stream: NodeJS.WriteStream): void {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.unheard = true;
      this.stop();
    });
  }

  /** Of a program that got to the end, or failed; nobody may have heard how it ended. */
  exitCodeOf(ended: 'done' | 'failed'): number | undefined {
    if (ended === 'failed' && this.interrupted) return INTERRUPTED;
    if (this.unheard) return UNHEARD;
    return ended === 'failed' ? 1 : undefined;
  }

  private stop(): void {
    this.controller.abort(
      new DeltaloomError('cancelled', 'Stopped; what is finished is kept.', {
        remedy: 'The same command continues.',
      }),
    );
  }
}

async function main(signal: AbortSignal): Promise<'done' | 'failed'> {
  const program = new Command('deltaloom')
    .description(
      'Which delta checkpoints should a new few-shot task start from, and in what proportions? Tune, score, weigh and merge adapters, LoRA and prefixes of a frozen T5.',
    )
    .version(packageJson.version);
  explainMistakes(program, 'deltaloom --help lists the commands.');
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
    const command = make(signal);
    program.addCommand(explainMistakes(command, `deltaloom ${command.name()} --help lists the options.`));
  }
  try {
    await program.parseAsync();
    return 'done';
  } catch (error) {
    // Help or version, which are printed.
    if (error instanceof CommanderError) return 'done';
    if (process.env['DELTALOOM_DEBUG'] !== undefined) console.error(error);
    new Terminal(process.argv.includes('--json')).error(asDeltaloomError(error));
    return 'failed';
  }
}

/** A pipe takes what was written later than `write` returns. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}

const stopping = new Stopping();
stopping.onClosedPipe(process.stdout);
stopping.onClosedPipe(process.stderr);
stopping.onSignals();
const ended = await main(stopping.signal);
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
// Native libraries may keep threads; nothing is left to do.
process.exit(stopping.exitCodeOf(ended));
