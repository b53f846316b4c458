import { describe, expect, it } from 'vitest';
import type { TargetResult } from '../../src/core/results.js';
import { collectResults } from '../../src/core/results.js';

function result(task: string, initialisation: string, seed: number, test: number | null): TargetResult {
  const standing = { settings: 0, asked: 2, stale: false } as const;
  return {
    task,
    initialisation,
    seed,
    test,
    dev: 0.1,
    metric: 'ACC',
    deltaName: 'adapter',
    shots: 16,
    ...standing,
  };
}

describe('collectResults', () => {
  const results = [
    result('b', 'loss', 1, 0.6),
    result('b', 'loss', 2, 0.8),
    result('b', 'random', 2, 0.5),
    result('b', 'random', 1, 0.3),
    result('b', 'average', 1, 0.6),
    result('a', 'random', 1, 0.9),
    result('a', 'loss', 1, 0.7),
    result('a', 'average', 1, null),
  ];
  const [table] = collectResults(results, ['a', 'b']);

  it('has the tasks of the study in its order and the baselines first', () => {
    expect(table?.tasks.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(table?.columns.map(({ initialisation }) => initialisation)).toEqual(['random', 'average', 'loss']);
  });

  it('takes mean and deviation over seeds, and gains over both baselines', () => {
    const cell = table?.cells[1]?.[2];
    expect(cell?.values).toEqual([0.6, 0.8]);
    expect(cell?.mean).toBeCloseTo(0.7, 12);
    expect(cell?.deviation).toBeCloseTo(Math.sqrt(0.02), 12);
    expect(cell?.gainOverRandom).toBeCloseTo(0.3, 12);
    expect(cell?.gainOverAverage).toBeCloseTo(0.1, 12);
    expect(cell?.best).toBe(true);
  });

  it('leaves out what was not measured', () => {
    expect(table?.cells[0]?.[1]).toBeNull();
    expect(table?.cells[0]?.[2]?.gainOverAverage).toBeNull();
  });

  it('sums up columns over tasks', () => {
    const loss = table?.columns[2];
    expect(loss?.mean).toBeCloseTo(0.7, 12);
    expect(loss?.gainOverRandom).toBeCloseTo((0.3 - 0.2) / 2, 12);
    expect(loss?.againstRandom).toEqual({ wins: 1, ties: 0, losses: 1 });
    expect(loss?.best).toBe(true);
    // 'average' lacks a task: its mean is not comparable.
    expect(table?.columns[1]).toMatchObject({ tasks: 1, best: false });
  });

  it('keeps deltas and shots apart', () => {
    const other = { ...result('a', 'random', 1, 0.2), shots: 64 as const };
    expect(collectResults([...results, other], ['a', 'b']).map(({ shots }) => shots)).toEqual([16, 64]);
  });

  describe('of several settings in one cell', () => {
    const cellOf = (...own: readonly TargetResult[]) => collectResults(own, ['a'])[0]?.cells[0]?.[0];
    const asked = (seed: number, test: number) => ({ ...result('a', 'loss', seed, test), settings: 1 });
    const other = (seed: number, test: number) =>
      ({ ...result('a', 'loss', seed, test), settings: 2, asked: 0 }) as const;

    it('shows those that are asked for, whatever was run last', () => {
      expect(cellOf(asked(1, 0.6), other(1, 0.2))?.values).toEqual([0.6]);
      expect(cellOf(other(1, 0.2), asked(1, 0.6))?.values).toEqual([0.6]);
    });

    it('never averages two of them over seeds', () => {
      expect(cellOf(asked(1, 0.6), other(2, 0.2))).toMatchObject({ seeds: [1], values: [0.6] });
      const oneSeed = { ...other(1, 0.3), settings: 3 };
      expect(cellOf(other(1, 0.2), other(2, 0.4), oneSeed)).toMatchObject({ seeds: [1], values: [0.3] });
    });

    it('leaves out seeds that are not asked for, unless there are no others', () => {
      const old = { ...asked(9, 0.1), asked: 1 as const };
      expect(cellOf(asked(1, 0.6), old)?.seeds).toEqual([1]);
      expect(cellOf(old, other(1, 0.2))?.seeds).toEqual([9]);
    });

    it('shows the newest where none is asked for', () => {
      expect(cellOf({ ...other(1, 0.9), settings: 3 }, other(1, 0.2), other(2, 0.4))?.values).toEqual([
        0.2, 0.4,
      ]);
    });

    it('shows none that are stale while there are others', () => {
      const stale = (seed: number, test: number) => ({ ...asked(seed, test), stale: true });
      expect(cellOf(asked(1, 0.6), stale(1, 0.2))?.values).toEqual([0.6]);
      expect(cellOf(asked(1, 0.6), stale(2, 0.2))?.seeds).toEqual([1]);
      expect(cellOf(stale(1, 0.2), other(1, 0.6))?.values).toEqual([0.2]);
    });

    it('looks at what was measured on the split only', () => {
      expect(cellOf(other(1, 0.2), { ...asked(1, 0), test: null })?.values).toEqual([0.2]);
    });
  });

  it('is empty without runs', () => {
    expect(collectResults([], ['a'])).toEqual([]);
  });
});
