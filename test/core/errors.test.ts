import { describe, expect, it } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';

describe('an error for people', () => {
  const error = new DeltaloomError('tensor-missing', 'There is no such tensor.', {
    place: { at: 'wi_0', line: 3 },
    remedy: 'Copy the file again.',
  });

  it('is one line', () => {
    expect(error.line).toBe('There is no such tensor. (at wi_0) Copy the file again.');
    expect(error.with({ place: { file: 'a.safetensors' } }).line).toBe(
      'a.safetensors:3: There is no such tensor. (at wi_0) Copy the file again.',
    );
  });

  it('stays what it is where more is known of it', () => {
    const known = error.with({ place: { file: 'a.safetensors', line: 7 } });
    expect(known).toMatchObject({
      code: 'tensor-missing',
      place: { file: 'a.safetensors', at: 'wi_0', line: 7 },
      remedy: 'Copy the file again.',
      cause: error,
    });
    expect(known.with({ remedy: 'Ask for it.' }).remedy).toBe('Ask for it.');
    expect(new DeltaloomError('x', 'X.').with({ place: { at: 'y' } }).remedy).toBeUndefined();
  });
});
