import { describe, expect, it } from 'vitest';
import { softmaxWeights } from '../../src/core/averaging-weights.js';
import {
  agreeingSources,
  canJoinMerge,
  collectMergeRules,
  collectTemperatures,
  demandSourcesInUse,
  findScoreRow,
  mergeByRule,
  mergeSelectedByRule,
  sourceDeltas,
  typedTemperature,
  weightsOf,
} from '../../src/extension/commands/merge-choices.js';
import {
  collectDeltas,
  collectInitialisations,
  collectShots,
  makeTuneRequest,
  parseSeeds,
  repeatChoice,
} from '../../src/extension/commands/tune-choices.js';
import { collectRecords } from '../../src/extension/commands/record-choices.js';
import { granularitiesFor } from '../../src/extension/commands/score-choices.js';
import type { Study } from '../../src/extension/services.js';
import type { CheckpointNode, MergeNode } from '../../src/extension/tree/nodes.js';
import { collectStudyIndex } from '../../src/extension/tree/study-index.js';
import { jobRequestSchema } from '../../src/study/jobs.js';
import { CONFIGURATION, makeRecords, makeSnapshot, weightsOnDisk } from './make-study.js';

const records = makeRecords();
const snapshot = makeSnapshot(records);
const index = collectStudyIndex(snapshot, weightsOnDisk(records));
const NOW = Date.parse('2026-03-05T10:00:00.000Z');

function lossRow(sources?: readonly string[]) {
  const row = findScoreRow(snapshot, 'loss', 'movies', 'adapter', sources);
  if (row === undefined) throw new Error('The study has no loss scores.');
  return row;
}

describe('choices of a merge', () => {
  it('previews the weights that the core computes', () => {
    const row = lossRow();
    const expected = softmaxWeights(
      row.row.map(({ value }) => value ?? Number.NaN),
      'lower',
      0.1,
    );
    expect(weightsOf(row, 'movies', 0.1).weights).toEqual(expected);
    const heaviest = row.row[expected.indexOf(Math.max(...expected))]?.task ?? '';
    const typed = typedTemperature('0,1', row, 'movies');
    expect(typed?.value).toBe(0.1);
    expect(typed?.detail).toContain(`${Math.round(Math.max(...expected) * 100)}% ${heaviest}`);
    expect(typed?.detail).toMatch(/\d\.\d effective sources$/);
  });

  it('previews the sources that the study merges', () => {
    const configuration = { ...CONFIGURATION, sources: { ...CONFIGURATION.sources, tasks: ['hotels'] } };
    const row = findScoreRow({ ...snapshot, configuration }, 'loss', 'movies', 'adapter');
    expect(row?.row.map(({ task }) => task)).toEqual(['hotels']);
  });

  it('takes no temperature but a positive number', () => {
    for (const text of ['', ' ', '0', '-1', 'abc', 'NaN', '1e999']) {
      expect(typedTemperature(text, lossRow(), 'movies')).toBeUndefined();
    }
  });

  it('offers the configured temperature first, and warns where a choice collapses', () => {
    const temperatures = collectTemperatures(lossRow(), 'movies', 0.2);
    expect(temperatures[0]).toMatchObject({ value: 0.2, description: "the study's" });
    expect(new Set(temperatures.map(({ value }) => value)).size).toBe(temperatures.length);
    const cold = typedTemperature('0.0001', lossRow(), 'movies');
    expect(cold?.detail).toMatch(/^\$\(warning\) collapsed · 100% \w+ \+ 4 · 1\.0 effective sources$/);
  });

  it('offers scored methods and the baselines, and says what each gives', () => {
    const labels = collectMergeRules(index, 'movies', 'adapter').map(({ label }) => label);
    expect(labels).toEqual(['Loss', 'EL2N', 'Plain average', 'Group', 'Best source by Loss']);
    expect(collectMergeRules(index, 'odd_one', 'adapter').map(({ label }) => label)).not.toContain('Group');
    expect(collectMergeRules(index, 'movies', 'lora').map(({ label }) => label)).toEqual([
      'Plain average',
      'Group',
    ]);
  });

  it('makes requests that the study understands', () => {
    for (const { value } of collectMergeRules(index, 'movies', 'adapter')) {
      const by = mergeByRule(value, value.kind === 'score' ? 0.3 : undefined);
      const request = { kind: 'merge', target: 'movies', deltaName: 'adapter', by };
      expect(jobRequestSchema.parse(request)).toEqual(request);
    }
  });

  it('writes out the weights of chosen sources, which sum to 1', () => {
    const selected = ['hotels', 'phones', 'negation'];
    const row = lossRow(selected);
    for (const rule of [{ kind: 'score', row } as const, { kind: 'average' } as const]) {
      const by = mergeSelectedByRule(rule, 'movies', selected, 0.2);
      if (by.kind !== 'explicit') throw new Error('Weights are expected.');
      expect(Object.keys(by.weights).sort()).toEqual([...selected].sort());
      expect(Object.values(by.weights).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    }
  });

  it('offers no score for chosen sources of which one was not scored', () => {
    expect(findScoreRow(snapshot, 'loss', 'movies', 'adapter', ['hotels', 'unheard_of'])).toBeUndefined();
  });
});

describe('choices of a record', () => {
  const study = { directory: '/study' } as Study;
  const labels = (here: ReadonlySet<string>, wanted: 'record' | 'weights') =>
    collectRecords(study, collectStudyIndex(snapshot, here), wanted).map(
      ({ label, description }) => `${label} | ${description}`,
    );

  it('are all that is on record, also where no weights are on this machine', () => {
    const all = labels(weightsOnDisk(records), 'record');
    const inClone = labels(new Set(), 'record');
    expect(inClone).toHaveLength(all.length);
    const merge = (list: readonly string[]) =>
      list.find((label) => label.startsWith('movies: Merge by Loss'));
    expect(merge(all)).not.toContain('weights not on this machine');
    expect(merge(inClone)).toContain('weights not on this machine');
  });

  it('are those with weights here where weights are needed', () => {
    expect(labels(new Set(), 'weights')).toEqual([]);
    const here = labels(weightsOnDisk(records), 'weights');
    expect(here.some((label) => label.startsWith('movies: Merge by Loss'))).toBe(true);
    expect(here.join()).not.toContain('failed');
    expect(labels(weightsOnDisk(records), 'record').join()).toContain('failed');
  });
});

describe('chosen sources', () => {
  const [movies, hotels] = records.runs;
  if (movies === undefined || hotels === undefined) throw new Error('There are no two runs.');
  const stopped = { ...hotels, id: 'stopped', status: 'cancelled' as const };
  const second = { ...movies, id: 'second', seed: 7 };
  const known = collectStudyIndex(
    makeSnapshot({ ...records, runs: [...records.runs, second, stopped] }),
    weightsOnDisk(records),
  );
  const study = { directory: '/study' } as unknown as Study;
  const node = (task: string, id: string): CheckpointNode => {
    const checkpoint = known.checkpointById.get(`${task}/${id}`);
    if (checkpoint === undefined) throw new Error(`There is no '${task}/${id}'.`);
    return { kind: 'checkpoint', study, group: null, checkpoint };
  };
  const [one, other] = [node('movies', movies.id), node('hotels', hotels.id)];

  it('count once, whatever the number of their rows', () => {
    const { tasks, nodes, deltaName } = agreeingSources([one, { ...one, group: 'sentiment' }, other]);
    expect([tasks, nodes.length, deltaName]).toEqual([['movies', 'hotels'], 2, 'adapter']);
  });

  it('are finished sources of one delta and of different tasks', () => {
    const refusal = (...nodes: CheckpointNode[]) => {
      try {
        agreeingSources(nodes);
        return '';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(refusal(one)).toBe('too-few-sources');
    expect(refusal(one, node('hotels', 'adapter-16-s13-random'))).toBe('not-a-source');
    expect(refusal(one, node('hotels', 'stopped'))).toBe('not-finished');
    expect(refusal(one, node('movies', 'second'))).toBe('duplicate-task');
    expect(refusal(other, node('movies', 'lora-source-old'))).toBe('several-deltas');
    expect(refusal(one, { ...other, study: { directory: '/other' } as unknown as Study })).toBe(
      'several-studies',
    );
  });

  it('are refused where the merge would silently take another run of the task', () => {
    const chosen = [node('movies', 'second'), other];
    expect(() => demandSourcesInUse(known, chosen, new Map([['movies', movies.id]]))).toThrow(
      `Merges don't take the chosen source of 'movies' (seed 7, second), but seed 42, ${movies.id}`,
    );
    expect(() => demandSourcesInUse(known, chosen, new Map([['movies', 'second']]))).not.toThrow();
    expect(() => demandSourcesInUse(known, chosen, new Map())).not.toThrow();
  });

  it('join a merge of their delta for another task when they are dropped on it', () => {
    const merge = [...known.mergeById.values()].find(({ record }) => record.target === 'movies');
    if (merge === undefined) throw new Error('There is no merge.');
    const target: MergeNode = { kind: 'merge', study, group: null, merge };
    expect(canJoinMerge(other, target)).toBe(true);
    expect(canJoinMerge(one, target)).toBe(false);
    expect(canJoinMerge(node('hotels', 'adapter-16-s13-random'), target)).toBe(false);
    expect(canJoinMerge(node('hotels', 'stopped'), target)).toBe(false);
    const lora = { ...merge, record: { ...merge.record, deltaName: 'lora' } };
    expect(canJoinMerge(other, { ...target, merge: lora })).toBe(false);
  });

  it('leave no delta to choose for a task that alone was tuned as a source', () => {
    const values = (runs: typeof records.runs, target: string) =>
      sourceDeltas(
        collectStudyIndex(makeSnapshot({ ...records, runs }), new Set()),
        target,
        CONFIGURATION,
      ).map(({ value }) => value);
    expect(values([], 'movies')).toEqual([]);
    expect(values([movies], 'movies')).toEqual([]);
    expect(values([movies], 'hotels')).toEqual(['adapter']);
    expect(values([stopped], 'movies')).toEqual([]);
  });
});

describe('choices of a tuning', () => {
  it('offers random, the merges of the task, and checkpoints of the same delta', () => {
    const choices = collectInitialisations(index, ['movies'], 'adapter', undefined, NOW);
    expect(choices[0]?.value).toEqual({ kind: 'random' });
    expect(choices.filter(({ value }) => value.kind === 'merge')).toHaveLength(1);
    const paths = choices.flatMap(({ value }) => (value.kind === 'checkpoint' ? [value.path] : []));
    expect(paths.length).toBeGreaterThan(5);
    expect(paths.some((path) => path.includes('lora'))).toBe(false);
    // What has seen the task already comes last, and says so.
    const seen = choices.filter(({ description }) => description?.endsWith('tuned on this task itself'));
    expect(seen.length).toBeGreaterThan(0);
    expect(choices.slice(-seen.length)).toEqual(seen);
    expect(seen.every(({ label }) => label === 'movies')).toBe(true);
    expect(
      collectInitialisations(index, ['movies', 'hotels'], 'adapter', undefined, NOW).some(
        ({ value }) => value.kind === 'merge',
      ),
    ).toBe(false);
  });

  it('describes deltas in words, their type only where their name is another', () => {
    const [adapter, lora] = collectDeltas({
      ...CONFIGURATION,
      deltas: {
        adapter: {
          type: 'adapter',
          size: 12,
          nonlinearity: 'silu',
          placement: ['self-attention', 'feed-forward'],
        },
        small: { type: 'lora', rank: 4, alpha: 8, targetModules: ['q', 'v'] },
      },
    });
    expect(adapter).toEqual({
      label: 'adapter',
      detail: 'size 12, nonlinearity silu, placement self-attention + feed-forward',
      value: 'adapter',
    });
    expect(lora).toMatchObject({ description: 'lora', detail: 'rank 4, alpha 8, target modules q + v' });
  });

  it('offers the shots for which every task has data, the study its own first', () => {
    const movies = index.tasks.get('movies');
    if (movies === undefined) throw new Error('There is no such task.');
    expect(collectShots([movies], 'target', CONFIGURATION, undefined).map(({ value }) => value)).toEqual([
      16,
      64,
      'full',
    ]);
    expect(collectShots([movies], 'source', CONFIGURATION, undefined).map(({ value }) => value)).toEqual([
      'full',
      16,
      64,
    ]);
    expect(collectShots([movies], 'target', CONFIGURATION, 64)[0]?.value).toBe(64);
  });

  it('repeats the last choice where it fits, and starts from random where it does not', () => {
    const merge = index.tasks.get('movies')?.merges[0]?.record.id ?? '';
    const last = {
      role: 'target',
      deltaName: 'adapter',
      initialisation: { kind: 'merge', id: merge },
    } as const;
    expect(repeatChoice(last, ['movies'], index)).toBe(last);
    expect(repeatChoice(last, ['hotels'], index)?.initialisation).toEqual({ kind: 'random' });
    expect(repeatChoice({ ...last, deltaName: 'gone' }, ['movies'], index)?.deltaName).toBe('adapter');
    expect(repeatChoice(undefined, ['movies'], index)?.role).toBe('target');
  });

  it('makes requests that the study understands', () => {
    const request = makeTuneRequest(['movies'], {
      role: 'target',
      deltaName: 'adapter',
      initialisation: { kind: 'random' },
      shots: 16,
      seeds: [13, 42],
    });
    expect(jobRequestSchema.parse(request)).toEqual(request);
  });

  it('reads seeds', () => {
    expect(parseSeeds('13, 42')).toEqual([13, 42]);
    expect(parseSeeds('7,7')).toEqual([7]);
    for (const text of ['', '1,', 'a', '-1', '1.5', '4294967296']) expect(parseSeeds(text)).toBeUndefined();
  });

  it('asks for granularities that the methods have', () => {
    expect(granularitiesFor(['loss'], ['model'])).toEqual(['model']);
    expect(granularitiesFor(['hidden-cosine'], ['model'])).toEqual(['model', 'block']);
    expect(granularitiesFor(['grand'], ['block'])).toEqual(['block']);
  });
});
