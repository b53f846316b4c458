import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { studyReport } from '../../src/study/report/report.js';
import { readJudgedSnapshot } from '../../src/study/judged-snapshot.js';
import { StudyStore } from '../../src/study/store.js';
import { studyWeights } from '../../src/study/study-weights.js';
import { exampleStudy } from '../support/example-study.js';
import { writeTinyStudy } from '../support/tiny-study.js';

describe('the weights of a study that merges fewer sources than its matrix has', () => {
  let study: string;
  beforeEach(async () => {
    const example = exampleStudy({ tasks: 4, methods: ['loss'] });
    const [matrix] = example.matrices;
    const [target, first, second, outside] = example.tasks;
    if (matrix === undefined || target === undefined) throw new Error('no example');
    study = await mkdtemp(join(tmpdir(), 'deltaloom-weights-'));
    const sources = { tasks: [first, second] };
    await writeTinyStudy(study, { tasks: example.tasks, configuration: { sources, groups: {} } });
    // The column of another study's day, with the cell of this target never made.
    const cells = matrix.cells.filter((cell) => cell.target !== target || cell.source !== outside);
    const store = new StudyStore(study);
    await store.writeMatrix({ ...matrix, cells });
    for (const run of example.runs) if (run.role === 'source') await store.writeRun(run);
  });
  afterEach(() => rm(study, { recursive: true }));

  it('are those of the sources that it merges', async () => {
    const by = { kind: 'score', method: 'loss', granularity: 'model' } as const;
    const chosen = await studyWeights(study, { target: 'compare_00', deltaName: 'adapter', by });
    expect(chosen.sources).toEqual(['compare_01', 'compare_02']);
  });

  it('are those of the same sources in the report', async () => {
    const report = studyReport(await readJudgedSnapshot(study));
    const weighed = /<th scope="row">compare_03<\/th>\s*<td>([^<]*%)<\/td>/.exec(report)?.[1] ?? '';
    expect([...weighed.matchAll(/compare_\d\d/g)].map(([name]) => name).sort()).toEqual([
      'compare_01',
      'compare_02',
    ]);
  });
});
