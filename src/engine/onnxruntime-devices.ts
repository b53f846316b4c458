import { existsSync } from 'node:fs';
import path from 'node:path';
import type * as OnnxRuntimeModule from 'onnxruntime-node';
import { askInChild, ProbeFailure } from './child-probe.js';
import type { EngineOptions } from './contract.js';
import { askedUntilUsable, type Device, type Probe } from './device.js';
import { keepFullPrecision } from './full-precision.js';
import { OnnxGraphBuilder } from './onnx/graph-builder.js';
import { defaultThreads, OnnxRuntimeEngine } from './onnxruntime.js';
import {
  findBesideProgram,
  findInDevicesFolder,
  installCommand,
  loadPackage,
  type FoundPackage,
} from './optional-packages.js';

const NAME = 'onnxruntime-node';

type Provider = 'cpu' | 'webgpu' | 'cuda';

/** A device that ONNX Runtime drives by the provider of that name. */
export function onnxDevice(id: Provider, title: string): Device {
  return askedUntilUsable({
    id,
    title,
    automatic: true,
    probe: () => probe(id),
    open: (report, options) => {
      if (id === 'cuda') keepFullPrecision();
      const engine = new OnnxRuntimeEngine(report, id, loadRuntime(), {
        threads: threadsOf(options),
        packWeights: options.packWeights ?? false,
        log: options.log ?? (() => undefined),
      });
      return Promise.resolve(engine);
    },
  });
}

function threadsOf({ threads }: EngineOptions): number {
  return threads === undefined || threads === 0 ? defaultThreads() : threads;
}

/**
 * ONNX Runtime as it came with Deltaloom, or the same version in the devices folder: there npm may have fetched the CUDA
 * provider, which is too large for the package itself.
 */
function findRuntime(): { runtime: FoundPackage; refused?: FoundPackage } {
  const own = findBesideProgram(NAME);
  if (own === undefined)
    throw new Error(`${NAME} is not installed beside Deltaloom; install Deltaloom again`);
  const other = findInDevicesFolder(NAME);
  if (other === undefined || !existsSync(cudaLibrary(other))) return { runtime: own };
  return other.version === own.version ? { runtime: other } : { runtime: own, refused: other };
}

/**
 * ONNX Runtime reports its sessions and their graphs to its maker unless this is set before its library is loaded, in this process
 * or one that it starts. Deltaloom promises that nothing is reported, so nobody is asked.
 */
function refuseTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
}

/** One process loads one ONNX Runtime, for every provider. */
function chosenRuntime(): FoundPackage {
  chosen ??= findRuntime().runtime;
  return chosen;
}

let chosen: FoundPackage | undefined;

function loadRuntime(): typeof OnnxRuntimeModule {
  refuseTelemetry();
  return loadPackage(chosenRuntime()) as typeof OnnxRuntimeModule;
}

/** Where the package's install script puts the provider; only Linux has one, and the name is asked for on Linux alone. */
function cudaLibrary({ folder }: FoundPackage): string {
  const library = 'libonnxruntime_providers_cuda.so';
  return path.join(folder, 'bin', 'napi-v6', process.platform, process.arch, library);
}

/** Why the CUDA provider can't be there at all; asking ONNX Runtime for it would say less. */
function missingCuda(): string | undefined {
  if (
    !loadRuntime()
      .listSupportedBackends()
      .some(({ name }) => name === 'cuda')
  )
    return `ONNX Runtime's npm package has no CUDA provider for ${process.platform} on ${process.arch}`;
  const { runtime, refused } = findRuntime();
  if (existsSync(cudaLibrary(runtime)))
    return runtime.folder === chosenRuntime().folder
      ? undefined
      : 'the CUDA provider of ONNX Runtime was installed while this process was at work, which must be started again';
  const command = installCommand(`${NAME}@${runtime.version}`);
  return refused === undefined
    ? `the CUDA provider of ONNX Runtime is not installed; to fetch it: ${command}`
    : `${NAME} ${refused.version} in ${refused.folder} is not the ${runtime.version} that Deltaloom needs; to change it: ${command}`;
}

const USABLE = {
  cpu: 'part of ONNX Runtime, works everywhere',
  webgpu: 'a GPU adapter answered through WebGPU',
  cuda: 'an NVIDIA GPU answered through CUDA',
} as const;

const UNUSABLE = {
  cpu: 'ONNX Runtime does not load on this machine',
  webgpu: 'no GPU adapter answered through WebGPU',
  cuda: 'the CUDA provider of ONNX Runtime does not start',
} as const;

/**
 * Multiplies and reduces on a provider, each of which may need a library of its own; a session that was asked for no other
 * provider tells, since ONNX Runtime falls back silently.
 */
const MULTIPLY = `
const [runtime, model, provider] = process.argv.slice(1);
async function multiply() {
  const { InferenceSession, Tensor } = require(runtime);
  const options = { executionProviders: [provider], logSeverityLevel: 3 };
  const session = await InferenceSession.create(Buffer.from(model, 'base64'), options);
  const results = await session.run({ x: new Tensor('float32', Float32Array.of(1, 1, 1, 1), [2, 2]) });
  const mean = results[session.outputNames[0]].data[0];
  if (mean !== 2) throw new Error('it computes 1 + 1 = ' + mean);
  await session.release();
}
multiply().then(
  () => process.exit(0),
  (error) => process.stdout.write(error.message, () => process.exit(1)),
);
`;

async function probe(id: Provider): Promise<Probe> {
  try {
    const missing = id === 'cuda' ? missingCuda() : undefined;
    if (missing !== undefined) return { usable: false, reason: missing };
    if (id === 'cpu') await openAndRelease();
    else await askProvider(chosenRuntime().entry, id);
    return { usable: true, reason: USABLE[id] };
  } catch (error) {
    return { usable: false, reason: `${UNUSABLE[id]} (${readableReason(error)})` };
  }
}

/**
 * Asks ONNX Runtime in a process of its own to compute on a provider.
 *
 * @param runtime what `require` takes
 * @throws ProbeFailure
 */
export async function askProvider(runtime: string, provider: string): Promise<void> {
  refuseTelemetry();
  await askInChild(MULTIPLY, [runtime, Buffer.from(multiplication()).toString('base64'), provider]);
}

async function openAndRelease(): Promise<void> {
  const session = await loadRuntime().InferenceSession.create(multiplication(), { logSeverityLevel: 4 });
  await session.release();
}

/** x [2, 2] -> the mean of x x, [1, 1]. */
function multiplication(): Uint8Array {
  const builder = new OnnxGraphBuilder();
  builder.input('x', 'float32', [2, 2]);
  const product = builder.apply('MatMul', ['x', 'x']);
  builder.output('mean', builder.apply('ReduceMean', [product]), 'float32', 2);
  return builder.finish('multiplication');
}

/**
 * What a user can read of why a provider does not start. ONNX Runtime's checks begin with the place in its source and the
 * condition; which library the system's loader missed it only prints; CUDA's failures are surrounded by places.
 */
export function readableReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const printed = error instanceof ProbeFailure ? error.printed : '';
  const unloaded = / with error: (.+?): (.+)/.exec(printed);
  if (unloaded !== null) {
    const [, library = '', why = ''] = unloaded;
    if (!why.startsWith('cannot open')) return `${path.basename(library)}: ${why}`;
    if (library === 'libcuda.so.1') return "NVIDIA's driver is not installed: its libcuda.so.1 was not found";
    return `${path.basename(library)} was not found: install the CUDA libraries of that version, or name their folder in LD_LIBRARY_PATH`;
  }
  const failed = /CUDA failure \d+: [^;]*[^;\s]/.exec(error.message)?.[0];
  if (failed !== undefined) return failed;
  const line = error.message.split('\n')[0] ?? '';
  return line.replace(/^\S*onnxruntime\S*:\d+ .* was false\. /, '');
}
