import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  formatReferenceResults,
  parseReferenceResults,
  parseZeroShotResults,
} from '../../src/core/reference-results.js';

describe('parseReferenceResults', () => {
  it('reads scores', () => {
    expect(parseReferenceResults('a\na,0.5\nb,1e-05\nb\na,2.0\nb,nan\n')).toEqual({
      targets: ['a', 'b'],
      sources: ['a', 'b'],
      values: [
        [[0.5], [1e-5]],
        [[2], [Number.NaN]],
      ],
    });
  });

  it('reads results of tuning, with Windows line ends', () => {
    expect(parseReferenceResults('a\r\nx,0.5,0.25\r\ny,0.5,1.0\r\n').values).toEqual([
      [
        [0.5, 0.25],
        [0.5, 1],
      ],
    ]);
  });

  it("reads GraNd's layout without target lines", () => {
    const text = 'a\na,1.0\nb\nb,2.0\na\na,3.0\nb\nb,4.0\n';
    const matrix = parseReferenceResults(text);
    expect(matrix.targets).toEqual(['a', 'b']);
    expect(matrix.values).toEqual([
      [[1], [2]],
      [[3], [4]],
    ]);
    expect(formatReferenceResults(matrix, 'grand-dev')).toBe(text);
  });

  it.each([
    ['', /empty/],
    ['a\na,x\n', /no 'source,value'/],
    ['a,1.0\n', /before the first target/],
    ['a\na,1.0\nb,2.0\nb\na,1.0\n', /same sources/],
  ])('refuses %j', (text, message) => {
    expect(() => parseReferenceResults(text, { file: 'result.tsv' })).toThrow(message);
  });
});

it('reads zero-shot results', () => {
  expect(parseZeroShotResults('0.5\n0.25\n1.0\n0.0\n', 2)).toEqual([
    [0.5, 0.25],
    [1, 0],
  ]);
  expect(() => parseZeroShotResults('0.5\n0.25\n1.0\n', 2)).toThrow(/multiple of the 2 sources/);
  expect(() => parseZeroShotResults('x\n', 1)).toThrow(/no number/);
});

const GOLDEN = new URL('../../../shared/golden/scores/adapter/raw/', import.meta.url);
describe.skipIf(!existsSync(GOLDEN))("the reference's own files (skipped without ../shared/golden)", () => {
  const files = existsSync(GOLDEN)
    ? readdirSync(GOLDEN, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.tsv'))
    : [];

  it.each(files)('come back byte by byte: %s', (file) => {
    const text = readFileSync(new URL(file, GOLDEN), 'utf8');
    const matrix = parseReferenceResults(text, { file });
    expect(matrix.targets).toHaveLength(4);
    expect(matrix.sources).toEqual(matrix.targets);
    expect(formatReferenceResults(matrix, file.startsWith('GraNd_dev') ? 'grand-dev' : 'scores')).toBe(text);
  });
});
