import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { distinctListOf, text } from '../../src/cli/common.js';
import { initCommand } from '../../src/cli/init-command.js';
import { tuneCommand } from '../../src/cli/work-commands.js';

/** What is wrong with a command line is said before any work is begun. */

const { signal } = new AbortController();

async function complaint(command: Command, ...args: string[]): Promise<string> {
  command.exitOverride().configureOutput({ outputError: () => undefined });
  const error: unknown = await command.parseAsync(args, { from: 'user' }).catch((reason: unknown) => reason);
  return error instanceof Error ? error.message : '';
}

describe('options', () => {
  it('init names the deltas there are', async () => {
    expect(await complaint(initCommand(signal), '--delta', 'foo')).toBe(
      "error: option '--delta <type...>' argument 'foo' is invalid. Allowed choices are adapter, lora, prefix.",
    );
  });

  it.each(['0', '-1', '1.5', 'all'])('tune refuses %s shots by the name of the option', async (shots) => {
    expect(await complaint(tuneCommand(signal), `--shots=${shots}`)).toBe(
      `error: option '--shots <n|full>' argument '${shots}' is invalid. A whole number of at least 1, or 'full', is needed.`,
    );
  });

  it('a value that is given twice is taken once', () => {
    const take = distinctListOf(text);
    expect(
      ['b', 'a', 'b'].reduce<string[] | undefined>((list, value) => take(value, list), undefined),
    ).toEqual(['b', 'a']);
  });
});
