import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Program } from '../../../src/engine/contract.js';
import { Lowering } from '../../../src/engine/tracing/lowering.js';
import { traceProgram } from '../../../src/engine/tracing/trace.js';

/** The model of a program whose inputs vary in 'batch' and 'source'. */
function lower<Input extends string, Output extends string>(program: Program<Input, Output>): Buffer {
  const [one, two] = [
    [7, 11],
    [13, 17],
  ].map(([batch = 0, source = 0]) =>
    traceProgram(
      program,
      new Map(),
      new Map([
        ['batch', batch],
        ['source', source],
      ]),
    ),
  );
  if (one === undefined || two === undefined) throw new Error('No traces.');
  return Buffer.from(new Lowering(program, new Map(), [one, two], 'cpu', () => undefined).run());
}

describe('a lowered program', () => {
  it('names the sizes of its results alike where they are equal, so that their memory can be shared', () => {
    const model = lower({
      name: 'sizes',
      inputs: { x: { dtype: 'float32', shape: ['batch', 'source', 4] } },
      outputs: ['y'],
      compute: ({ x }) => {
        const [batch, source] = x.shape as [number, number];
        return { y: tf.exp(tf.reshape(x, [batch * source, 4])) };
      },
    });
    // The reshaped tensor and its exponential.
    expect(model.toString('latin1').match(/\(batch\*source\)/g)).toHaveLength(2);
  });

  it('says nothing of what is no result', () => {
    const model = lower({
      name: 'constant',
      inputs: { x: { dtype: 'float32', shape: ['batch'] } },
      outputs: ['y'],
      compute: ({ x }) => ({ y: tf.add(x, tf.tensor1d([1])) }),
    });
    // Of the input and of the sum.
    expect(model.toString('latin1').match(/batch/g)).toHaveLength(2);
  });
});
