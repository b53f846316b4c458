import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEVICE_IDS } from '../../src/engine/contract.js';
import { SETTINGS, type SettingKey } from '../../src/extension/identifiers.js';
import { NOTIFICATION_LEVELS } from '../../src/extension/jobs/announcements.js';
import { parseSettings } from '../../src/extension/setting-values.js';

interface Property {
  readonly default: unknown;
  readonly enum?: readonly string[];
  readonly enumDescriptions?: readonly string[];
  readonly minimum?: number;
}

const file = path.resolve(import.meta.dirname, '..', '..', 'package.json');
const { properties } = (
  JSON.parse(readFileSync(file, 'utf8')) as {
    contributes: { configuration: { properties: Readonly<Record<string, Property>> } };
  }
).contributes.configuration;

function property(key: SettingKey): Property {
  const found = properties[`deltaloom.${key}`];
  if (found === undefined) throw new Error(`package.json declares no '${key}'.`);
  return found;
}

describe('the settings', () => {
  it('have the same defaults in package.json and in the code', () => {
    expect(parseSettings((key) => property(key).default)).toEqual(parseSettings(() => undefined));
  });

  it('offer exactly the devices and levels that the code knows, each with a description', () => {
    expect(property(SETTINGS.device).enum).toEqual(['auto', ...DEVICE_IDS]);
    expect(property(SETTINGS.notifications).enum).toEqual([...NOTIFICATION_LEVELS]);
    for (const key of [SETTINGS.device, SETTINGS.notifications]) {
      expect(property(key).enumDescriptions).toHaveLength(property(key).enum?.length ?? 0);
    }
  });

  it('hold what was chosen', () => {
    const chosen: Partial<Record<SettingKey, unknown>> = {
      [SETTINGS.device]: 'webgpu',
      [SETTINGS.threads]: 3,
      [SETTINGS.packWeights]: true,
      [SETTINGS.memoryLimit]: 4096,
      [SETTINGS.studyFolder]: ' studies/one ',
      [SETTINGS.outliveWindow]: true,
      [SETTINGS.hangTimeout]: 60,
      [SETTINGS.node]: '/usr/bin/node',
      [SETTINGS.notifications]: 'failures',
      [SETTINGS.includeWeights]: true,
    };
    expect(Object.keys(chosen).sort()).toEqual(Object.values(SETTINGS).sort());
    expect(parseSettings((key) => chosen[key])).toEqual({
      device: 'webgpu',
      threads: 3,
      packWeights: true,
      memoryLimit: 4096,
      studyFolder: 'studies/one',
      outliveWindow: true,
      hangTimeout: 60,
      node: '/usr/bin/node',
      notifications: 'failures',
      includeWeights: true,
    });
  });

  it('survive what a person mistyped in settings.json', () => {
    const wrong = (value: unknown) => parseSettings(() => value);
    for (const value of ['no such thing', -7, Number.NaN, null, [], {}]) {
      const { device, threads, packWeights, memoryLimit, hangTimeout, notifications } = wrong(value);
      expect([device, notifications]).toEqual(['auto', 'unseen']);
      expect([threads, packWeights, memoryLimit]).toEqual([0, false, 0]);
      expect(hangTimeout).toBeGreaterThanOrEqual(property(SETTINGS.hangTimeout).minimum ?? 0);
    }
    expect(wrong(2.7).threads).toBe(2);
  });
});
