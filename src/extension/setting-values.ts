import { DEVICE_IDS, type DeviceId } from '../engine/contract.js';
import { SETTINGS, type SettingKey } from './identifiers.js';
import { NOTIFICATION_LEVELS, type NotificationLevel } from './jobs/announcements.js';

/** The user's settings, with the defaults of package.json. */
export interface Settings {
  readonly device: DeviceId | 'auto';
  readonly threads: number;
  readonly packWeights: boolean;
  readonly memoryLimit: number;
  readonly studyFolder: string;
  readonly outliveWindow: boolean;
  readonly hangTimeout: number;
  readonly node: string;
  readonly notifications: NotificationLevel;
  readonly includeWeights: boolean;
}

/**
 * What the user's settings mean. They are edited by hand: what is of another type or out of range counts as the default.
 *
 * @param read the value of a setting; undefined where it has none
 */
export function parseSettings(read: (key: SettingKey) => unknown): Settings {
  const text = (key: SettingKey): string => {
    const value = read(key);
    return typeof value === 'string' ? value.trim() : '';
  };
  const whole = (key: SettingKey, fallback: number, least: number): number => {
    const value = read(key);
    return typeof value === 'number' && Number.isFinite(value)
      ? Math.max(least, Math.floor(value))
      : fallback;
  };
  const device = text(SETTINGS.device);
  const level = text(SETTINGS.notifications);
  return {
    device: DEVICE_IDS.find((id) => id === device) ?? 'auto',
    threads: whole(SETTINGS.threads, 0, 0),
    packWeights: read(SETTINGS.packWeights) === true,
    memoryLimit: whole(SETTINGS.memoryLimit, 0, 0),
    studyFolder: text(SETTINGS.studyFolder),
    outliveWindow: read(SETTINGS.outliveWindow) === true,
    hangTimeout: whole(SETTINGS.hangTimeout, 300, 10),
    node: text(SETTINGS.node),
    notifications: NOTIFICATION_LEVELS.find((known) => known === level) ?? 'unseen',
    includeWeights: read(SETTINGS.includeWeights) === true,
  };
}
