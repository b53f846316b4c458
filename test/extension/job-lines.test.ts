import { describe, expect, it } from 'vitest';
import { announcementOf } from '../../src/extension/jobs/announcements.js';
import { collectStatus } from '../../src/extension/jobs/job-lines.js';
import type { RuntimeState } from '../../src/extension/services.js';
import type { JobView } from '../../src/runtime/protocol.js';

const LINKS = { jobs: 'a', log: 'b', restart: 'c', cancelAll: 'd', devices: 'e' };
const READY: RuntimeState = { kind: 'ready', pid: 1 };
const CPU = { id: 'cpu', title: 'CPU, 2 threads', usable: true, reason: '' } as const;

function makeJob(over: Partial<JobView>): JobView {
  return {
    id: 'job',
    study: '/study',
    request: { kind: 'evaluate', task: 'boolq', deltaName: 'adapter', checkpoint: null, split: 'test' },
    priority: 'normal',
    title: 'Evaluate boolq on test',
    compute: { device: 'cpu', threads: 0, packWeights: false },
    state: 'running',
    progress: null,
    outcome: null,
    error: null,
    logFile: '/log',
    submittedAt: 0,
    startedAt: 0,
    endedAt: null,
    attempts: 1,
    ...over,
  };
}

describe('the status item', () => {
  it('is quiet when nothing runs', () => {
    const view = collectStatus([], { kind: 'absent' }, null, true, LINKS);
    expect(view.text).toBe('$(beaker) Deltaloom');
    expect(view.tooltip).toContain('starts with the first job');
    expect(view.tooltip).not.toContain('Cancel all');
  });

  it('shows task, percentage, step, loss, time left and device of the running job, and who waits', () => {
    const running = makeJob({
      progress: {
        label: 'Tuning boolq',
        done: 30,
        total: 120,
        unit: 'steps',
        task: 'boolq',
        step: 30,
        loss: 1.23456,
        secondsLeft: 90,
      },
    });
    const view = collectStatus([running, makeJob({ id: 'b', state: 'queued' })], READY, CPU, true, LINKS);
    expect(view.text).toBe('$(sync~spin) boolq 25% · step 30 · loss 1.235 · 1 min 30 s left · cpu');
    expect(view.tooltip).toContain('step 30');
    expect(view.tooltip).toContain('1 waiting');
    expect(view.tooltip).toContain('Device: CPU, 2 threads');
    expect(view.tooltip).toContain('[Cancel all](command:d)');
  });

  it('says cancelling, restarting and broken', () => {
    expect(collectStatus([makeJob({ state: 'cancelling' })], READY, CPU, true, LINKS).text).toContain(
      'cancelling',
    );
    expect(
      collectStatus(
        [makeJob({})],
        { kind: 'restarting', attempt: 2, reason: 'it was ended by SIGKILL' },
        CPU,
        true,
        LINKS,
      ),
    ).toMatchObject({ text: '$(sync~spin) Deltaloom: restarting (2 of 3)', health: 'warning' });
    expect(collectStatus([], { kind: 'broken', reason: 'no Node' }, CPU, true, LINKS)).toMatchObject({
      health: 'error',
      text: expect.stringContaining('stopped') as string,
    });
  });

  it('offers nothing to run in an untrusted workspace', () => {
    const view = collectStatus([], { kind: 'absent' }, null, false, LINKS);
    expect(view.tooltip).toContain('not trusted');
    expect(view.tooltip).not.toContain('command:');
  });
});

describe('announcements', () => {
  const seen = { startedHere: true, looking: false, reading: false, level: 'unseen' } as const;
  const outcome = { records: [], computed: 1, reused: 0, summary: '' };

  it('tells what the user started and does not look at', () => {
    expect(announcementOf(makeJob({ state: 'done', outcome }), seen)).toBe('done');
    expect(announcementOf(makeJob({ state: 'done', outcome }), { ...seen, looking: true })).toBe('none');
    expect(announcementOf(makeJob({ state: 'done', outcome }), { ...seen, startedHere: false })).toBe('none');
    expect(announcementOf(makeJob({ state: 'cancelled' }), seen)).toBe('none');
  });

  it('says in passing that there was nothing to do', () => {
    const reused = makeJob({ state: 'done', outcome: { ...outcome, computed: 0 } });
    expect(announcementOf(reused, { ...seen, looking: true })).toBe('on-record');
    expect(announcementOf(reused, { ...seen, startedHere: false })).toBe('none');
  });

  it('tells failures, unless their log is in view or it was told never to', () => {
    expect(announcementOf(makeJob({ state: 'failed' }), { ...seen, reading: true })).toBe('none');
    expect(announcementOf(makeJob({ state: 'done', outcome }), { ...seen, reading: true })).toBe('none');
    expect(announcementOf(makeJob({ state: 'failed' }), { ...seen, looking: true })).toBe('failed');
    expect(announcementOf(makeJob({ state: 'failed' }), { ...seen, level: 'failures' })).toBe('failed');
    expect(announcementOf(makeJob({ state: 'failed' }), { ...seen, level: 'never' })).toBe('none');
    expect(announcementOf(makeJob({ state: 'done', outcome }), { ...seen, level: 'failures' })).toBe('none');
  });
});
