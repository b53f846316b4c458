import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Program } from '../../../src/engine/contract.js';
import { Lowering } from '../../../src/engine/tracing/lowering.js';
import { traceProgram } from '../../../src/engine/tracing/trace.js';

/** Primes large enough that no other expression gives the same numbers. */
const SIZES = {
  batch: [1009, 3011],
  source: [2011, 7001],
  past: [5021, 11027],
  more: [9001, 23003],
} as const;

/** The model of a program whose inputs vary in the sizes above. */
function lower<Input extends string, Output extends string>(program: Program<Input, Output>): Buffer {
  const [one, two] = ([0, 1] as const).map((trace) =>
    traceProgram(
      program,
      new Map(),
      new Map(Object.entries(SIZES).map(([name, sizes]) => [name, sizes[trace]])),
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

  it('leaves out what follows no known size and is not needed', () => {
    const model = lower({
      name: 'joined',
      inputs: {
        a: { dtype: 'float32', shape: ['batch'] },
        b: { dtype: 'float32', shape: ['source'] },
        c: { dtype: 'float32', shape: ['past'] },
        d: { dtype: 'float32', shape: ['more'] },
      },
      outputs: ['y'],
      compute: ({ a, b, c, d }) => ({ y: tf.exp(tf.concat([a, b, c, d])) }),
    });
    expect(model.toString('latin1')).toContain('Concat');
  });
});
