import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { executeJob } from '../../src/study/execute.js';
import type { JobContext, JobOutcome, JobRequest } from '../../src/study/jobs.js';
import type { MergeBy } from '../../src/study/merge-choices.js';
import { mergeRecordPath } from '../../src/study/paths.js';
import { preflight } from '../../src/study/preflight.js';
import { readSnapshot } from '../../src/study/snapshot.js';
import { studyWeights } from '../../src/study/study-weights.js';
import { TINY_TUNING, writeTinyStudy, writeTinyTask } from '../support/tiny-study.js';

const TASKS = ['copy', 'last letter', "it's"];
const byLoss: MergeBy = { kind: 'score', method: 'loss', granularity: 'model' };
const forCopy = (by: MergeBy): Extract<JobRequest, { kind: 'merge' }> => ({
  kind: 'merge',
  target: 'copy',
  deltaName: 'adapter',
  by,
});
const tuneSources = (tasks: string[]): Extract<JobRequest, { kind: 'tune' }> => ({
  kind: 'tune',
  tasks,
  deltaName: 'adapter',
  role: 'source',
  initialisation: { kind: 'random' },
});
const score = (change: Partial<Extract<JobRequest, { kind: 'score' }>> = {}): JobRequest => ({
  kind: 'score',
  deltaName: 'adapter',
  methods: ['loss'],
  granularities: ['model'],
  ...change,
});

let root: string;
/** Tuned and scored by loss; every test works on a copy. */
let scored: string;
let engine: Engine;
let copies = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'deltaloom-merge-'));
  scored = join(root, 'scored');
  await writeTinyStudy(scored);
  engine = await openEngine({ device: 'cpu', threads: 1 });
  await execute(scored, tuneSources(TASKS));
  await execute(scored, score());
});
afterAll(async () => {
  await engine.dispose();
  await rm(root, { recursive: true, force: true });
});

const idle: JobContext = {
  signal: new AbortController().signal,
  progress: () => undefined,
  log: () => undefined,
  engine: () => Promise.reject(new Error('no engine should be needed')),
};

function execute(directory: string, request: JobRequest): Promise<JobOutcome> {
  return executeJob(directory, request, { ...idle, engine: () => Promise.resolve(engine) });
}

async function copyOfScored(change: object = {}): Promise<string> {
  const study = join(root, `copy-${++copies}`);
  await cp(scored, study, { recursive: true });
  await configure(study, change);
  return study;
}

async function configure(study: string, change: object): Promise<void> {
  const file = join(study, 'deltaloom.json');
  const configuration = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...configuration, ...change }));
}

describe('merging by scores', { timeout: 120_000 }, () => {
  it('refuses scores of sources that were tuned anew since, until they are made again', async () => {
    const study = await copyOfScored({ sources: { tuning: { ...TINY_TUNING, steps: 2 } } });
    expect((await studyWeights(study, forCopy(byLoss))).stale).toEqual([]);
    await execute(study, tuneSources(['last letter']));
    await expect(execute(study, forCopy(byLoss))).rejects.toMatchObject({
      code: 'score-stale',
      message: "The scores by loss for the target 'copy' are stale: the checkpoint of 'last letter' changed.",
      remedy: 'Run: deltaloom score --method loss --target copy --delta adapter.',
    });
    await expect(execute(study, forCopy({ kind: 'best-source', method: 'loss' }))).rejects.toMatchObject({
      code: 'score-stale',
    });
    expect(await studyWeights(study, forCopy(byLoss))).toMatchObject({
      sources: ["it's", 'last letter'],
      stale: [{ source: 'last letter', reason: "the checkpoint of 'last letter' changed" }],
    });
    await execute(study, score({ targets: ['copy'] }));
    expect((await execute(study, forCopy(byLoss))).computed).toBe(1);
    expect((await studyWeights(study, forCopy(byLoss))).stale).toEqual([]);
  });

  it('finds nothing stale where weights or the backbone are not on this machine', async () => {
    const study = await copyOfScored();
    const before = await studyWeights(study, forCopy(byLoss));
    for (const missing of ['.deltaloom/checkpoints', 'backbone']) {
      await rm(join(study, missing), { recursive: true });
      expect(await studyWeights(study, forCopy(byLoss))).toEqual(before);
    }
    expect(before).toMatchObject({ sources: ["it's", 'last letter'], stale: [] });
  });

  it('shows weights of sources that no longer fit the study, and calls them stale', async () => {
    const study = await copyOfScored();
    const { weights } = await studyWeights(study, forCopy(byLoss));
    await configure(study, { deltas: { adapter: { type: 'adapter', size: 3 } } });
    const reason = 'the settings changed';
    expect(await studyWeights(study, forCopy(byLoss))).toMatchObject({
      weights,
      stale: [
        { source: "it's", reason },
        { source: 'last letter', reason },
      ],
    });
    await expect(execute(study, forCopy(byLoss))).rejects.toMatchObject({ code: 'no-other-source' });
  });

  it('takes the best source by a score that exists per block or layer only', async () => {
    const study = await copyOfScored();
    for (const [method, granularity] of [
      ['hidden-cosine', 'block'],
      ['weight-cosine', 'layer'],
    ] as const) {
      const best = forCopy({ kind: 'best-source', method });
      await execute(study, { ...tuneSources(['copy']), role: 'target' });
      await execute(study, score({ methods: [method], granularities: [granularity], targets: ['copy'] }));
      const { sources } = await studyWeights(study, best);
      const { records } = await execute(study, best);
      const { merges } = await readSnapshot(study);
      const merge = merges.find(({ target, id }) => mergeRecordPath(target, id) === records[0]);
      expect(merge?.sources.map(({ task }) => task)).toEqual(sources);
    }
  });

  it('by performance merges every source, tuned again where its weights after k steps are gone', async () => {
    const study = await copyOfScored({ scores: { methods: ['performance'], steps: 2 } });
    const byPerformance = forCopy({ kind: 'score', method: 'performance', granularity: 'model' });
    await execute(study, score({ methods: ['performance'], targets: ['copy'] }));
    const { summary, records } = await execute(study, byPerformance);
    expect(summary).toBe('Merged 2 sources for copy by performance.');
    const { runs, merges } = await readSnapshot(study);
    const copies = runs.filter(({ role, initialisation }) => {
      const own = initialisation.kind === 'checkpoint' && initialisation.task === 'copy';
      return role === 'step-k' && !own;
    });
    expect(copies).toHaveLength(2);
    for (const gone of [copies.slice(0, 1), copies]) {
      for (const { checkpoint } of gone) await rm(join(study, checkpoint?.path ?? ''));
      // What is on record is not done again, and needs no weights.
      expect(await executeJob(study, byPerformance, idle)).toMatchObject({ reused: 1, records });
      await rm(join(study, merges[0]?.checkpoint.path ?? ''));
      expect(await execute(study, byPerformance)).toMatchObject({ computed: 1, summary, records });
    }
  });
});

describe('sources that the study names', { timeout: 120_000 }, () => {
  const average = forCopy({ kind: 'average' });

  it('count once, however often they are named', async () => {
    const twice = ['last letter', "it's", 'last letter'];
    const study = await copyOfScored({ sources: { tasks: twice, tuning: TINY_TUNING } });
    expect((await preflight(study)).map(({ code, severity, path }) => [code, severity, path])).toEqual([
      ['task-named-twice', 'warning', ['sources', 'tasks', 2]],
    ]);
    const chosen = await studyWeights(study, average);
    expect(chosen.sources).toEqual(['last letter', "it's"]);
    expect(chosen.weights[0]?.weights).toEqual([0.5, 0.5]);
    await execute(study, average);
    expect((await readSnapshot(study)).merges[0]?.weights).toEqual([[0.5, 0.5]]);
  });

  it('are not left out where they were never tuned or are misspelt, but shown without', async () => {
    const study = await copyOfScored();
    await writeTinyTask(join(study, 'tasks'), 'new', 3);
    // Tasks without a source are no mistake while nobody names them.
    expect(await execute(study, average)).toMatchObject({ computed: 1 });
    for (const [name, remedy] of [
      ['new', /^Tune first: deltaloom tune --role source --task new --delta adapter\. Or take/],
      ['last leter', /^The study has no task 'last leter': correct 'sources.tasks'/],
    ] as const) {
      await configure(study, { sources: { tasks: ["it's", 'last letter', name], tuning: TINY_TUNING } });
      for (const by of [average.by, byLoss]) {
        await expect(execute(study, forCopy(by))).rejects.toMatchObject({
          code: 'source-missing',
          message: `There is no adapter source checkpoint of '${name}'.`,
          remedy: expect.stringMatching(remedy) as string,
        });
        expect(await studyWeights(study, forCopy(by))).toMatchObject({
          sources: ["it's", 'last letter'],
          missing: [name],
        });
      }
      const explicit = forCopy({ kind: 'explicit', weights: { 'last letter': 1 } });
      expect((await execute(study, explicit)).records).toHaveLength(1);
    }
    expect(await preflight(study)).toMatchObject([
      { code: 'task-unknown', path: ['sources', 'tasks', 2], remedy: "Did you mean 'last letter'?" },
    ]);
  });
});

it('a merge whose weights are gone is made again by the command that its tuning names', async () => {
  const study = await copyOfScored();
  const { records } = await execute(study, forCopy({ kind: 'average' }));
  const [merge] = (await readSnapshot(study)).merges;
  await rm(join(study, merge?.checkpoint.path ?? ''));
  const fromMerge: JobRequest = {
    ...tuneSources(['copy']),
    role: 'target',
    initialisation: { kind: 'merge', id: merge?.id ?? '' },
  };
  await expect(execute(study, fromMerge)).rejects.toMatchObject({
    code: 'checkpoint-missing',
    remedy: 'Restore the file, or make it again: a tuning with deltaloom tune, a merge with deltaloom merge.',
  });
  expect(await execute(study, forCopy({ kind: 'average' }))).toMatchObject({ computed: 1, records });
  expect(await execute(study, fromMerge)).toMatchObject({ computed: 1 });
});
