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

/** The device, not asked again once it was usable; one that was not may be installed while this process lives. */
export function askedUntilUsable(device: Device): Device {
  let known: Promise<Probe> | undefined;
  const probe = async (): Promise<Probe> => {
    const asked = (known ??= device.probe());
    const answer = await asked;
    if (!answer.usable && known === asked) known = undefined;
    return answer;
  };
  return { ...device, probe };
}
