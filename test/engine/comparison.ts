import { expect } from 'vitest';
import { sizeOfShape } from '../../src/core/tensor.js';
import type { Engine, HostTensor, Program } from '../../src/engine/contract.js';

export function floats(shape: number[], seed = 1): HostTensor {
  const data = Float32Array.from({ length: sizeOfShape(shape) }, (_, index) => Math.sin(index * 1.7 + seed));
  return { dtype: 'float32', shape, data };
}

export function ints(shape: number[], below: number): HostTensor {
  const data = Int32Array.from({ length: sizeOfShape(shape) }, (_, index) => (index * 7 + 3) % below);
  return { dtype: 'int32', shape, data };
}

/** Compiles once on both engines, runs with every set of inputs, and holds `engine` to `oracle`. */
export async function expectEqual<I extends string, O extends string>(
  engine: Engine,
  oracle: Engine,
  program: Program<I, O>,
  runs: readonly Record<I, HostTensor>[],
  tolerance = 1e-5,
): Promise<void> {
  const one = await engine.compile(program, new Map());
  const two = await oracle.compile(program, new Map());
  for (const inputs of runs) {
    const got = await one.run(inputs);
    const wanted = await two.run(inputs);
    for (const name of program.outputs) {
      expect(got[name].shape, name).toEqual(wanted[name].shape);
      expect(got[name].dtype, name).toEqual(wanted[name].dtype);
      const [a, b] = [await got[name].data(), await wanted[name].data()];
      // Of the largest value: a small one among large ones is what is left of them, with their rounding.
      let scale = 1;
      for (const value of b) scale = Math.max(scale, Math.abs(value));
      let worst = 0;
      b.forEach((value, index) => {
        const difference = Math.abs((a[index] ?? NaN) - value) / scale;
        if (!(difference <= worst)) worst = difference;
      });
      expect(worst, `${program.name}: ${name}`).toBeLessThanOrEqual(tolerance);
      got[name].dispose();
      wanted[name].dispose();
    }
  }
  await one.dispose();
  await two.dispose();
}
