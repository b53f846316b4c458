import { describe, expect, it } from 'vitest';
import { bestResultOf } from '../../src/extension/tree/best-result.js';
import { collectStudyIndex, type TaskContents } from '../../src/extension/tree/study-index.js';
import type { RunRecord } from '../../src/study/records.js';
import { CONFIGURATION, makeRecords, makeRun, makeSnapshot, weightsOnDisk } from './make-study.js';

const { tuning } = CONFIGURATION.targets;
const SOURCE = makeRun({ task: 'movies', id: 'source' });

function measured(id: string, seed: number, results: { dev: number | null; test: number | null }): RunRecord {
  return makeRun({
    task: 'movies',
    id,
    role: 'target',
    seed,
    tuning,
    results: { ...SOURCE.results, ...results },
    // 'strong' and 'strong too' start alike, 'weak' otherwise.
    initialisation: id.startsWith('weak')
      ? { kind: 'random', seed: 42 }
      : { kind: 'checkpoint', task: 'hotels', id: 'source', sha256: 'a'.repeat(64) },
  });
}

function contentsOf(runs: readonly RunRecord[]): TaskContents {
  const records = { ...makeRecords(), runs, merges: [], matrices: [] };
  const contents = collectStudyIndex(makeSnapshot(records, '/study'), weightsOnDisk(records)).tasks.get(
    'movies',
  );
  if (contents === undefined) throw new Error('The task is missing.');
  return contents;
}

describe('the best result of a task', () => {
  it('is the mean over the seeds of an initialisation, not the luckiest run', () => {
    const best = bestResultOf(
      contentsOf([
        measured('weak 13', 13, { dev: 0.5, test: 0.9 }),
        measured('weak 42', 42, { dev: 0.5, test: 0.5 }),
        measured('strong 13', 13, { dev: 0.5, test: 0.75 }),
        measured('strong 42', 42, { dev: 0.5, test: 0.85 }),
      ]),
    );
    expect(best).toMatchObject({ split: 'test', seeds: 2, run: { id: 'strong 13' } });
    expect(best?.score).toBeCloseTo(0.8, 12);
  });

  it('is of a few-shot run on test, however much better a source or another is on dev', () => {
    const source = makeRun({
      task: 'movies',
      id: 'source',
      results: { ...SOURCE.results, dev: 1, test: null },
    });
    const untested = measured('strong 13', 13, { dev: 0.95, test: null });
    const tested = measured('weak 13', 13, { dev: 0.6, test: 0.55 });
    const sourceAlone = { score: 1, split: 'dev', run: { id: 'source' } };
    expect(bestResultOf(contentsOf([source, untested, tested]))).toMatchObject({
      score: 0.55,
      split: 'test',
    });
    expect(bestResultOf(contentsOf([source, untested]))).toMatchObject({ score: 0.95, split: 'dev' });
    expect(bestResultOf(contentsOf([source]))).toMatchObject(sourceAlone);
  });

  it('is none of what failed or was not measured', () => {
    const failed = makeRun({ task: 'movies', id: 'failed', role: 'target', tuning, status: 'failed' });
    const unmeasured = measured('weak 13', 13, { dev: null, test: null });
    expect(bestResultOf(contentsOf([failed, unmeasured]))).toBeNull();
  });
});
