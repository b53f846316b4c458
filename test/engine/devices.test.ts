import { describe, expect, it } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';
import { DEVICE_IDS } from '../../src/engine/contract.js';
import { listDevices, openEngine } from '../../src/engine/index.js';

describe('devices', () => {
  it('are all listed, each with a reason', async () => {
    const devices = await listDevices();
    expect(devices.map(({ id }) => id).sort()).toEqual([...DEVICE_IDS].sort());
    for (const { reason } of devices) expect(reason.length).toBeGreaterThan(10);
    expect(devices.find(({ id }) => id === 'cpu')?.usable).toBe(true);
    expect(devices.find(({ id }) => id === 'reference')?.usable).toBe(true);
  });

  it('asked for by name never fall back', async () => {
    for (const { id, usable, reason } of await listDevices()) {
      if (usable) continue;
      const opening = openEngine({ device: id });
      await expect(opening).rejects.toBeInstanceOf(DeltaloomError);
      await expect(opening).rejects.toThrow(reason.slice(0, 40));
    }
  });

  it('are chosen automatically among those that work, and it is said which', async () => {
    const said: string[] = [];
    const engine = await openEngine({ device: 'auto', log: (message) => said.push(message) });
    expect(engine.device.usable).toBe(true);
    expect(said.join()).toContain(`'${engine.device.id}' was chosen`);
    await engine.dispose();
  });
});
