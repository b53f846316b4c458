import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { listDevices, openEngine } from '../../src/engine/index.js';
import { nativeTensorFlow } from '../../src/engine/native-tensorflow.js';
import { expectEqual } from './comparison.js';
import { BLOCK_RUNS, MODEL_BLOCK } from './model-block.js';

const device = (await listDevices()).find(({ id }) => id === 'tfjs-node');
if (device?.usable !== true) {
  console.warn(`The tfjs-node device is not checked: ${device?.reason ?? 'unknown'}`);
}

describe.skipIf(device?.usable !== true)('the tfjs-node device', () => {
  let native: Engine;
  let cpu: Engine;
  beforeAll(async () => {
    // Before it: loading the native package registers the library's own gradients again.
    cpu = await openEngine({ device: 'cpu' });
    native = await openEngine({ device: 'tfjs-node' });
  });
  afterAll(async () => {
    await native.dispose();
    await cpu.dispose();
  });

  it('computes a block of the model and its gradient like the cpu device', async () => {
    await expectEqual(native, cpu, MODEL_BLOCK, BLOCK_RUNS);
  });
});

describe('a native package of TensorFlow.js', () => {
  let devices: string;
  beforeEach(async () => {
    devices = await mkdtemp(path.join(tmpdir(), 'deltaloom-devices-'));
    vi.stubEnv('DELTALOOM_DEVICES', devices);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(devices, { recursive: true });
  });

  async function install(name: string, code: string): Promise<void> {
    const folder = path.join(devices, 'node_modules', name);
    await mkdir(folder, { recursive: true });
    await writeFile(
      path.join(folder, 'package.json'),
      JSON.stringify({ name, version: '4.2.0', main: 'main.js' }),
    );
    await writeFile(path.join(folder, 'main.js'), code);
  }

  const computing = (gpu: boolean) =>
    `exports.ones = () => 1; exports.matMul = () => ({ dataSync: () => [2] }); exports.backend = () => ({ isUsingGpuDevice: ${gpu} });`;

  it.skipIf(device?.usable === true)('that is not installed says how to', async () => {
    const { usable, reason } = await nativeTensorFlow('tfjs-node', '').probe();
    expect(usable).toBe(false);
    expect(reason).toContain(`npm install --prefix ${devices} @tensorflow/tfjs-node`);
  });

  it('that computes is usable', async () => {
    await install('@tensorflow/tfjs-node', computing(false));
    await expect(nativeTensorFlow('tfjs-node', '').probe()).resolves.toEqual({
      usable: true,
      reason: '@tensorflow/tfjs-node 4.2.0 is installed and computes',
    });
  });

  it('computes with full precision on a GPU, unless a user wants it otherwise', async () => {
    await install('@tensorflow/tfjs-node-gpu', computing(true));
    const gpu = nativeTensorFlow('tfjs-node-gpu', '');
    const report = { id: gpu.id, title: '', ...(await gpu.probe()) };
    for (const [set, kept] of [
      [undefined, '0'],
      ['1', '1'],
    ] as const) {
      vi.stubEnv('NVIDIA_TF32_OVERRIDE', set);
      await (await gpu.open(report, { device: gpu.id })).dispose();
      expect(process.env['NVIDIA_TF32_OVERRIDE']).toBe(kept);
    }
  });

  it('made for a GPU needs one: it would compute on the processor without a word', async () => {
    const gpu = nativeTensorFlow('tfjs-node-gpu', '');
    expect((await gpu.probe()).reason).toMatch(/not installed/);
    await install('@tensorflow/tfjs-node-gpu', computing(false));
    const without = await gpu.probe();
    expect(without.usable).toBe(false);
    expect(without.reason).toMatch(/finds no GPU/);
    await install('@tensorflow/tfjs-node-gpu', computing(true));
    expect((await gpu.probe()).usable).toBe(true);
  });

  // TensorFlow.js 4.22 loads under Node 23 and later and fails in every operation.
  it('that loads and fails to compute says so, with the version of Node', async () => {
    await install(
      '@tensorflow/tfjs-node',
      "exports.ones = () => 1; exports.matMul = () => { throw new TypeError('isNullOrUndefined is not a function'); };",
    );
    const { usable, reason } = await nativeTensorFlow('tfjs-node', '').probe();
    expect(usable).toBe(false);
    expect(reason).toContain(
      `Node ${process.versions.node} (TypeError: isNullOrUndefined is not a function)`,
    );
  });

  it('that crashes takes nothing with it', async () => {
    await install('@tensorflow/tfjs-node', "process.kill(process.pid, 'SIGKILL');");
    const { usable, reason } = await nativeTensorFlow('tfjs-node', '').probe();
    expect(usable).toBe(false);
    expect(reason).toContain('crashed with SIGKILL');
  });
});
