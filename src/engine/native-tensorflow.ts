import * as tf from '@tensorflow/tfjs';
import { askInChild } from './child-probe.js';
import { askedUntilUsable, type Device, type Probe } from './device.js';
import { EagerEngine } from './eager.js';
import { keepFullPrecision } from './full-precision.js';
import {
  findBesideProgram,
  findInDevicesFolder,
  installCommand,
  loadPackage,
  type FoundPackage,
} from './optional-packages.js';

type NativeId = 'tfjs-node' | 'tfjs-node-gpu';

/** A device that TensorFlow's own library drives, operation by operation, where the user has installed its package. */
export function nativeTensorFlow(id: NativeId, title: string): Device {
  const name = `@tensorflow/${id}`;
  return askedUntilUsable({
    id,
    title,
    automatic: false,
    probe: () => probe(id, find(name)),
    open: (report) => {
      const found = find(name);
      if (found === undefined) throw new Error(`${name} was found and is gone.`);
      load(found);
      const versions = { '@tensorflow/tfjs': tf.version.tfjs, [name]: found.version };
      return Promise.resolve(new EagerEngine(report, 'tensorflow', versions));
    },
  });
}

function find(name: string): FoundPackage | undefined {
  return findInDevicesFolder(name) ?? findBesideProgram(name);
}

/**
 * Loading registers the backend 'tensorflow' with the TensorFlow.js in use here: its copies share one registry. It also
 * registers what this one has registered already, with a warning each that production mode keeps back.
 */
function load(found: FoundPackage): void {
  tf.enableProdMode();
  keepFullPrecision();
  // TensorFlow's remarks on the processor would stand between the lines of a command; its errors stay.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  loadPackage(found);
}

/** Multiplies: the package loads with versions of Node under which its operations fail, and without the GPU it was made for. */
const MULTIPLY = `
const tf = require(process.argv[1]);
const ones = tf.ones([2, 2]);
const product = tf.matMul(ones, ones).dataSync()[0];
if (product !== 2) throw new Error('it computes 1 + 1 = ' + product);
process.stdout.write('gpu: ' + (tf.backend().isUsingGpuDevice === true), () => process.exit(0));
`;

async function probe(id: NativeId, found: FoundPackage | undefined): Promise<Probe> {
  const name = `@tensorflow/${id}`;
  if (found === undefined)
    return { usable: false, reason: `${name} is not installed (optional: ${installCommand(name)})` };
  const what = `${name} ${found.version}`;
  try {
    const answer = await askInChild(MULTIPLY, [found.entry]);
    if (id === 'tfjs-node-gpu' && !answer.endsWith('gpu: true'))
      return {
        usable: false,
        reason: `${what} is installed but finds no GPU and would compute on the processor; TensorFlow needs NVIDIA's driver and the CUDA libraries it was built for`,
      };
    return { usable: true, reason: `${what} is installed and computes` };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      usable: false,
      reason: `${what} is installed but does not work on Node ${process.versions.node} (${message}); version 4 works on Node 20 and 22, and in VS Code the setting deltaloom.runtime.node names the Node to use`,
    };
  }
}
