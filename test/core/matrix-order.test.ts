import fc from 'fast-check';
import { expect, it } from 'vitest';
import { orderByClustering, orderByGroup, orderByValue } from '../../src/core/matrix-order.js';

it('puts the members of a group side by side', () => {
  expect(orderByGroup(['a', 'b', 'c', 'd'], { second: ['d', 'b'], first: ['a'] })).toEqual([1, 3, 0, 2]);
});

it('puts the most similar first and the unknown last', () => {
  expect(orderByValue([3, null, 1, 2], 'lower')).toEqual([2, 3, 0, 1]);
  expect(orderByValue([3, null, 1, 2], 'higher')).toEqual([0, 3, 2, 1]);
});

it('brings like rows together', () => {
  const order = orderByClustering([
    [0, 0],
    [10, 10],
    [0.1, 0],
    [10, 10.1],
  ]);
  expect(order).toEqual([0, 2, 1, 3]);
});

it('is a permutation whatever is missing', () => {
  const cell = fc.option(fc.double({ noNaN: true, min: -1e6, max: 1e6 }));
  const matrix = fc
    .integer({ min: 0, max: 8 })
    .chain((size) =>
      fc.array(fc.array(cell, { minLength: size, maxLength: size }), { minLength: size, maxLength: size }),
    );
  fc.assert(
    fc.property(matrix, (rows) => {
      expect([...orderByClustering(rows)].sort((a, b) => a - b)).toEqual(rows.map((_, i) => i));
    }),
  );
});
