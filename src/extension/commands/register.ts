import { commands, type Disposable } from 'vscode';
import type { CommandEnvironment, CommandTable } from './environment.js';
import { checkpointCommands } from './checkpoints.js';
import { jobCommands } from './jobs.js';
import { mergingCommands } from './merging.js';
import { scoringCommands } from './scoring.js';
import { studyCommands } from './studies.js';
import { tuningCommands } from './tuning.js';

/** Registers every command of the tree. A failure becomes a message with a remedy. */
export function registerCommands(environment: CommandEnvironment): Disposable[] {
  const table: CommandTable = {
    ...studyCommands(environment),
    ...tuningCommands(environment),
    ...scoringCommands(environment),
    ...mergingCommands(environment),
    ...checkpointCommands(environment),
    ...jobCommands(environment),
  };
  return Object.entries(table).map(([id, handler]) =>
    commands.registerCommand(id, async (first: unknown, others: unknown) => {
      try {
        return await handler(first, others);
      } catch (error) {
        environment.services.showError(error);
        return undefined;
      }
    }),
  );
}
