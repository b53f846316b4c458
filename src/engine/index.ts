import * as tf from '@tensorflow/tfjs';
import { DeltaloomError } from '../core/errors.js';
import type { Engine, EngineOptions } from './contract.js';
import { EagerEngine } from './eager.js';

/** Opens a device. Throws a DeltaloomError with the reason when the device asked for can't be used here. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  if (options.device !== 'reference') {
    throw new DeltaloomError('device-unusable', `The device '${options.device}' can't be used here.`, {
      remedy: 'deltaloom devices lists the devices with the reason why each is or is not usable.',
    });
  }
  return Promise.resolve(
    new EagerEngine(
      {
        id: 'reference',
        title: 'TensorFlow.js cpu (slow reference)',
        usable: true,
        reason: 'Plain JavaScript: always usable.',
      },
      'cpu',
      { '@tensorflow/tfjs': tf.version['tfjs'] },
    ),
  );
}
