import { counted } from '../core/counted.js';
import { DeltaloomError } from '../core/errors.js';
import { nameOfForeignCheckpoint } from './checkpoints.js';
import { tuningSchema, type TuningSettings } from './configuration.js';
import type { JobOutcome, JobRequest } from './jobs.js';
import { Pace } from './pace.js';
import { pathOfRunRecord, relativeToStudy } from './paths.js';
import {
  isOnRecord,
  planTune,
  stepsOf,
  type PlannedTune,
  type StartingPoint,
  type TuneRequest,
} from './plan-tune.js';
import { sourceTune, startFromMerge, targetTune } from './planned-runs.js';
import type { CheckpointReference } from './records.js';
import type { EvaluatedCheckpoint } from './evaluate-run.js';
import type { StudySession } from './session.js';
import { runTune } from './tune-run.js';
import { stat } from 'node:fs/promises';

type TuneJob = Extract<JobRequest, { kind: 'tune' }>;

/** Tunes the tasks of a request one after the other, over its seeds. */
export async function runTuneJob(session: StudySession, job: TuneJob): Promise<JobOutcome> {
  const plans: PlannedTune[] = [];
  const records: string[] = [];
  let reused = 0;
  for (const request of await tuneRequests(session, job)) {
    const plan = await planTune(session, request);
    if (await isOnRecord(session, plan, { needsCheckpoint: true })) {
      reused++;
      records.push(pathOfRunRecord({ task: request.task, id: plan.id }));
    } else {
      plans.push(plan);
    }
  }
  const pace = new Pace(
    session.context,
    plans.reduce((sum, { request }) => sum + stepsOf(request), 0),
    'steps',
  );
  let best: string | null = null;
  for (const plan of plans) {
    const { request } = plan;
    const label = `Tuning ${describeTune(request)}`;
    pace.report(label, 0, { task: request.task, runId: plan.id });
    const run = await runTune(session, plan, ({ done, step, loss, metric }) => {
      pace.report(label, done, {
        task: request.task,
        runId: plan.id,
        step,
        ...(loss === null ? {} : { loss }),
        ...(metric === null ? {} : { metric }),
      });
    });
    pace.finish(stepsOf(request));
    records.push(pathOfRunRecord(run));
    const { metric, dev, test } = run.results;
    best = `${run.task}: dev ${metric} ${percent(dev)}${run.results.testExamples === null ? '' : `, test ${percent(test)}`}`;
  }
  const summary =
    plans.length === 0
      ? `${counted(reused, 'tuning')} on record: no work was done.`
      : plans.length === 1 && reused === 0 && best !== null
        ? `Tuned ${best}.`
        : `${counted(plans.length, 'tuning')} done, ${reused} on record.`;
  return { records, computed: plans.length, reused, summary };
}

function percent(value: number | null): string {
  return value === null ? 'not measured' : `${(value * 100).toFixed(1)}%`;
}

/** For people: 'boolq (adapter, 16 shots, seed 42, from loss)'. */
export function describeTune({ task, deltaName, shots, seed, start }: TuneRequest): string {
  const from = start.kind === 'random' ? '' : `, from ${start.kind === 'merge' ? start.label : start.task}`;
  return `${task} (${deltaName}, ${shots === 'full' ? 'full data' : `${shots} shots`}, seed ${seed}${from})`;
}

async function tuneRequests(session: StudySession, job: TuneJob): Promise<TuneRequest[]> {
  session.delta(job.deltaName);
  if (job.tasks.length === 0) {
    throw new DeltaloomError('tasks-not-chosen', 'No task was chosen.', {
      remedy: 'Name tasks (--task), a group (--group), or all (--all).',
    });
  }
  const requests: TuneRequest[] = [];
  for (const task of job.tasks) {
    session.task(task);
    const defaults =
      job.role === 'source' ? [session.configuration.sources.seed] : session.configuration.targets.seeds;
    for (const seed of job.seeds ?? defaults) {
      const base =
        job.role === 'source'
          ? { ...sourceTune(session, task, job.deltaName), seed }
          : targetTune(session, task, job.deltaName, seed);
      requests.push({
        ...base,
        ...(job.initialisation.kind === 'random' ? {} : { start: await startOf(session, job, task) }),
        shots: job.shots ?? base.shots,
        tuning: withOverrides(base.tuning, job),
        test: job.test ?? base.test,
      });
    }
  }
  return requests;
}

function withOverrides(tuning: TuningSettings, job: TuneJob): TuningSettings {
  const { steps, learningRates, batchSizes, warmup, validateEvery, logEvery, patience } = job;
  const overrides = { steps, learningRates, batchSizes, warmup, validateEvery, logEvery, patience };
  const parsed = tuningSchema.safeParse({
    ...tuning,
    ...Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined)),
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const setting = String(issue?.path[0]);
  throw new DeltaloomError(
    'tuning-setting-invalid',
    `The tuning setting '${setting}' can't be ${String(overrides[setting as keyof typeof overrides])}: ${issue?.message ?? 'invalid'}.`,
    { remedy: 'Rates, steps, batch sizes and intervals are greater than 0.' },
  );
}

async function startOf(session: StudySession, job: TuneJob, task: string): Promise<StartingPoint> {
  const { initialisation } = job;
  if (initialisation.kind === 'random') {
    return { kind: 'random', seed: session.configuration.initialisationSeed };
  }
  if (initialisation.kind === 'merge') {
    const record = await session.store.readMerge(task, initialisation.id);
    if (record === null) {
      throw new DeltaloomError(
        'merge-unknown',
        `There is no merge '${initialisation.id}' for the task '${task}'.`,
        { remedy: 'deltaloom status lists the merges; make one with deltaloom merge.' },
      );
    }
    return startFromMerge(record);
  }
  const { initialisation: known, sha256, path } = await checkpointAt(session, initialisation.path);
  return { ...known, sha256, path };
}

/**
 * A checkpoint file by its path, with what the records call it.
 *
 * @throws DeltaloomError `checkpoint-missing`
 */
export async function checkpointAt(session: StudySession, path: string): Promise<EvaluatedCheckpoint> {
  const file = session.absolute(path);
  const relative = relativeToStudy(session.directory, file);
  let reference: CheckpointReference;
  try {
    reference = {
      path: relative,
      sha256: await session.hashes.of(file),
      bytes: (await stat(file)).size,
    };
  } catch (cause) {
    throw new DeltaloomError('checkpoint-missing', 'There is no such checkpoint.', {
      place: { file: path },
      remedy: 'deltaloom status lists the checkpoints of the study.',
      cause,
    });
  }
  const [{ records: runs }, { records: merges }] = await Promise.all([
    session.store.readRuns(),
    session.store.readMerges(),
  ]);
  const merge = merges.find(({ checkpoint }) => checkpoint.path === relative);
  if (merge !== undefined) {
    return { ...reference, initialisation: { kind: 'merge', id: merge.id, label: merge.label } };
  }
  const run = runs.find(({ kind, checkpoint }) => kind === 'tune' && checkpoint?.path === relative);
  const { id, task } = run ?? nameOfForeignCheckpoint(file);
  return { ...reference, initialisation: { kind: 'checkpoint', id, task } };
}
