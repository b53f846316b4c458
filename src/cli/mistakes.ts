import type { Command } from 'commander';
import { DeltaloomError } from '../core/errors.js';

/**
 * Makes what commander finds wrong with a command line an error like all others, which is thrown instead of printed: so that
 * `--json` has it on stdout too. Help and version, which end the program as well, are thrown as commander's own errors.
 *
 * @param remedy what to do where commander has no suggestion
 */
export function explainMistakes(command: Command, remedy: string): Command {
  return command.configureOutput({ outputError: () => undefined }).exitOverride((error) => {
    if (error.exitCode === 0) throw error;
    // The help that commander prints where no command is given.
    const found = error.code === 'commander.help' ? 'No command was given.' : error.message;
    const [said = '', suggestion] = found.replace(/^error: /, '').split('\n');
    const sentence = `${said.charAt(0).toUpperCase()}${said.slice(1)}`;
    throw new DeltaloomError('command-line-invalid', sentence.endsWith('.') ? sentence : `${sentence}.`, {
      remedy: suggestion?.replace(/^\((.*)\)$/, '$1') ?? remedy,
      cause: error,
    });
  });
}
