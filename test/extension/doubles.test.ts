import { describe, expect, it } from 'vitest';
import { withoutDoubles } from '../../src/extension/problems/doubles.js';

const at = (start: number, end = start) => ({ range: { start: { line: start }, end: { line: end } } });
const ours = (code: string, line: number) => ({ code, ...at(line) });

describe('findings in deltaloom.json', () => {
  it('are left to the editor where it reports the same line by the schema', () => {
    const unknown = ours('study-property-unknown', 4);
    const invalid = ours('study-property-invalid', 9);
    expect(withoutDoubles([unknown, invalid], [at(4)])).toEqual([invalid]);
    expect(withoutDoubles([unknown, invalid], [at(3, 10)])).toEqual([]);
    expect(withoutDoubles([unknown, invalid], [])).toEqual([unknown, invalid]);
  });

  it('stay where only we can know them', () => {
    const task = ours('task-unknown', 4);
    expect(withoutDoubles([task], [at(4)])).toEqual([task]);
  });
});
