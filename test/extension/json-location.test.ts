import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { locateProblem } from '../../src/extension/problems/diagnostics-location.js';
import { findProperty } from '../../src/extension/problems/json-location.js';

const TEXT = `{
  // a comment, as VS Code allows
  "version": 1,
  "deltas": {
    "adapter": { "type": "adapter", "size": -4 },
    "weird\\"name": [10, 20, { "x": true }],
  },
  "backbone": "some/where"
}
`;

function slice(path: (string | number)[]): string | undefined {
  const found = findProperty(TEXT, path);
  return found === undefined ? undefined : TEXT.slice(found.value.start, found.value.end);
}

describe('findProperty', () => {
  it('finds values in objects and arrays, beside comments and trailing commas', () => {
    expect(slice(['version'])).toBe('1');
    expect(slice(['deltas', 'adapter', 'size'])).toBe('-4');
    expect(slice(['deltas', 'weird"name', 2, 'x'])).toBe('true');
    expect(slice(['backbone'])).toBe('"some/where"');
  });

  it('answers with the nearest parent of what is missing', () => {
    expect(slice(['deltas', 'adapter', 'nonlinearity'])).toBe('{ "type": "adapter", "size": -4 }');
    expect(slice(['nothing'])).toBeUndefined();
  });

  it('finds what JSON.parse finds, whatever the document', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat({ max: 4 }), (value, space) => {
        const text = JSON.stringify(value, null, space);
        for (const [name, inner] of Object.entries(value)) {
          const found = findProperty(text, [name]);
          if (found === undefined) return false;
          expect(JSON.parse(text.slice(found.value.start, found.value.end))).toEqual(
            JSON.parse(JSON.stringify(inner)),
          );
        }
        return true;
      }),
    );
  });

  it('always ends, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', 'a', '\\', '/', '*', ' ', '\n'),
        }),
        (text) => {
          findProperty(text, ['a', 0]);
          return true;
        },
      ),
    );
  });
});

describe('locateProblem', () => {
  const problem = {
    severity: 'error',
    code: 'x',
    message: 'm',
    remedy: 'r',
    file: 'deltaloom.json',
  } as const;

  it('underlines the value of the property', () => {
    const { start, end } = locateProblem({ ...problem, path: ['deltas', 'adapter', 'size'] }, TEXT);
    expect([start, end]).toEqual([
      { line: 4, character: 44 },
      { line: 4, character: 46 },
    ]);
  });

  it('underlines the name where the value is long', () => {
    expect(locateProblem({ ...problem, path: ['deltas'] }, TEXT).start).toEqual({ line: 3, character: 2 });
    expect(locateProblem({ ...problem, path: ['deltas'] }, TEXT).end).toEqual({ line: 3, character: 10 });
  });

  it('underlines a line, or the first one', () => {
    expect(locateProblem({ ...problem, line: 3 }, TEXT)).toEqual({
      start: { line: 2, character: 2 },
      end: { line: 2, character: 15 },
    });
    expect(locateProblem(problem, '')).toEqual({
      start: { line: 0, character: 0 },
      end: { line: 0, character: 1 },
    });
  });
});
