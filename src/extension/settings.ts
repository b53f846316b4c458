import { workspace, type Uri } from 'vscode';
import type { SettingKey } from './identifiers.js';
import { parseSettings, type Settings } from './setting-values.js';

const SECTION = 'deltaloom';

/** @param folder a workspace folder or study, whose own settings count where a setting may differ from folder to folder */
export function readSettings(folder?: Uri): Settings {
  const configuration = workspace.getConfiguration(SECTION, folder);
  return parseSettings((key) => configuration.get<unknown>(key));
}

export async function writeSetting(key: SettingKey, value: unknown): Promise<void> {
  const folder = workspace.workspaceFolders !== undefined;
  // In the workspace where there is one, so that a choice for one study does not surprise in another.
  await workspace.getConfiguration(SECTION).update(key, value, folder ? false : true);
}

export function affects(event: { affectsConfiguration(section: string): boolean }, key: SettingKey): boolean {
  return event.affectsConfiguration(`${SECTION}.${key}`);
}
