import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { COMMANDS, EXTENSION_ID } from '../../src/extension/identifiers.js';
import type { Services, Study } from '../../src/extension/services.js';
import type { StudyIndex } from '../../src/extension/tree/study-index.js';
import type { JobView } from '../../src/runtime/protocol.js';
import type { TuneChoice } from '../../src/extension/commands/tune-choices.js';

/** What the suites inside the extension host share. Each is bundled on its own; the extension is one. */

export const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '';

export function installed(): vscode.Extension<Services> {
  const extension = vscode.extensions.getExtension<Services>(EXTENSION_ID);
  if (extension === undefined) throw new Error('The extension is not installed.');
  return extension;
}

export async function until<T>(
  read: () => T | undefined | Promise<T | undefined>,
  what: string,
  seconds = 60,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await read();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`Never happened: ${what}.`);
    await delay(100);
  }
}

export function studyIn(services: Services, directory: string): Study {
  const found = services.studies.studies.find((candidate) => candidate.directory === directory);
  if (found === undefined) throw new Error(`No study was found in ${directory}.`);
  return found;
}

/** What the tree is made of: not part of what other extensions are offered. */
export function indexOf(services: Services, directory: string): StudyIndex {
  const { studies } = services as unknown as { studies: { indexOf(directory: string): StudyIndex } };
  return studies.indexOf(directory);
}

/** Starts a tuning as a caller that knows it all, and gives its job. */
export async function tune(
  services: Services,
  study: string,
  task: string,
  choice: TuneChoice,
): Promise<JobView> {
  const id = await vscode.commands.executeCommand<string>(COMMANDS.tune, { study, task, choice });
  return until(() => services.jobs.get(id), 'the job');
}

export function within(study: string, ...names: string[]): string {
  return path.join(study, ...names);
}
