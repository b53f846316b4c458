import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { listDevices, openEngine } from '../../src/engine/index.js';
import { geluNew, logSumExp, rmsNormalise, softmax } from '../../src/model/differentiable-operations.js';
import { expectEqual, floats, ints } from './comparison.js';

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
    await expectEqual(
      webgpu,
      eager,
      {
        name: 'webgpu block',
        inputs: {
          ids: { dtype: 'int32', shape: ['batch', 'source'] },
          table: { dtype: 'float32', shape: [11, 8] },
          w: { dtype: 'float32', shape: [8, 8] },
        },
        outputs: ['loss', 'gradient', 'best'],
        compute: ({ ids, table, w }) => {
          const [batch = 0, source = 0] = ids.shape;
          const hidden = tf.gather(table, tf.reshape(tf.cast(ids, 'int32'), [batch * source]));
          const logits = (weight: tf.Tensor): tf.Tensor => {
            const x = geluNew(tf.matMul(rmsNormalise(hidden, 1e-6), weight, false, true));
            const rows = tf.reshape(x, [batch, source, 8]);
            const mixed = tf.matMul(softmax(tf.matMul(rows, rows, false, true)), rows);
            return tf.matMul(tf.reshape(mixed, [batch * source, 8]), table, false, true);
          };
          const loss = (weight: tf.Tensor): tf.Scalar => tf.mean(logSumExp(logits(weight))).asScalar();
          const { value, grad } = tf.valueAndGrad(loss)(w);
          return { loss: value, gradient: grad, best: tf.argMax(logits(w), -1) };
        },
      },
      [
        { ids: ints([2, 3], 11), table: floats([11, 8]), w: floats([8, 8], 2) },
        { ids: ints([1, 5], 11), table: floats([11, 8]), w: floats([8, 8], 2) },
      ],
      2e-4,
    );
  });
});
