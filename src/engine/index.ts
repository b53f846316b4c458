import { DeltaloomError } from '../core/errors.js';
import type { DeviceId, DeviceReport, Engine, EngineOptions } from './contract.js';
import { DEVICES, deviceById, type Device } from './devices.js';

export { defaultThreads } from './onnxruntime.js';

/** Every device with the reason why it is or is not usable here. Nothing is started that could take long. */
export function listDevices(): Promise<DeviceReport[]> {
  return Promise.all(DEVICES.map(report));
}

async function report(device: Device): Promise<DeviceReport> {
  const { usable, reason } = await device.probe();
  return { id: device.id, title: device.title, usable, reason };
}

/**
 * Opens a device. `auto` takes the fastest that works and says so when it had to fall back; a device that was asked for by
 * name and can't be used is a DeltaloomError with the reason.
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const log = options.log ?? (() => undefined);
  if (options.device !== 'auto') return open(deviceById(options.device), options);
  for (const device of DEVICES.filter(({ automatic }) => automatic)) {
    const { usable } = await device.probe();
    if (!usable) continue;
    try {
      return await open(device, options);
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      log(`The device '${device.id}' did not start and the next one is tried: ${error.line}`);
    }
  }
  throw unusable('auto', 'no device could be started');
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
