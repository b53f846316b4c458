import { workspace } from 'vscode';
import { DEVICE_IDS, type DeviceId } from '../engine/contract.js';
import { SETTINGS, type SettingKey } from './identifiers.js';

const SECTION = 'deltaloom';

export const NOTIFICATION_LEVELS = ['unseen', 'failures', 'never'] as const;
export type NotificationLevel = (typeof NOTIFICATION_LEVELS)[number];

/** The user's settings, with the defaults of package.json. What is out of range counts as the default. */
export interface Settings {
  readonly device: DeviceId | 'auto';
  readonly threads: number;
  readonly memoryLimit: number;
  readonly studyFolder: string;
  readonly outliveWindow: boolean;
  readonly hangTimeout: number;
  readonly node: string;
  readonly notifications: NotificationLevel;
}

export function readSettings(): Settings {
  const configuration = workspace.getConfiguration(SECTION);
  const read = <T>(key: SettingKey, fallback: T): T => configuration.get<T>(key) ?? fallback;
  const device = read<string>(SETTINGS.device, 'auto');
  const level = read<string>(SETTINGS.notifications, 'unseen');
  return {
    device: DEVICE_IDS.find((id) => id === device) ?? 'auto',
    threads: Math.max(0, Math.floor(read(SETTINGS.threads, 0))),
    memoryLimit: Math.max(0, Math.floor(read(SETTINGS.memoryLimit, 0))),
    studyFolder: read(SETTINGS.studyFolder, '').trim(),
    outliveWindow: read(SETTINGS.outliveWindow, false),
    hangTimeout: Math.max(10, read(SETTINGS.hangTimeout, 300)),
    node: read(SETTINGS.node, '').trim(),
    notifications: NOTIFICATION_LEVELS.find((known) => known === level) ?? 'unseen',
  };
}

export async function writeSetting(key: SettingKey, value: unknown): Promise<void> {
  const folder = workspace.workspaceFolders !== undefined;
  // In the workspace where there is one, so that a choice for one study does not surprise in another.
  await workspace.getConfiguration(SECTION).update(key, value, folder ? false : true);
}

export function affects(event: { affectsConfiguration(section: string): boolean }, key: SettingKey): boolean {
  return event.affectsConfiguration(`${SECTION}.${key}`);
}
