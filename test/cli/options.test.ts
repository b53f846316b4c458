import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { distinctListOf, text } from '../../src/cli/common.js';
import { initCommand } from '../../src/cli/init-command.js';
import { explainMistakes } from '../../src/cli/mistakes.js';
import { evaluateCommand, tuneCommand } from '../../src/cli/work-commands.js';

/** What is wrong with a command line is said before any work is begun. */

const { signal } = new AbortController();
const remedy = 'See the help.';

async function mistake(command: Command, ...args: string[]): Promise<unknown> {
  return explainMistakes(command, remedy)
    .parseAsync(args, { from: 'user' })
    .catch((reason: unknown) => reason);
}

describe('options', () => {
  it('init names the deltas there are', async () => {
    expect(await mistake(initCommand(signal), '--delta', 'foo')).toMatchObject({
      code: 'command-line-invalid',
      message:
        "Option '--delta <type...>' argument 'foo' is invalid. Allowed choices are adapter, lora, prefix.",
      remedy,
    });
  });

  it.each(['0', '-1', '1.5', 'all'])('tune refuses %s shots by the name of the option', async (shots) => {
    expect(await mistake(tuneCommand(signal), `--shots=${shots}`)).toMatchObject({
      message: `Option '--shots <n|full>' argument '${shots}' is invalid. A whole number of at least 1, or 'full', is needed.`,
    });
  });

  it('a value that is given twice is taken once', () => {
    const take = distinctListOf(text);
    const given = ['b', 'a', 'b'];
    expect(given.reduce<string[] | undefined>((list, value) => take(value, list), undefined)).toEqual([
      'b',
      'a',
    ]);
  });
});

describe('mistakes on the command line', () => {
  it('are errors like all others, in one line', async () => {
    expect(await mistake(tuneCommand(signal), '--taks', 'copy')).toMatchObject({
      code: 'command-line-invalid',
      line: "Unknown option '--taks'. Did you mean --task?",
    });
    expect(await mistake(evaluateCommand(signal))).toMatchObject({
      line: "Required option '--task <name>' not specified. See the help.",
    });
    const program = new Command('deltaloom').configureOutput({ writeErr: () => undefined });
    program.command('tune');
    expect(await mistake(program)).toMatchObject({ line: 'No command was given. See the help.' });
    expect(await mistake(program, 'tun')).toMatchObject({
      line: "Unknown command 'tun'. Did you mean tune?",
    });
  });

  it('are not what help and version are', async () => {
    const program = new Command('deltaloom').configureOutput({ writeOut: () => undefined }).version('1.0.0');
    expect(await mistake(program, '--version')).toMatchObject({ code: 'commander.version', exitCode: 0 });
    expect(await mistake(program, '--help')).toMatchObject({ code: 'commander.helpDisplayed', exitCode: 0 });
  });
});
