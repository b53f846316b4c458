import type { DeltaTensors } from '../../../src/core/tensor.js';
import type { Batch, Model, SweepStatistics, Teacher } from '../../../src/study/compute/contract.js';

/**
 * A model whose every number is a sum that can be done by hand, to test what scoring does with a model: how often it asks,
 * what it keeps, how it adds up. The numbers of real models are checked in test/golden.
 */
export interface ArithmeticModel {
  readonly model: Model;
  readonly calls: { sweeps: number; teachers: number; gradients: number; living: number };
  /** Called before every sweep; may throw or abort. */
  beforeSweep: (() => void) | null;
}

export function arithmeticModel(): ArithmeticModel {
  const calls = { sweeps: 0, teachers: 0, gradients: 0, living: 0 };
  const teacherValues = new WeakMap<Teacher, number>();
  const double: ArithmeticModel = {
    calls,
    beforeSweep: null,
    model: {
      backbone: {
        directory: '',
        name: 'arithmetic',
        fingerprint: 'f'.repeat(64),
        encoderBlocks: 1,
        decoderBlocks: 1,
        vocabularySize: 10,
        parameters: 0,
        encode: () => new Int32Array(),
        decode: () => '',
        isThere: () => Promise.resolve(true),
      },
      delta: null,
      device: { id: 'reference', title: '', usable: true, reason: '' },
      blocks: ['encoder.block.0', 'decoder.block.0'],
      layers: [],
      deltaShapes: new Map(),
      initialDelta: () => new Map(),
      teach: (delta) => {
        calls.teachers++;
        calls.living++;
        const teacher = {
          dispose: () => {
            calls.living--;
          },
        };
        teacherValues.set(teacher, first(delta));
        return Promise.resolve(teacher);
      },
      sweep: (delta, batch, teacher) => {
        double.beforeSweep?.();
        calls.sweeps++;
        const taught = teacher === null ? null : (teacherValues.get(teacher) ?? 0);
        return Promise.resolve(statistics(first(delta), batch, taught));
      },
      gradientNorms: (delta, batch) => {
        calls.gradients++;
        const squaredNorms = new Map(
          [...delta.keys()].map((name) => [name, (first(delta) * batch.size) ** 2]),
        );
        return Promise.resolve({ loss: 0, squaredNorms });
      },
      gradients: () => Promise.reject(new Error('not asked for')),
      logits: () => Promise.reject(new Error('not asked for')),
      generate: () => Promise.reject(new Error('not asked for')),
      train: () => Promise.reject(new Error('not asked for')),
      dispose: () => Promise.resolve(),
    },
  };
  return double;
}

/** Per label token: delta + label id; KL adds the teacher; the block cosine of a row is the row's number. */
function statistics(delta: number, batch: Batch, taught: number | null): SweepStatistics {
  const mask = Float32Array.from(batch.labels, (label) => Number(label >= 0));
  const tokens = Float32Array.from(batch.labels, (label) => (label < 0 ? 0 : delta + label));
  const rows = Float32Array.from(batch.rows);
  return {
    labelMask: mask,
    loss: tokens,
    el2n: tokens.map((value) => value * 2),
    logitsLabelCosine: tokens.map((value) => value * 3),
    klDivergence: taught === null ? null : tokens.map((value, i) => value + taught * (mask[i] ?? 0)),
    hiddenCosine:
      taught === null
        ? null
        : new Map([
            ['encoder.block.0', rows],
            ['decoder.block.0', rows.map((row) => row + delta)],
          ]),
  };
}

function first(delta: DeltaTensors | null): number {
  for (const { data } of delta?.values() ?? []) return data[0] ?? 0;
  return 0;
}
