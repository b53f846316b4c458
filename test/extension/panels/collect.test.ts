import { describe, expect, it } from 'vitest';
import { collectMatrix, sourceRun } from '../../../src/extension/panels/collect.js';
import { LiveCurves } from '../../../src/extension/panels/live-curves.js';
import {
  arrangementSchema,
  hostMessageSchema,
  pageMessageSchema,
  REQUESTS,
} from '../../../src/extension/panels/messages.js';
import { jobStatus } from '../../../src/extension/panels/job-status.js';
import type { JobView } from '../../../src/runtime/protocol.js';
import { exampleStudy } from '../../support/example-study.js';
import { viewOf } from '../../support/sheet.js';

const commit = 'a'.repeat(40);
const study = exampleStudy({ tasks: 4, methods: ['loss'], blocks: 1, commit });

describe('a job as a panel tells of it', () => {
  const random = { kind: 'random' };
  const merge = {
    id: 'job',
    study: '/study',
    request: { kind: 'merge', target: 'a', deltaName: 'adapter', by: { kind: 'average' } },
    title: 'Merge for a',
    state: 'running',
    progress: null,
    outcome: null,
    error: null,
  } as unknown as JobView;

  it('names the record of a merge once there is one', () => {
    expect(jobStatus(merge)).toMatchObject({ target: 'a', merge: null, text: 'Merge for a' });
    const outcome = { records: ['.deltaloom/merges/a/x.json'], computed: 1, reused: 0, summary: 'Merged.' };
    expect(jobStatus({ ...merge, state: 'done', outcome })).toMatchObject({
      target: 'a',
      merge: '.deltaloom/merges/a/x.json',
      text: 'Merged.',
    });
  });

  it('is for a task when it tunes one only', () => {
    const tune = (tasks: string[]) =>
      ({ ...merge, request: { kind: 'tune', tasks, initialisation: random } }) as unknown as JobView;
    expect([['a'], ['a', 'b'], []].map((tasks) => jobStatus(tune(tasks)).target)).toEqual(['a', null, null]);
  });

  it('names the merge that a tuning starts from, as the merge did', () => {
    const request = { kind: 'tune', tasks: ['a'], initialisation: { kind: 'merge', id: 'x' } };
    const tuning = { ...merge, request } as unknown as JobView;
    expect(jobStatus(tuning).merge).toBe('.deltaloom/merges/a/x.json');
    const other = { ...merge, request: { ...request, initialisation: random } } as unknown as JobView;
    expect(jobStatus(other).merge).toBeNull();
  });
});

describe('what a page is told', () => {
  it('passes its own border', () => {
    const view = viewOf(study, [{ hash: commit, author: 'Ada', date: '2026-01-01', subject: 'Begin' }]);
    expect(hostMessageSchema.parse({ type: 'study', study: view })).toEqual({ type: 'study', study: view });
    expect(view.matrices[0]).toMatchObject({
      id: 'adapter/loss.model',
      direction: 'lower',
      temperature: 0.1,
      filled: 16,
    });
    expect(view.matrices[0]?.provenances[0]).toMatchObject({ author: 'Ada', subject: 'Begin' });
    expect(view.runs[0]).toMatchObject({ initialisation: 'random', role: 'source' });
  });

  it('lays cells out densely, parts innermost, with NaN for what is missing', () => {
    const matrix = study.matrices.find(({ granularity }) => granularity === 'layer');
    if (matrix === undefined) throw new Error('no layer matrix');
    const [broken] = matrix.cells;
    const cells = matrix.cells
      .slice(0, 15)
      .map((cell) => (cell === broken ? { ...cell, values: cell.values.map(() => null) } : cell));
    const dense = collectMatrix({ ...matrix, cells }, null);
    expect(dense.values).toHaveLength(4 * 4 * matrix.parts.length);
    expect(dense.values[0]).toBeNaN();
    expect(dense.values[(1 * 4 + 2) * matrix.parts.length + 3]).toBe(matrix.cells[6]?.values[3]);
    expect(dense.provenance[15]).toBe(-1);
    expect(REQUESTS.matrix.answer.safeParse(dense).success).toBe(true);
  });

  it("finds a cell's source: the one that it was computed from, else the latest finished one", () => {
    const [first] = study.runs;
    if (first === undefined) throw new Error('no run');
    const later = {
      ...first,
      id: 'later',
      provenance: { ...first.provenance, time: '2027-01-01T00:00:00Z' },
    };
    const failed = { ...later, id: 'failed', status: 'failed' as const };
    expect(sourceRun([later, failed, first], 'adapter', first.task)?.id).toBe('later');
    expect(sourceRun([first], 'lora', first.task)).toBeUndefined();
    const sha256 = `${'0'.repeat(63)}1`;
    const checkpoint = { path: 'earlier.safetensors', sha256, bytes: 1 };
    const earlier = {
      ...first,
      id: 'earlier',
      checkpoint,
      provenance: { ...first.provenance, time: '2020-01-01T00:00:00Z' },
    };
    const runs = [later, failed, first, earlier];
    expect(sourceRun(runs, 'adapter', first.task, sha256.slice(0, 6))?.id).toBe('earlier');
    expect(sourceRun(runs, 'adapter', first.task, 'abcdef0')?.id).toBe('later');
  });
});

describe('border checks', () => {
  it('refuses what a page must not send', () => {
    expect(pageMessageSchema.safeParse({ type: 'open', file: '/etc/passwd' }).success).toBe(false);
    expect(
      REQUESTS.merge.parameters.safeParse({
        target: 'a',
        deltaName: 'b',
        method: 'magic',
        granularity: 'model',
        temperature: 1,
      }).success,
    ).toBe(false);
    expect(
      REQUESTS.merge.parameters.safeParse({
        target: 'a',
        deltaName: 'b',
        method: 'loss',
        granularity: 'model',
        temperature: 0,
      }).success,
    ).toBe(false);
  });

  it('reads an arrangement of an older shape with defaults, and refuses another version', () => {
    expect(arrangementSchema.parse({ version: 1, method: 'loss' })).toMatchObject({
      method: 'loss',
      order: 'group',
    });
    expect(arrangementSchema.safeParse({ version: 2 }).success).toBe(false);
  });
});

describe('curves of running jobs', () => {
  const job = (
    state: JobView['state'],
    step?: number,
    loss?: number,
    metric?: number,
    runId = 'r',
  ): JobView => ({
    id: 'j',
    study: 'study',
    request: { kind: 'run' },
    priority: 'normal',
    title: 'Run',
    compute: { device: 'cpu', threads: 0, packWeights: false },
    state,
    progress:
      step === undefined
        ? null
        : {
            label: 'Tuning',
            done: step,
            total: 100,
            unit: 'steps',
            task: 'a',
            runId,
            step,
            ...(loss === undefined ? {} : { loss }),
            ...(metric === undefined ? {} : { metric }),
          },
    outcome: null,
    error: null,
    logFile: '',
    submittedAt: 0,
    startedAt: 0,
    endedAt: null,
    attempts: 1,
  });

  it('grow with progress, once per new value, and end with the job', () => {
    const curves = new LiveCurves();
    expect(curves.take(job('queued'))).toBeNull();
    expect(curves.take(job('running', 10, 1.5))?.train).toEqual([{ step: 10, value: 1.5 }]);
    expect(curves.take(job('running', 10, 1.5))).toBeNull();
    const curve = curves.take(job('running', 20, 1.2, 0.5));
    expect(curve).toMatchObject({ id: 'a/r', running: true, dev: [{ step: 20, value: 0.5 }] });
    expect(curve?.train).toHaveLength(2);
    expect(curves.of('study')).toHaveLength(1);
    expect(curves.of('another')).toEqual([]);
    curves.take(job('done', 30, 1));
    expect(curves.of('study')).toEqual([]);
  });

  it("are those of the tuning that a study's job does now, not of the ones it has done", () => {
    const curves = new LiveCurves();
    curves.take(job('running', 10, 1.5));
    curves.take(job('running', 10, 1.4, undefined, 'next'));
    expect(curves.of('study').map(({ id }) => id)).toEqual(['a/next']);
  });
});
