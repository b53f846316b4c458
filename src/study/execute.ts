import { counted } from '../core/counted.js';
import { DeltaloomError } from '../core/errors.js';
import { evaluateCheckpoint } from './evaluate-run.js';
import type { JobContext, JobOutcome, JobRequest } from './jobs.js';
import { withLockedStudy } from './locked-study.js';
import { pathOfMerge, runMerge } from './merge-run.js';
import { matrixPath, pathOfRunRecord } from './paths.js';
import { runStudy } from './run-study.js';
import { scoreMatrices } from './score-matrices.js';
import type { StudySession } from './session.js';
import { checkpointAt, runTuneJob } from './tune-jobs.js';

export interface ExecuteOptions {
  /** How long to wait for another process that works on the study, in milliseconds. */
  readonly waitMs?: number;
  /** Instead of the study's own seeds. */
  readonly seed?: number | undefined;
}

/**
 * Does a job on a study, alone: the study is locked meanwhile. What is on record is not done again, and what is finished
 * is kept whatever happens to the rest.
 *
 * @throws the signal's reason when it aborts; DeltaloomError for everything that a person can mend, `study-locked` among them
 */
export async function executeJob(
  directory: string,
  request: JobRequest,
  context: JobContext,
  { waitMs, seed }: ExecuteOptions = {},
): Promise<JobOutcome> {
  return withLockedStudy(directory, context, { purpose: request.kind, waitMs, seed }, async (session) => {
    await session.store.sweepLeftovers();
    try {
      return await perform(session, request);
    } finally {
      await session.close();
    }
  });
}

async function perform(session: StudySession, request: JobRequest): Promise<JobOutcome> {
  switch (request.kind) {
    case 'tune':
      return runTuneJob(session, request);
    case 'evaluate':
      return runEvaluateJob(session, request);
    case 'score':
      return runScoreJob(session, request);
    case 'merge': {
      const { record, reused } = await runMerge(session, request);
      return {
        records: [pathOfMerge(record)],
        computed: reused ? 0 : 1,
        reused: reused ? 1 : 0,
        summary: reused
          ? `The merge for ${record.target} by ${record.label} was on record.`
          : `Merged ${counted(record.sources.length, 'source')} for ${record.target} by ${record.label}.`,
      };
    }
    case 'run':
      return runStudy(session, chosenDeltas(session, request.deltaNames));
  }
}

async function runEvaluateJob(
  session: StudySession,
  request: Extract<JobRequest, { kind: 'evaluate' }>,
): Promise<JobOutcome> {
  const { task, split, deltaName } = request;
  const checkpoint = request.checkpoint === null ? null : await checkpointAt(session, request.checkpoint);
  const label = `Evaluating ${task} on ${split}`;
  const { record, reused } = await evaluateCheckpoint(
    session,
    { task, deltaName, checkpoint, split },
    (done, total) => session.context.progress({ label, done, total, unit: 'examples', task }),
  );
  const value = record.results[split];
  const shown = value === null ? 'undefined' : `${(value * 100).toFixed(1)}%`;
  return {
    records: [pathOfRunRecord(record)],
    computed: reused ? 0 : 1,
    reused: reused ? 1 : 0,
    summary: `${task}: ${split} ${record.results.metric} ${shown}${reused ? ' (on record)' : ''}.`,
  };
}

async function runScoreJob(
  session: StudySession,
  request: Extract<JobRequest, { kind: 'score' }>,
): Promise<JobOutcome> {
  session.delta(request.deltaName);
  for (const task of [...(request.targets ?? []), ...(request.sources ?? [])]) session.task(task);
  const outcome = await scoreMatrices(session, request);
  return {
    records: outcome.matrices.map(({ method, granularity }) =>
      matrixPath(request.deltaName, method, granularity),
    ),
    computed: outcome.computed,
    reused: outcome.reused,
    summary: `${counted(outcome.computed, 'cell')} computed, ${outcome.reused} on record.`,
  };
}

function chosenDeltas(session: StudySession, names: readonly string[] | undefined): string[] {
  const all = Object.keys(session.configuration.deltas);
  if (names === undefined) {
    if (all.length > 0) return all;
    throw new DeltaloomError('deltas-missing', 'The study has no delta settings.', {
      remedy: 'Add one to \'deltas\' in deltaloom.json, for example "adapter": { "type": "adapter" }.',
    });
  }
  for (const name of names) session.delta(name);
  return [...names];
}
