import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { listDevices, openEngine } from '../../src/engine/index.js';
import { expectEqual } from './comparison.js';
import { BLOCK_RUNS, MODEL_BLOCK } from './model-block.js';

const device = (await listDevices()).find(({ id }) => id === 'webgpu');
if (device?.usable !== true) {
  console.warn(`The webgpu device is not checked: ${device?.reason ?? 'unknown'}`);
}

describe.skipIf(device?.usable !== true)('the webgpu device', { timeout: 240_000 }, () => {
  let webgpu: Engine;
  let eager: Engine;
  beforeAll(async () => {
    webgpu = await openEngine({ device: 'webgpu' });
    eager = await openEngine({ device: 'reference' });
  });
  afterAll(async () => {
    await webgpu.dispose();
    await eager.dispose();
  });

  it('computes a block of the model and its gradient like the eager device', async () => {
    expect(webgpu.device.id).toBe('webgpu');
    await expectEqual(webgpu, eager, MODEL_BLOCK, BLOCK_RUNS, 2e-4);
  });
});
