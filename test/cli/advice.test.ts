import { describe, expect, it } from 'vitest';
import { adviceFor, withAdvice } from '../../src/cli/advice.js';
import { DeltaloomError } from '../../src/core/errors.js';

const REMEDY = "Run: deltaloom score --method loss --target 'a b'. deltaloom --help tells more.";

describe('advice of the command line', () => {
  it('names the study and the seed that the command was given', () => {
    expect(adviceFor('my study', 7)(REMEDY)).toBe(
      'Run: deltaloom score --study "my study" --seed 7 --method loss --target \'a b\'. deltaloom --help tells more.',
    );
    expect(
      adviceFor('sample', undefined)('deltaloom status lists the tasks; deltaloom init makes one.'),
    ).toBe('deltaloom status --study sample lists the tasks; deltaloom init makes one.');
  });

  it('is as it was where nothing was given', () => {
    expect(adviceFor('.', undefined)(REMEDY)).toBe(REMEDY);
  });

  it('stands in errors, which keep everything else', () => {
    const cause = new Error('the reason');
    const place = { file: 'scores/loss.json' };
    const error = new DeltaloomError('score-missing', 'No score.', { place, remedy: REMEDY, cause });
    const advised = withAdvice(error, adviceFor('.', 42));
    expect(advised).toMatchObject({ code: 'score-missing', message: 'No score.', place, cause: error });
    expect((advised as DeltaloomError).remedy).toContain('deltaloom score --seed 42 --method loss');
    expect(withAdvice(cause, adviceFor('.', 42))).toBe(cause);
  });
});
