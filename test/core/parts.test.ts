import { expect, it } from 'vitest';
import { partOfTensor, partsConcerning, partsOfTensors } from '../../src/core/parts.js';

const NAMES = [
  'decoder.block.0.layer.2.adapter.adapter_A',
  'encoder.block.10.layer.0.SelfAttention.q.lora_A',
  'encoder.block.2.layer.1.adapter.adapter_B',
];

it('orders parts as data flows', () => {
  expect(partsOfTensors(NAMES, 'block')).toEqual(['encoder.block.2', 'encoder.block.10', 'decoder.block.0']);
  expect(partsOfTensors(NAMES, 'layer')[1]).toBe('encoder.block.10.layer.0');
  expect(partsOfTensors(NAMES, 'model')).toEqual(['model']);
});

it('knows the stack of a prefix', () => {
  expect(partOfTensor('decoder.prefix.prefix_project.0.weight', 'layer')).toBe('decoder');
  expect(partsConcerning('decoder.prefix.prefix', ['encoder', 'decoder'])).toEqual([1]);
  expect(
    partsConcerning('decoder.prefix.prefix', ['encoder.block.0', 'decoder.block.0', 'decoder.block.1']),
  ).toEqual([1, 2]);
});

it('finds the finest part that a table knows', () => {
  const [name = ''] = NAMES;
  expect(partsConcerning(name, ['decoder.block.0', 'decoder.block.0.layer.2'])).toEqual([1]);
  expect(partsConcerning(name, ['decoder.block.0'])).toEqual([0]);
  expect(partsConcerning(name, ['model'])).toEqual([0]);
  expect(partsConcerning(name, ['decoder.block.1'])).toEqual([]);
});
