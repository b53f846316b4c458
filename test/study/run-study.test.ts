import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/contract.js';
import { openEngine } from '../../src/engine/index.js';
import { executeJob } from '../../src/study/execute.js';
import type { JobOutcome, JobProgress, JobRequest } from '../../src/study/jobs.js';
import { preflight } from '../../src/study/preflight.js';
import { studyReport } from '../../src/study/report/report.js';
import type { RunRecord } from '../../src/study/records.js';
import { readJudgedSnapshot } from '../../src/study/judged-snapshot.js';
import { readSnapshot } from '../../src/study/snapshot.js';
import { studyStatus } from '../../src/study/status.js';
import { studyWeights } from '../../src/study/study-weights.js';
import { contentOfStudy, copyInputs, writeTinyStudy } from '../support/tiny-study.js';

const TUNE_COPY: JobRequest = {
  kind: 'tune',
  tasks: ['copy'],
  deltaName: 'adapter',
  role: 'source',
  initialisation: { kind: 'random' },
};

// One study, looked at from all sides: the tests go on where the one before stopped.
let root: string;
let study: string;
let engine: Engine;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'deltaloom-run-'));
  study = join(root, 'study');
  await writeTinyStudy(study);
  engine = await openEngine({ device: 'cpu', threads: 1 });
});
afterAll(async () => {
  await engine.dispose();
  await rm(root, { recursive: true, force: true });
});

function execute(
  directory: string,
  request: JobRequest,
  options: { signal?: AbortSignal; progress?: (progress: JobProgress) => void } = {},
): Promise<JobOutcome> {
  return executeJob(directory, request, {
    signal: options.signal ?? new AbortController().signal,
    progress: options.progress ?? (() => undefined),
    log: () => undefined,
    engine: () => Promise.resolve(engine),
  });
}

describe('a whole study', { timeout: 300_000 }, () => {
  it('is in order before it begins', async () => {
    expect(await preflight(study)).toEqual([]);
  });

  it('runs: sources, scores, merges, targets from every initialisation', async () => {
    const outcome = await execute(study, { kind: 'run' });
    const { runs, matrices, merges, problems } = await readSnapshot(study);
    expect(problems).toEqual([]);
    expect(runs.filter(({ role }) => role === 'source')).toHaveLength(3);
    expect(matrices.map(({ method, cells }) => [method, cells.length])).toEqual([
      ['loss', 9],
      ['weight-cosine', 9],
    ]);
    // average, best source, two methods for all; group for the two of a group.
    expect(merges).toHaveLength(3 * 4 + 2);
    const targets = runs.filter(({ role }) => role === 'target');
    expect(targets).toHaveLength(3 + merges.length);
    for (const run of targets) {
      expect(run.status).toBe('done');
      expect(run.results.testExamples).toBe(5);
      expect(run.curve.dev.at(-1)?.step).toBe(6);
    }
    expect(outcome.computed).toBe(3 + 18 + 14 + 3 + 14);
  });

  it('does no work the second time, and opens no engine', async () => {
    const outcome = await executeJob(
      study,
      { kind: 'run' },
      {
        signal: new AbortController().signal,
        progress: () => undefined,
        log: () => undefined,
        engine: () => Promise.reject(new Error('no engine should be needed')),
      },
    );
    expect(outcome.computed).toBe(0);
    expect(outcome.reused).toBe(52);
  });

  it('gives the same bytes from the same inputs, also when it was cancelled on the way', async () => {
    const second = join(root, 'second');
    await copyInputs(study, second);
    const stop = new AbortController();
    let steps = 0;
    const cancelled = execute(
      second,
      { kind: 'run' },
      {
        signal: stop.signal,
        progress: ({ step }) => {
          if (step !== undefined && ++steps === 13) stop.abort(new Error('enough'));
        },
      },
    );
    await expect(cancelled).rejects.toThrow('enough');
    const runs = (await readSnapshot(second)).runs;
    expect(runs.map(({ status }) => status).sort()).toEqual(['cancelled', 'done']);
    expect(runs.find(({ status }) => status === 'cancelled')?.checkpoint).not.toBeNull();
    await execute(second, { kind: 'run' });
    expect(await contentOfStudy(second)).toEqual(await contentOfStudy(study));
  });

  it('measures a target anew that it tunes anew because its weights are not there', async () => {
    const target = (runs: readonly RunRecord[]) =>
      runs.find(
        ({ task, role, initialisation }) =>
          task === 'copy' && role === 'target' && initialisation.kind === 'random',
      );
    const before = target((await readSnapshot(study)).runs);
    // Asked for by itself, and as scores ask for it, which compare with the weights alone.
    for (const test of [true, false]) {
      await rm(join(study, before?.checkpoint?.path ?? ''));
      await execute(study, { ...TUNE_COPY, role: 'target', seeds: [before?.seed ?? 0], test });
      const after = target((await readSnapshot(study)).runs);
      expect(after?.results).toEqual(before?.results);
      expect(after?.inputs).toEqual(before?.inputs);
    }
  });

  it('keeps results on record when the weights are made again and that is cancelled or fails', async () => {
    const cloned = join(root, 'cloned');
    await cp(study, cloned, { recursive: true });
    await rm(join(cloned, '.deltaloom', 'checkpoints'), { recursive: true });
    const recorded = (await readSnapshot(cloned)).runs;
    const stop = new AbortController();
    const cancelled = execute(cloned, TUNE_COPY, {
      signal: stop.signal,
      progress: ({ step }) => {
        if (step === 3) stop.abort(new Error('enough'));
      },
    });
    await expect(cancelled).rejects.toThrow('enough');
    const failed = executeJob(cloned, TUNE_COPY, {
      signal: new AbortController().signal,
      progress: () => undefined,
      log: () => undefined,
      engine: () => openEngine({ device: 'tfjs-node-gpu' }),
    });
    await expect(failed).rejects.toThrow('tfjs-node-gpu');
    expect((await readSnapshot(cloned)).runs).toEqual(recorded);
  });

  it('shows weights without a checkpoint, results and a report in one file', async () => {
    const chosen = await studyWeights(study, {
      target: 'copy',
      deltaName: 'adapter',
      by: { kind: 'score', method: 'loss', granularity: 'model' },
    });
    expect(chosen.sources).toEqual(["it's", 'last letter']);
    const report = studyReport(await readJudgedSnapshot(study));
    expect(report).toContain('it&#39;s');
    expect(report).not.toMatch(/<script|src=|href=/);
  });

  it('evaluates a checkpoint and the bare backbone once', async () => {
    const [run] = (await readSnapshot(study)).runs.filter(({ role }) => role === 'source');
    const request: JobRequest = {
      kind: 'evaluate',
      task: 'copy',
      deltaName: 'adapter',
      checkpoint: run?.checkpoint?.path ?? '',
      split: 'test',
    };
    expect((await execute(study, request)).computed).toBe(1);
    expect((await execute(study, request)).reused).toBe(1);
    expect((await execute(study, { ...request, checkpoint: null })).computed).toBe(1);
  });

  it('says that a source is stale when its data changed, and does only what depends on it', async () => {
    await appendFile(join(study, 'tasks', 'copy', 'copy_16_42_train.tsv'), 'abca\ta\n');
    const { deltas } = await studyStatus(study);
    const sources = deltas[0]?.pieces.find(({ kind }) => kind === 'sources');
    expect(sources?.counts).toMatchObject({ done: 2, stale: 1 });
    expect(sources?.details[0]?.reason).toBe('the train data changed');
    const outcome = await execute(study, { kind: 'run' });
    expect(outcome.computed).toBeGreaterThan(0);
    expect(outcome.reused).toBeGreaterThan(0);
  });

  it('refuses a checkpoint that was overwritten, naming it, and the study mends it', async () => {
    const [merge] = (await readSnapshot(study)).merges;
    const path = merge?.checkpoint.path ?? '';
    await writeFile(join(study, path), 'garbage');
    expect((await preflight(study)).map(({ code, file }) => [code, file])).toContainEqual([
      'checkpoint-changed',
      path,
    ]);
    await execute(study, { kind: 'run' });
    expect((await preflight(study)).filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('names what is wrong with weird task files, before and while working', async () => {
    const weird = join(root, 'weird');
    await copyInputs(study, weird);
    const file = join(weird, 'tasks', 'copy', 'copy_16_42_train.tsv');
    await writeFile(file, '\ufeffabcd\ta\r\n\r\nno tab here\r\n');
    expect(await preflight(weird)).toMatchObject([
      {
        severity: 'error',
        code: 'task-line-without-answer',
        line: 3,
        file: 'tasks/copy/copy_16_42_train.tsv',
      },
    ]);
    await expect(execute(weird, { kind: 'run' })).rejects.toMatchObject({
      code: 'task-line-without-answer',
      place: { file: 'tasks/copy/copy_16_42_train.tsv', line: 3 },
    });
    await writeFile(file, '\ufeffabcd\ta\r\n\r\nabca\ta\r\n');
    await execute(weird, TUNE_COPY);
    await rm(join(weird, 'tasks', 'copy', 'copy_16_42_dev.tsv'));
    const lastKept = await execute(weird, TUNE_COPY);
    const record = JSON.parse(await readFile(join(weird, lastKept.records[0] ?? ''), 'utf8')) as {
      results: { dev: number | null; steps: number };
    };
    expect(record.results).toMatchObject({ dev: null, steps: 6 });
    await rm(join(weird, 'tasks', 'copy', 'copy_16_42_test.tsv'));
    const found = await preflight(weird);
    expect(found.filter(({ severity }) => severity === 'error')).toMatchObject([
      { code: 'probe-missing', path: ['scores', 'probe'] },
    ]);
    expect(found.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['task-without-dev', 'task-without-test']),
    );
    // What `results` shows of it.
    expect(found.find(({ code }) => code === 'task-without-test')).toMatchObject({
      message: "The task 'copy' has no test file: it has no results on test, only on dev.",
      remedy: expect.stringContaining('deltaloom results --split dev') as string,
    });
    for (const { message } of found.filter(({ code }) => code.startsWith('task-without'))) {
      expect(message).toMatch(/'copy'/);
    }
  });

  it('tunes a delta by settings of its own, and says when they name no delta', async () => {
    const own = join(root, 'own-settings');
    await copyInputs(study, own);
    const file = join(own, 'deltaloom.json');
    const configuration = JSON.parse(await readFile(file, 'utf8')) as { sources?: object };
    const tuningByDelta = { adapter: { steps: 4 }, adaptor: { steps: 5 } };
    const weights = { temperaturesByDelta: { lora: { loss: 0.5 } } };
    await writeFile(
      file,
      JSON.stringify({ ...configuration, weights, sources: { ...configuration.sources, tuningByDelta } }),
    );
    expect((await preflight(own)).filter(({ severity }) => severity === 'error')).toMatchObject([
      {
        code: 'delta-unknown',
        path: ['sources', 'tuningByDelta', 'adaptor'],
        remedy: "Did you mean 'adapter'?",
      },
      { code: 'delta-unknown', path: ['weights', 'temperaturesByDelta', 'lora'] },
    ]);
    await execute(own, TUNE_COPY);
    expect((await readSnapshot(own)).runs).toMatchObject([{ results: { steps: 4 } }]);
  });

  it('records a tuning that diverges as failed, with what to do', async () => {
    const diverging = join(root, 'diverging');
    await copyInputs(study, diverging);
    const request: JobRequest = { ...TUNE_COPY, learningRates: [1e38] };
    await expect(execute(diverging, request)).rejects.toMatchObject({ code: 'tuning-diverged' });
    expect((await readSnapshot(diverging)).runs).toMatchObject([
      { status: 'failed', error: { code: 'tuning-diverged' }, checkpoint: null },
    ]);
  });

  describe('of which a piece diverges', () => {
    const hopeless = { learningRates: [3e38] };
    async function changed(name: string, changes: Record<string, unknown>): Promise<string> {
      const directory = join(root, name);
      await copyInputs(study, directory);
      const file = join(directory, 'deltaloom.json');
      const configuration = JSON.parse(await readFile(file, 'utf8')) as Record<string, object>;
      const merged = Object.entries(changes).map(([key, value]) => [
        key,
        { ...configuration[key], ...(value as object) },
      ]);
      await writeFile(file, JSON.stringify({ ...configuration, ...Object.fromEntries(merged) }));
      return directory;
    }
    const targetsFrom = async (directory: string, deltaName: string) =>
      [
        ...new Set(
          (await readSnapshot(directory)).runs.flatMap(({ deltaName: own, role, status, initialisation }) =>
            own === deltaName && role === 'target' && status === 'done'
              ? [initialisation.kind === 'merge' ? initialisation.label : initialisation.kind]
              : [],
          ),
        ),
      ].sort();

    it('goes on with the next delta when all sources of one did, and names the divergence', async () => {
      const directory = await changed('diverging-delta', {
        deltas: { big: { type: 'adapter', size: 3 }, adapter: { type: 'adapter', size: 2 } },
        sources: { tuningByDelta: { big: hopeless } },
      });
      const error = await execute(directory, { kind: 'run', deltaNames: ['big', 'adapter'] }).catch(
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ code: 'run-incomplete' });
      expect(String(error)).toMatch(/big: sources 1\/3: .*is not finite/);
      expect(await targetsFrom(directory, 'big')).toEqual(['random']);
      expect(await targetsFrom(directory, 'adapter')).toEqual([
        'average',
        'best-source',
        'group',
        'loss',
        'random',
        'weight-cosine',
      ]);
    });

    it('scores and merges the sources that there are', async () => {
      const directory = await changed('diverging-source', {
        sources: { tuningByDelta: { adapter: hopeless } },
      });
      // Tuned with other settings, which serve as long as there are no better ones.
      const tasks = ['copy', 'last letter'];
      await execute(directory, { ...TUNE_COPY, tasks, learningRates: [0.02] });
      await expect(execute(directory, { kind: 'run' })).rejects.toMatchObject({ code: 'run-incomplete' });
      const { matrices, merges } = await readSnapshot(directory);
      const loss = matrices.find(({ method }) => method === 'loss');
      expect(loss?.cells.map(({ source }) => source)).toEqual([...tasks, ...tasks, ...tasks]);
      const average = merges.find(({ label, target }) => label === 'average' && target === "it's");
      expect(average?.sources.map(({ task }) => task)).toEqual(tasks);
      expect(await targetsFrom(directory, 'adapter')).toContain('loss');
    });

    it('scores by what needs no few-shot delta where a target has none', async () => {
      const directory = await changed('diverging-target', {
        targets: { tuningByDelta: { adapter: hopeless } },
      });
      const error = await execute(directory, { kind: 'run' }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'run-incomplete' });
      const { matrices, merges } = await readSnapshot(directory);
      expect(matrices.map(({ method, cells }) => [method, cells.length])).toEqual([['loss', 9]]);
      expect(merges.map(({ label }) => label)).toContain('loss');
      expect(merges.map(({ label }) => label)).not.toContain('weight-cosine');
    });
  });
});
