import { createRequire } from 'node:module';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProbeFailure } from '../../src/engine/child-probe.js';
import { askProvider, readableReason } from '../../src/engine/onnxruntime-devices.js';

const load = createRequire(import.meta.url);
const onnxruntime = path.dirname(load.resolve('onnxruntime-node/package.json'));
const { version } = load('onnxruntime-node/package.json') as { version: string };

describe('ONNX Runtime', () => {
  it('reports nothing to its maker: it leaves no queue of events behind', async () => {
    const home = await mkdtemp(path.join(tmpdir(), 'deltaloom-home-'));
    const engine = new URL('../../src/engine/index.ts', import.meta.url);
    const work = `
      import { listDevices, openEngine } from ${JSON.stringify(engine.href)};
      await listDevices();
      const engine = await openEngine({ device: 'cpu', threads: 1 });
      const compute = ({ x }) => ({ y: x.add(x) });
      const inputs = { x: { dtype: 'float32', shape: [2] } };
      const doubled = await engine.compile({ name: 'double', inputs, outputs: ['y'], compute }, new Map());
      const { y } = await doubled.run({ x: { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } });
      console.log((await y.data()).join());
    `;
    const env = { ...process.env, ORT_DISABLE_TELEMETRY: undefined };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', work],
      { env: { ...env, HOME: home, XDG_CACHE_HOME: path.join(home, '.cache') } },
    );
    expect(stdout.trim()).toBe('2,4');
    expect(await readdir(home)).toEqual([]);
    await rm(home, { recursive: true });
  });
});

describe('a provider of ONNX Runtime', () => {
  it('is asked to compute', async () => {
    await expect(askProvider(onnxruntime, 'cpu')).resolves.toBeUndefined();
    await expect(askProvider(onnxruntime, 'abacus')).rejects.toThrow(/abacus/);
  });

  it('does not start for a reason without places in the source of ONNX Runtime', () => {
    const webgpu =
      '/onnxruntime_src/core/webgpu_context.cc:136 Context::Initialize(const Config&)::<lambda()> status == Success was false. No supported adapters';
    expect(readableReason(new Error(webgpu))).toBe('No supported adapters');
    expect(readableReason(new Error('Specified provider is not supported.\nmore'))).toBe(
      'Specified provider is not supported.',
    );
  });

  // What ONNX Runtime 1.30 with its CUDA provider says on a machine without CUDA, without a driver, and with too old a one.
  it('does not start for want of a library that is named', () => {
    const said = 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library';
    const printed = (library: string) =>
      `[E:onnxruntime:onnxruntime-node, provider_bridge_ort.cc:2146 Create] [ONNXRuntimeError] : 1 : FAIL : Failed to load library x/libonnxruntime_providers_cuda.so with error: ${library}: cannot open shared object file: No such file or directory\n`;
    expect(readableReason(new ProbeFailure(said, printed('libcublasLt.so.13')))).toMatch(
      /^libcublasLt\.so\.13 was not found: install the CUDA libraries/,
    );
    expect(readableReason(new ProbeFailure(said, printed('libcuda.so.1')))).toMatch(
      /^NVIDIA's driver is not installed/,
    );
    expect(readableReason(new ProbeFailure(said, ''))).toBe(said);
    const failed =
      '/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:146 std::conditional_t<THRW, void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, int) [with ERRTYPE = cudaError; bool THRW = true] CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm ; file=x.cc ; line=352 ; expr=cudaSetDevice(info_.device_id); ';
    expect(readableReason(new ProbeFailure(failed, ''))).toBe(
      'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version',
    );
  });
});

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('the CUDA provider', () => {
  let devices: string;
  beforeEach(async () => {
    devices = await mkdtemp(path.join(tmpdir(), 'deltaloom devices-'));
    vi.stubEnv('DELTALOOM_DEVICES', devices);
    // Which ONNX Runtime is taken is settled once per process.
    vi.resetModules();
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(devices, { recursive: true });
  });

  async function probeCuda() {
    const { onnxDevice } = await import('../../src/engine/onnxruntime-devices.js');
    return onnxDevice('cuda', '').probe();
  }

  it('is fetched by a command that names version and folder', async () => {
    const { usable, reason } = await probeCuda();
    expect(usable).toBe(false);
    expect(reason).toContain(`npm install --prefix "${devices}" onnxruntime-node@${version}`);
  });

  it('is fetched by the same command in the README', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    expect(readme).toContain(`npm install --prefix ~/.deltaloom/devices onnxruntime-node@${version} `);
  });

  it('is taken from the devices folder, of the version that Deltaloom needs', async () => {
    const modules = path.join(devices, 'node_modules');
    const copy = path.join(modules, 'onnxruntime-node');
    const libraries = path.join('bin', 'napi-v6', 'linux', 'x64');
    for (const part of ['dist', libraries])
      await cp(path.join(onnxruntime, part), path.join(copy, part), { recursive: true });
    const common = path.join(path.dirname(onnxruntime), 'onnxruntime-common');
    await cp(common, path.join(modules, 'onnxruntime-common'), { recursive: true });
    // ONNX Runtime asks the system's loader for them, which refuses.
    for (const library of ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'])
      await writeFile(path.join(copy, libraries, library), 'short');
    const manifest = JSON.parse(await readFile(path.join(onnxruntime, 'package.json'), 'utf8')) as object;
    const claim = (change: object) =>
      writeFile(path.join(copy, 'package.json'), JSON.stringify({ ...manifest, ...change }));

    await claim({ version: '1.2.3' });
    const old = await probeCuda();
    expect(old.usable).toBe(false);
    expect(old.reason).toContain(
      `onnxruntime-node 1.2.3 in ${copy} is not the ${version} that Deltaloom needs`,
    );

    await claim({});
    expect((await probeCuda()).reason).toContain('was installed while this process was at work');

    vi.resetModules();
    await expect(probeCuda()).resolves.toEqual({
      usable: false,
      reason:
        'the CUDA provider of ONNX Runtime does not start (libonnxruntime_providers_shared.so: file too short)',
    });
  });
});
