import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addMergeChoice, mergeChoiceOf, mergeChoiceSchema } from '../../src/cli/merge-choice.js';

/** What the words of a command line choose in a study whose best source is chosen by EL2N. */
function chosen(...words: string[]) {
  const command = addMergeChoice(new Command('merge')).parse(['--target', 'a', ...words], { from: 'user' });
  return mergeChoiceOf(mergeChoiceSchema.parse(command.opts()), { weights: { bestSource: 'el2n' } });
}

describe('what a merge is told on the command line', () => {
  it('is the loss of the whole model if nothing is said', () => {
    expect(chosen()).toEqual({ kind: 'score', method: 'loss', granularity: 'model' });
    expect(chosen('--method', 'hidden-cosine')).toMatchObject({ granularity: 'block' });
  });

  it("takes the best source by the study's score, unless another is named", () => {
    expect(chosen('--method', 'best-source')).toEqual({ kind: 'best-source', method: 'el2n' });
    expect(chosen('--method', 'best-source', '--best-by', 'loss')).toEqual({
      kind: 'best-source',
      method: 'loss',
    });
  });

  it.each([
    ['encoder.block.0', 'block'],
    ['decoder.block.11.layer.2', 'layer'],
    // Where a prefix serves a whole stack, the stack is among the blocks.
    ['encoder', 'block'],
    ['model', 'model'],
  ])('takes the granularity of the part %s', (part, granularity) => {
    expect(chosen('--method', 'grand', '--part', part)).toMatchObject({ part, granularity });
  });

  it('takes the granularity that is named, and none that the method does not have', () => {
    const layers = ['--method', 'grand', '--granularity', 'layer', '--part', 'encoder'];
    expect(chosen(...layers)).toMatchObject({ part: 'encoder', granularity: 'layer' });
    expect(chosen('--method', 'loss', '--part', 'encoder.block.0')).toMatchObject({ granularity: 'model' });
  });
});
