import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sizeOfShape } from '../../../src/core/tensor.js';
import type { StoredTensor } from '../../../src/formats/safetensors.js';
import { stretchesOf } from '../../../src/study/merging/stretches.js';

function stored(shapes: Readonly<Record<string, readonly number[]>>): Map<string, StoredTensor> {
  return new Map(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      { name, shape, dtype: 'F32', file: '', byteOffset: 0, byteLength: 4 * sizeOfShape(shape) },
    ]),
  );
}

const shapes = fc
  .array(fc.array(fc.nat(6), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 })
  .map((all) => Object.fromEntries(all.map((shape, i) => [`encoder.block.${i}.x`, shape])));

describe('stretchesOf', () => {
  it('covers every element of every tensor once, in the order of the file, within its limits', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 40 }), (given, piece) => {
        const tensors = stored(given);
        const limits = { stretch: 3 * piece, piece };
        const stretches = stretchesOf(tensors, limits);
        const met = new Map<string, number>();
        for (const { pieces, elements } of stretches) {
          expect(elements).toBeLessThanOrEqual(limits.stretch);
          let at = 0;
          for (const { segments } of pieces) {
            expect(segments.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(piece);
            for (const segment of segments) {
              expect(segment.at).toBe(at);
              expect(segment.from).toBe(met.get(segment.tensor.name) ?? 0);
              at += segment.count;
              met.set(segment.tensor.name, segment.from + segment.count);
            }
          }
          expect(at).toBe(elements);
        }
        expect([...met]).toEqual([...tensors.values()].map(({ name, shape }) => [name, sizeOfShape(shape)]));
      }),
    );
  });

  it('keeps the two factors of a LoRA module together, however large they are', () => {
    const tensors = stored({
      'encoder.block.0.layer.0.SelfAttention.q.lora_A': [40, 2],
      'encoder.x': [10],
      'encoder.block.0.layer.0.SelfAttention.q.lora_B': [2, 40],
    });
    const pieces = stretchesOf(tensors, { stretch: 100, piece: 20 }).flatMap((stretch) => stretch.pieces);
    const contents = pieces.map(({ segments }) =>
      segments.map(({ tensor, count }) => `${tensor.name} ${count}`),
    );
    expect(contents).toEqual([
      [
        'encoder.block.0.layer.0.SelfAttention.q.lora_A 80',
        'encoder.block.0.layer.0.SelfAttention.q.lora_B 80',
      ],
      ['encoder.x 10'],
    ]);
    expect(pieces.map(({ module }) => module?.a.name)).toEqual([
      'encoder.block.0.layer.0.SelfAttention.q.lora_A',
      undefined,
    ]);
  });

  it('counts the products of LoRA modules, which are far larger than their factors', () => {
    const tensors = stored(
      Object.fromEntries(
        [0, 1, 2, 3].flatMap((block) => [
          [`encoder.block.${block}.layer.0.SelfAttention.q.lora_A`, [40, 2]],
          [`encoder.block.${block}.layer.0.SelfAttention.q.lora_B`, [2, 40]],
        ]),
      ),
    );
    const modules = stretchesOf(tensors, { stretch: 4000, piece: 20 }).map(({ pieces }) => pieces.length);
    expect(modules).toEqual([2, 2]);
  });
});
