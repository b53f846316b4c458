import * as tf from '@tensorflow/tfjs';
import { DEVICE_IDS, type DeviceId } from './contract.js';
import type { Device } from './device.js';
import { EagerEngine } from './eager.js';
import { nativeTensorFlow } from './native-tensorflow.js';
import { onnxDevice } from './onnxruntime-devices.js';

const reference: Device = {
  id: 'reference',
  title: 'TensorFlow.js in plain JavaScript (slow, for checks)',
  automatic: false,
  probe: () => Promise.resolve({ usable: true, reason: 'plain JavaScript, works everywhere' }),
  open: (report) => Promise.resolve(new EagerEngine(report, 'cpu', { '@tensorflow/tfjs': tf.version.tfjs })),
};

/** All devices. */
export const DEVICES: readonly Device[] = [
  onnxDevice('cuda', 'NVIDIA GPU (ONNX Runtime, CUDA)'),
  onnxDevice('cpu', 'CPU (ONNX Runtime)'),
  onnxDevice('webgpu', 'Any GPU (ONNX Runtime, WebGPU)'),
  nativeTensorFlow('tfjs-node-gpu', 'NVIDIA GPU (TensorFlow.js)'),
  nativeTensorFlow('tfjs-node', 'CPU (TensorFlow.js native)'),
  reference,
];

export function deviceById(id: DeviceId): Device {
  const device = DEVICES.find((candidate) => candidate.id === id);
  if (device === undefined) throw new Error(`Unknown device ${id}; known: ${DEVICE_IDS.join(', ')}`);
  return device;
}
