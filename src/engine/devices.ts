import * as tf from '@tensorflow/tfjs';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { DEVICE_IDS, type DeviceId, type DeviceReport, type Engine, type EngineOptions } from './contract.js';
import { EagerEngine } from './eager.js';
import { askInChild } from './provider-probe.js';
import { defaultThreads, OnnxRuntimeEngine } from './onnxruntime.js';

interface Probe {
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

/** Where optional peers are looked for: beside this program, as Node finds modules. */
const load = createRequire(import.meta.url);

function onnxDevice(id: 'cpu' | 'webgpu' | 'cuda', title: string, automatic: boolean): Device {
  return {
    id,
    title,
    automatic,
    probe: () => probeProvider(id),
    open: async (report, options) => {
      const runtime = await import('onnxruntime-node');
      return new OnnxRuntimeEngine(report, id, runtime, threadsOf(options), options.log ?? (() => undefined));
    },
  };
}

function threadsOf({ threads }: EngineOptions): number {
  return threads === undefined || threads === 0 ? defaultThreads() : threads;
}

/** The providers whose library comes apart from ONNX Runtime's own, by platform. */
const CUDA_LIBRARIES: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: 'libonnxruntime_providers_cuda.so',
  win32: 'onnxruntime_providers_cuda.dll',
};

/** Why the CUDA provider can't be there at all; asking ONNX Runtime for it would print its own error on the terminal. */
function missingCuda(): string | undefined {
  const library = CUDA_LIBRARIES[process.platform];
  if (library === undefined) return `ONNX Runtime has no CUDA provider for ${process.platform}`;
  const root = path.dirname(load.resolve('onnxruntime-node/package.json'));
  const file = path.join(root, 'bin', 'napi-v6', process.platform, process.arch, library);
  return existsSync(file)
    ? undefined
    : `the CUDA provider of ONNX Runtime is not installed (${library}; its npm package fetches it while installing, unless told to skip)`;
}

const USABLE = {
  cpu: 'part of ONNX Runtime, works everywhere',
  webgpu: 'a GPU adapter answered through WebGPU',
  cuda: 'the CUDA libraries of ONNX Runtime were found',
} as const;

const UNUSABLE = {
  cpu: 'ONNX Runtime does not load on this machine',
  webgpu: 'no GPU adapter answered through WebGPU',
  cuda: 'the CUDA provider of ONNX Runtime is not installed or its libraries are missing',
} as const;

/** A provider is asked once per process. */
const answers = new Map<string, Promise<Probe>>();

function probeProvider(id: 'cpu' | 'webgpu' | 'cuda'): Promise<Probe> {
  const answer = answers.get(id) ?? askProvider(id);
  answers.set(id, answer);
  return answer;
}

/**
 * Tries a provider with a model of one node: ONNX Runtime falls back silently when a provider's libraries are missing, so
 * only a session that was asked for nothing else tells.
 */
async function askProvider(id: 'cpu' | 'webgpu' | 'cuda'): Promise<Probe> {
  const missing = id === 'cuda' ? missingCuda() : undefined;
  if (missing !== undefined) return { usable: false, reason: missing };
  try {
    const { OnnxGraphBuilder } = await import('./onnx/graph-builder.js');
    const builder = new OnnxGraphBuilder();
    builder.input('x', 'float32', [1]);
    builder.output('y', builder.apply('Add', ['x', 'x']), 'float32', 1);
    const model = builder.finish('probe');
    if (id === 'cpu') await openAndRelease(model);
    else await askInChild(load.resolve('onnxruntime-node'), model, id);
    return { usable: true, reason: USABLE[id] };
  } catch (error) {
    const message =
      error instanceof Error ? withoutSource(error.message.split('\n')[0] ?? '') : String(error);
    return { usable: false, reason: `${UNUSABLE[id]} (${message})` };
  }
}

async function openAndRelease(model: Uint8Array): Promise<void> {
  const runtime = await import('onnxruntime-node');
  const session = await runtime.InferenceSession.create(model, { logSeverityLevel: 4 });
  await session.release();
}

/** ONNX Runtime's checks begin with the place in its source and the condition; what a user can read comes after. */
export function withoutSource(message: string): string {
  return message.replace(/^\S*onnxruntime\S*:\d+ .* was false\. /, '');
}

function nativeTensorFlow(id: 'tfjs-node' | 'tfjs-node-gpu', title: string): Device {
  const name = `@tensorflow/${id}`;
  return {
    id,
    title,
    automatic: false,
    probe: () => Promise.resolve(probeNative(name)),
    open: (report) => {
      // Loading registers the backend 'tensorflow' with the TensorFlow.js in use here.
      load(name);
      return Promise.resolve(
        new EagerEngine(report, 'tensorflow', {
          '@tensorflow/tfjs': tf.version.tfjs,
          [name]: versionOf(name),
        }),
      );
    },
  };
}

function probeNative(name: string): Probe {
  try {
    load.resolve(name);
  } catch {
    return { usable: false, reason: `${name} is not installed (optional: npm install ${name})` };
  }
  try {
    load(name);
    return { usable: true, reason: `${name} ${versionOf(name)} is installed` };
  } catch (error) {
    const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return {
      usable: false,
      reason: `${name} is installed but does not load on Node ${process.versions.node} (${message}); its binaries are built for certain versions of Node`,
    };
  }
}

function versionOf(name: string): string {
  return (load(`${name}/package.json`) as { version: string }).version;
}

const reference: Device = {
  id: 'reference',
  title: 'TensorFlow.js in plain JavaScript (slow, for checks)',
  automatic: false,
  probe: () => Promise.resolve({ usable: true, reason: 'plain JavaScript, works everywhere' }),
  open: (report) => Promise.resolve(new EagerEngine(report, 'cpu', { '@tensorflow/tfjs': tf.version.tfjs })),
};

/** All devices. */
export const DEVICES: readonly Device[] = [
  onnxDevice('cuda', 'NVIDIA GPU (ONNX Runtime, CUDA)', true),
  onnxDevice('cpu', 'CPU (ONNX Runtime)', true),
  onnxDevice('webgpu', 'Any GPU (ONNX Runtime, WebGPU)', true),
  nativeTensorFlow('tfjs-node-gpu', 'NVIDIA GPU (TensorFlow.js)'),
  nativeTensorFlow('tfjs-node', 'CPU (TensorFlow.js native)'),
  reference,
];

export function deviceById(id: DeviceId): Device {
  const device = DEVICES.find((candidate) => candidate.id === id);
  if (device === undefined) throw new Error(`Unknown device ${id}; known: ${DEVICE_IDS.join(', ')}`);
  return device;
}
