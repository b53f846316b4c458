import { isDeepStrictEqual } from 'node:util';
import type { DeviceReport, Engine } from '../engine/contract.js';
import { openEngine } from '../engine/index.js';
import type { DeviceSettings } from './protocol.js';

/** One engine at a time, kept from job to job while the settings stay: opening a device and compiling take seconds. */
export class EngineHolder {
  private held: { readonly settings: DeviceSettings; readonly engine: Engine } | undefined;
  private listener: (device: DeviceReport) => void = () => undefined;

  onOpened(listener: (device: DeviceReport) => void): void {
    this.listener = listener;
  }

  /** @throws DeltaloomError of the engine, when the device can't be opened */
  async get(settings: DeviceSettings, log: (line: string) => void): Promise<Engine> {
    if (this.held !== undefined && isDeepStrictEqual(this.held.settings, settings)) return this.held.engine;
    await this.release();
    const engine = await openEngine({ ...settings, log });
    this.held = { settings, engine };
    log(`Computing on ${engine.device.title}: ${engine.device.reason}`);
    this.listener(engine.device);
    return engine;
  }

  async release(): Promise<void> {
    const { held } = this;
    this.held = undefined;
    await held?.engine.dispose();
  }
}
