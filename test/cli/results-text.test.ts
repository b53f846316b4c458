import { describe, expect, it } from 'vitest';
import { adviceFor } from '../../src/cli/advice.js';
import { resultsInWords } from '../../src/cli/results-text.js';
import { studySchema } from '../../src/study/configuration.js';
import type { RunRecord } from '../../src/study/records.js';
import type { JudgedSnapshot } from '../../src/study/judged-snapshot.js';
import { aRun } from '../study/records-for-tests.js';

function snapshot(...runs: readonly RunRecord[]): JudgedSnapshot {
  return {
    directory: 'study',
    configuration: studySchema.parse({ version: 1, backbone: 'backbone', tasks: 'tasks' }),
    problems: [],
    tasks: [{ name: 'boolq', groups: [], metric: 'ACC', data: [] }],
    runs,
    matrices: [],
    merges: [],
    stale: new Map(),
  };
}

const advise = adviceFor('.', undefined);

describe('results in words', () => {
  const { results, tuning } = aRun({
    tuning: studySchema.shape.targets.unwrap().shape.tuning.parse({}),
  });

  it('are the tables of a split', () => {
    expect(resultsInWords(snapshot(aRun({})), 'test', undefined, advise)).toMatch(
      /^adapter, 16 shots, test \(%\)\n.*\nboolq +ACC +50\.0/,
    );
  });

  it('say where results are that were not measured on test', () => {
    const untested = aRun({ results: { ...results, test: null, testExamples: null } });
    expect(resultsInWords(snapshot(untested), 'test', undefined, advise)).toBe(
      'Nothing was measured on test, but there are results on dev: deltaloom results --split dev.',
    );
    expect(resultsInWords(snapshot(untested), 'dev', undefined, advise)).toContain('boolq');
    expect(resultsInWords(snapshot(), 'test', undefined, advise)).toMatch(/^No results yet: /);
  });

  it('are those of a seed that was asked for on the command line', () => {
    const own = aRun({ tuning });
    const other = { ...own, id: 'other', seed: 7, results: { ...results, test: 0.25 } };
    expect(resultsInWords(snapshot(own, other), 'test', undefined, advise)).toContain('50.0*');
    expect(resultsInWords(snapshot(own, other), 'test', 7, advise)).toContain('25.0*');
  });
});
