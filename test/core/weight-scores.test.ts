import { expect, it } from 'vitest';
import type { DeltaTensors } from '../../src/core/tensor.js';
import { euclideanDistance, weightCosine } from '../../src/core/weight-scores.js';

const delta = (first: number[], second: number[]): DeltaTensors =>
  new Map([
    ['encoder.block.0.layer.0.adapter.adapter_A', { shape: [2], data: Float32Array.from(first) }],
    ['decoder.block.0.layer.0.adapter.adapter_A', { shape: [2], data: Float32Array.from(second) }],
  ]);

it('takes the mean of the cosines of tensors', () => {
  expect(weightCosine(delta([1, 0], [1, 0]), delta([2, 0], [0, 3]), 'model')).toEqual({
    parts: ['model'],
    values: [0.5],
  });
});

it('gives every block its own', () => {
  expect(weightCosine(delta([1, 0], [1, 0]), delta([2, 0], [0, 3]), 'block')).toEqual({
    parts: ['encoder.block.0', 'decoder.block.0'],
    values: [1, 0],
  });
});

it('reads the change from the shared initialisation', () => {
  const initial = delta([1, 1], [1, 1]);
  const { values } = weightCosine(delta([2, 1], [1, 2]), delta([0, 1], [1, 1]), 'block', initial);
  // Opposite changes; and a tensor that did not change at all.
  expect(values).toEqual([-1, 0]);
});

it('adds the distances of tensors', () => {
  expect(euclideanDistance(delta([0, 0], [1, 1]), delta([3, 4], [1, 2]))).toBe(6);
});
