import { describe, expect, it } from 'vitest';
import { collectResults } from '../../src/core/results.js';
import { studySchema, tuningSchema } from '../../src/study/configuration.js';
import { pathOfRunRecord } from '../../src/study/paths.js';
import type { MergeRecord, RunRecord, ScoreMatrix } from '../../src/study/records.js';
import type { StaleRecords } from '../../src/study/staleness.js';
import type { ResultRecords } from '../../src/study/standings.js';
import { targetResults } from '../../src/study/target-results.js';
import { ADAPTER } from '../support/example-study.js';
import { aRun } from './records-for-tests.js';

const TASKS = ['boolq', 'other', 'third'];
const tuning = tuningSchema.parse({ steps: 6 });
const sha = (word: string) => word.padEnd(64, '0');

function configured(changes: Record<string, unknown> = {}) {
  return studySchema.parse({
    version: 1,
    backbone: 'backbone',
    tasks: 'tasks',
    metrics: Object.fromEntries(TASKS.map((task) => [task, 'ACC'])),
    groups: { all: TASKS },
    sources: { tuning },
    targets: { seeds: [13, 21], tuning },
    weights: { temperatures: { loss: 0.2 } },
    ...changes,
  });
}

let minute = 0;
/** Each later than the one before. */
function target(test: number, changes: Partial<RunRecord> = {}): RunRecord {
  const base = aRun({ tuning, seed: 13, ...changes });
  const time = new Date(Date.UTC(2026, 0, 1, 0, minute++)).toISOString();
  return { ...base, results: { ...base.results, test }, provenance: { ...base.provenance, time } };
}

function source(task: string, changes: Partial<RunRecord> = {}): RunRecord {
  const id = changes.id ?? `source-${task}`;
  const checkpoint = { path: `${id}.safetensors`, sha256: sha(id), bytes: 1 };
  return aRun({ task, role: 'source', shots: 'full', tuning, checkpoint, ...changes, id });
}
const sources = ['other', 'third'].map((task) => source(task));

function merge(label: string, id: string, changes: Partial<MergeRecord> = {}): MergeRecord {
  const { delta, provenance } = aRun({});
  if (delta === null) throw new Error('no delta');
  return {
    format: 'deltaloom/merge',
    version: 1,
    id,
    key: sha(id),
    target: 'boolq',
    deltaName: 'adapter',
    delta,
    label,
    score: label === 'loss' ? 'loss' : null,
    granularity: 'model',
    temperature: label === 'loss' ? 0.2 : null,
    loraRule: null,
    loraRuleDifference: null,
    sources: sources.map(({ task, id: run, checkpoint }) => ({
      task,
      id: run,
      sha256: checkpoint?.sha256 ?? '',
    })),
    parts: ['model'],
    weights: [[0.5, 0.5]],
    checkpoint: { path: `${id}.safetensors`, sha256: sha(id), bytes: 1 },
    provenance,
    ...changes,
  };
}
const from = ({ id, label, checkpoint }: MergeRecord): Partial<RunRecord> => ({
  initialisation: { kind: 'merge', id, label, sha256: checkpoint.sha256 },
});

/** Values by seed of the only cell. */
function cell(
  runs: readonly RunRecord[],
  study: Partial<ResultRecords> = {},
  stale: StaleRecords = new Map(),
): Record<number, number> {
  const records = {
    configuration: configured(),
    merges: [],
    matrices: [],
    ...study,
    runs: [...runs, ...(study.runs ?? sources)],
  };
  const [table] = collectResults(targetResults(records, TASKS, stale), TASKS);
  const only = table?.cells[0]?.[0];
  return Object.fromEntries((only?.seeds ?? []).map((seed, i) => [seed, only?.values[i] ?? Number.NaN]));
}

describe('the results of a study', () => {
  it('are those of the tuning settings that it asks for, whatever was run last', () => {
    const asked = target(0.6);
    const short = target(0.2, { tuning: { ...tuning, steps: 2 } });
    expect(cell([asked, short])).toEqual({ 13: 0.6 });
    expect(cell([asked, { ...short, seed: 21 }])).toEqual({ 13: 0.6 });
  });

  it('are not those that are stale', () => {
    const [before, after] = [target(0.6), target(0.2, { id: 'on-other-data' })];
    expect(cell([before, after])).toEqual({ 13: 0.2 });
    const stale = new Map([[pathOfRunRecord(after), 'the train data changed']]);
    expect(cell([before, after], {}, stale)).toEqual({ 13: 0.6 });
  });

  it('follow the settings that a delta has of its own', () => {
    const targets = { seeds: [13], tuning, tuningByDelta: { adapter: { steps: 2 } } };
    const short = target(0.2, { tuning: { ...tuning, steps: 2 } });
    expect(cell([short, target(0.6)], { configuration: configured({ targets }) })).toEqual({ 13: 0.2 });
  });

  it('are those of the delta, the start and the metric that it asks for', () => {
    const asked = target(0.6);
    const results = { ...asked.results, metric: 'EM', test: 0.1 };
    for (const changes of [
      { delta: { ...aRun({}).delta, size: 3 } as RunRecord['delta'] },
      { initialisation: { kind: 'random' as const, seed: 7 } },
    ]) {
      expect(cell([asked, target(0.1, changes)])).toEqual({ 13: 0.6 });
    }
    expect(cell([asked, { ...target(0.1), results }])).toEqual({ 13: 0.6 });
  });

  it('are those of the seeds that it asks for, and of others only where it has no more', () => {
    const old = target(0.1, { seed: 5 });
    expect(cell([target(0.6), target(0.7, { seed: 21 }), old])).toEqual({ 13: 0.6, 21: 0.7 });
    expect(cell([old])).toEqual({ 5: 0.1 });
  });

  it('are shown where nothing is as it asks for: the newest settings, never a mixture', () => {
    const old = { tuning: { ...tuning, steps: 3 } };
    const older = { tuning: { ...tuning, steps: 2 } };
    const runs = [target(0.1, older), target(0.2, { ...older, seed: 21 }), target(0.3, old)];
    expect(cell(runs)).toEqual({ 13: 0.3 });
    expect(cell(runs, { configuration: null })).toEqual({ 13: 0.3 });
  });

  it('are those of the merge at the temperature that it asks for', () => {
    const asked = merge('loss', 'asked');
    const hot = merge('loss', 'hot', { temperature: 5 });
    const runs = [target(0.6, from(asked)), target(0.2, from(hot))];
    expect(cell(runs, { merges: [asked, hot] })).toEqual({ 13: 0.6 });
    const configuration = configured({ weights: { temperatures: { loss: 5 } } });
    expect(cell([...runs].reverse(), { configuration, merges: [asked, hot] })).toEqual({ 13: 0.2 });
  });

  it('are those of the merge of the sources that it asks for', () => {
    const again = source('other', { id: 'again', tuning: { ...tuning, steps: 2 } });
    const asked = merge('average', 'asked');
    const [other, third] = asked.sources;
    if (other === undefined || third === undefined) throw new Error('two sources');
    const retuned = merge('average', 'retuned', {
      sources: [{ ...other, id: again.id, sha256: sha(again.id) }, third],
    });
    const fewer = merge('average', 'fewer', { sources: [other] });
    const merges = [asked, retuned, fewer];
    const study = { merges, runs: [...sources, again] };
    expect(cell([target(0.6, from(asked)), target(0.2, from(retuned))], study)).toEqual({ 13: 0.6 });
    expect(cell([target(0.6, from(asked)), target(0.2, from(fewer))], study)).toEqual({ 13: 0.6 });
    const configuration = configured({ sources: { tuning, tasks: ['other'] } });
    expect(cell([target(0.2, from(fewer)), target(0.6, from(asked))], { ...study, configuration })).toEqual({
      13: 0.2,
    });
  });

  it('are those of the group and of the best source that it asks for', () => {
    const both = merge('group', 'both');
    const one = merge('group', 'one', { sources: both.sources.slice(0, 1) });
    const configuration = configured({ groups: { pair: ['boolq', 'other'] } });
    expect(
      cell([target(0.2, from(one)), target(0.6, from(both))], { configuration, merges: [both, one] }),
    ).toEqual({
      13: 0.2,
    });
    const byLoss = merge('best-source', 'by-loss', { score: 'loss', sources: both.sources.slice(0, 1) });
    const byEl2n = { ...byLoss, id: 'by-el2n', score: 'el2n' as const };
    expect(
      cell([target(0.6, from(byLoss)), target(0.2, from(byEl2n))], { merges: [byLoss, byEl2n] }),
    ).toEqual({
      13: 0.6,
    });
  });

  it('are those of the merge that the scores on record give', () => {
    const scored = (other: number, third: number): ScoreMatrix => ({
      format: 'deltaloom/scores',
      version: 1,
      method: 'loss',
      methodVersion: 1,
      granularity: 'model',
      direction: 'lower',
      compatibility: 'default',
      deltaName: 'adapter',
      delta: ADAPTER,
      targets: ['boolq'],
      sources: ['other', 'third'],
      parts: ['model'],
      probe: { split: 'dev', shots: 16, examples: null },
      cells: Object.entries({ other, third }).map(([task, value]) => ({
        target: 'boolq',
        source: task,
        key: sha(''),
        values: [value],
        provenance: 0,
      })),
      provenances: [],
    });
    const even = merge('loss', 'even');
    const first = merge('loss', 'first', { weights: [[1, 0]] });
    const merges = [even, first];
    const runs = [target(0.6, from(even)), target(0.2, from(first))];
    expect(cell(runs, { merges, matrices: [scored(1, 1)] })).toEqual({ 13: 0.6 });
    expect(cell(runs, { merges, matrices: [scored(1, 90)] })).toEqual({ 13: 0.2 });
    const best = even.sources.slice(0, 1);
    const byFirst = merge('best-source', 'by-first', { score: 'loss', sources: best, weights: [[1]] });
    const byLast = { ...byFirst, id: 'by-last', sources: even.sources.slice(1) };
    const study = { merges: [byFirst, byLast], matrices: [scored(1, 90)] };
    expect(cell([target(0.6, from(byFirst)), target(0.2, from(byLast))], study)).toEqual({ 13: 0.6 });
  });

  it('follow the steps of the copies that a merge by performance averages', () => {
    const copyOf = (run: RunRecord, steps: number) =>
      source('boolq', {
        id: `copy-${steps}-${run.task}`,
        role: 'step-k',
        shots: 16,
        tuning: { ...tuning, steps },
        initialisation: {
          kind: 'checkpoint',
          id: run.id,
          task: run.task,
          sha256: run.checkpoint?.sha256 ?? '',
        },
      });
    const by = (id: string, steps: number) =>
      merge('performance', id, {
        score: 'performance',
        temperature: 0.02,
        sources: sources.map((run) => {
          const copy = copyOf(run, steps);
          return { task: run.task, id: copy.id, sha256: copy.checkpoint?.sha256 ?? '' };
        }),
      });
    const [asked, other] = [by('asked', 10), by('other', 50)];
    const study = {
      configuration: configured({ scores: { steps: 10 }, weights: { temperatures: { performance: 0.02 } } }),
      merges: [asked, other],
      runs: [...sources, ...sources.flatMap((run) => [copyOf(run, 10), copyOf(run, 50)])],
    };
    expect(cell([target(0.6, from(asked)), target(0.2, from(other))], study)).toEqual({ 13: 0.6 });
  });
});
