import { DeltaloomError } from '../core/errors.js';
import type { DeviceId, DeviceReport, Engine, EngineOptions } from './contract.js';
import type { Device } from './device.js';
import { DEVICES, deviceById } from './devices.js';
import { productSeconds } from './device-speed.js';

/** Every device with the reason why it is or is not usable here. Nothing is started that could take long. */
export function listDevices(): Promise<DeviceReport[]> {
  return Promise.all(DEVICES.map(report));
}

async function report(device: Device): Promise<DeviceReport> {
  const { usable, reason } = await device.probe();
  return { id: device.id, title: device.title, usable, reason };
}

/**
 * Opens a device. `auto` takes the one that multiplies matrices fastest, and says what it tried and took; a device that was
 * asked for by name and can't be used is a DeltaloomError with the reason.
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  return options.device === 'auto' ? openFastest(options) : open(deviceById(options.device), options);
}

async function openFastest(options: EngineOptions): Promise<Engine> {
  const log = options.log ?? (() => undefined);
  let best: { engine: Engine; seconds: number } | undefined;
  for (const device of DEVICES.filter(({ automatic }) => automatic)) {
    const { usable } = await device.probe();
    if (!usable) continue;
    try {
      const engine = await open(device, options);
      const seconds = await productSeconds(engine);
      if (best === undefined || seconds < best.seconds) {
        await best?.engine.dispose();
        best = { engine, seconds };
      } else await engine.dispose();
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      log(`The device '${device.id}' did not start and the next one is tried: ${error.line}`);
    }
  }
  if (best === undefined) throw unusable('auto', 'no device could be started');
  log(`The device '${best.engine.device.id}' was chosen: the fastest that works here.`);
  return best.engine;
}

async function open(device: Device, options: EngineOptions): Promise<Engine> {
  const found = await report(device);
  if (!found.usable) throw unusable(device.id, found.reason);
  return device.open(found, options);
}

function unusable(id: DeviceId | 'auto', reason: string): DeltaloomError {
  return new DeltaloomError('device-unusable', `The device '${id}' can't be used here: ${reason}.`, {
    remedy: "'deltaloom devices' lists all devices; 'auto' takes the fastest that works.",
  });
}
