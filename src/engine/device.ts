import type { DeviceId, DeviceReport, Engine, EngineOptions } from './contract.js';

/** Whether a device can be used here, and why or why not, for people. */
export interface Probe {
  readonly usable: boolean;
  readonly reason: string;
}

export interface Device {
  readonly id: DeviceId;
  readonly title: string;
  /** Whether `auto` may take it; it takes the one whose matrix product is fastest. */
  readonly automatic: boolean;
  probe(): Promise<Probe>;
  open(report: DeviceReport, options: EngineOptions): Promise<Engine>;
}

/** The device with its answer kept: it is asked once per process. */
export function askedOnce(device: Device): Device {
  let answer: Promise<Probe> | undefined;
  return { ...device, probe: () => (answer ??= device.probe()) };
}
