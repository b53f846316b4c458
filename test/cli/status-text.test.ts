import { describe, expect, it } from 'vitest';
import { adviceFor } from '../../src/cli/advice.js';
import { describeStatus } from '../../src/cli/status-text.js';
import type { PieceStatus } from '../../src/study/status.js';

function cells(stale: number): PieceStatus {
  const reason = 'the backbone changed';
  return {
    kind: 'cells by loss',
    counts: { done: 6, stale, missing: 0, failed: 0, cancelled: 0 },
    details: Array.from({ length: stale }, (_, index) => ({
      name: `a on b${index}`,
      state: 'stale',
      reason,
    })),
  };
}

function lines(stale: number): string[] {
  const status = {
    holder: null,
    deltas: [{ deltaName: 'adapter', pieces: [cells(stale)] }],
    problems: 2,
  };
  return describeStatus(status, adviceFor('.', undefined)).split('\n');
}

describe('what status prints', () => {
  it('counts, gives reasons, and says where problems are listed', () => {
    expect(lines(1)).toEqual([
      'adapter:',
      '  cells by loss  6 done  1 stale',
      '    stale  a on b0: the backbone changed',
      '2 problems: deltaloom check lists them.',
    ]);
  });

  it('does not give the same reason a thousand times', () => {
    expect(lines(1000).slice(2, -1)).toEqual([
      ...[0, 1, 2, 3, 4].map((index) => `    stale  a on b${index}: the backbone changed`),
      '    and 995 more of the cells by loss: deltaloom status --json lists all.',
    ]);
  });
});
