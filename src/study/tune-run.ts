import { join } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import type { DeltaTensors } from '../core/tensor.js';
import type { ChosenData } from './catalogue.js';
import { writeCheckpoint } from './checkpoints.js';
import type { Model } from './compute/contract.js';
import { evaluate } from './evaluation.js';
import { readExamples, type Examples } from './examples.js';
import { cachePath, checkpointPath } from './paths.js';
import { planTune, type PlannedTune, type StartingPoint, type TuneRequest } from './plan-tune.js';
import type { Initialisation, Provenance, RunRecord } from './records.js';
import type { StudySession } from './session.js';
import { writePredictions } from './predictions.js';
import { forgetTuning, tune, TuningCancelled, type TuningResult, type TuningStep } from './tuning.js';

/**
 * Tunes, keeps the checkpoint and writes the record. A tuning that was stopped goes on where it stood. One that fails or is
 * cancelled leaves a record that says so, unless the record says that it was finished before: weights that are not here, as after
 * a clone, are no reason to lose results.
 *
 * @throws the signal's reason when cancelled; DeltaloomError when it fails
 */
export async function runTune(
  session: StudySession,
  planned: PlannedTune,
  report: (step: TuningStep) => void,
): Promise<RunRecord> {
  const provenance = await session.provenance();
  const { recorded } = planned;
  if (recorded?.status === 'done' && (await session.hasCheckpoint(recorded.checkpoint))) {
    return measureTest(session, planned, recorded);
  }
  await session.store.checkRunReplaceable(planned.request.task, planned.id);
  const plan = await testedAsBefore(session, planned);
  const stateFile = session.absolute(cachePath('tunings', plan.request.task, `${plan.id}.safetensors`));
  try {
    const result = await tuneFrom(session, plan, stateFile, report);
    const checkpoint = await keep(session, plan, result);
    const measured = await measureTest(
      session,
      plan,
      // The device is known once it was opened.
      record(session, plan, { ...provenance, ...session.usedDevice() }, result, checkpoint, 'done'),
      result.delta,
    );
    await forgetTuning(stateFile);
    return measured;
  } catch (error) {
    if (recorded?.status === 'done') {
      session.context.log(`${recorded.id} keeps the results on record; its weights are still missing.`);
      throw error instanceof TuningCancelled ? error.reason : error;
    }
    if (error instanceof TuningCancelled) {
      const checkpoint = error.kept === null ? null : await keep(session, plan, error.kept);
      await session.store.writeRun(
        record(
          session,
          plan,
          { ...provenance, ...session.usedDevice() },
          error.kept,
          checkpoint,
          'cancelled',
        ),
      );
      throw error.reason;
    }
    if (error instanceof DeltaloomError && !session.context.signal.aborted) {
      await recordFailure(session, plan, provenance, error);
    }
    throw error;
  }
}

async function tuneFrom(
  session: StudySession,
  plan: PlannedTune,
  stateFile: string,
  report: (step: TuningStep) => void,
): Promise<TuningResult> {
  const { request, data } = plan;
  const { configuration, context } = session;
  const model = await session.model(request.deltaName);
  const { train, dev } = data.data.files;
  if (train === undefined) throw new Error('planned without a train file');
  const initial = await startingDelta(session, model, request.start);
  if (dev === undefined) {
    context.log(`${request.task} has no dev file: the last step is kept.`);
  }
  return tune(
    {
      model,
      task: request.task,
      metric: session.metric(request.task),
      train: await examplesOf(session, model, request, data, train),
      dev: dev === undefined ? null : await examplesOf(session, model, request, data, dev),
      initial,
      settings: request.tuning,
      seed: request.seed,
      dropout: plan.dropout,
      maxAnswerLength: configuration.lengths.output,
      compatibility: configuration.compatibility,
      keep: request.keep,
      key: plan.key,
      stateFile,
    },
    { signal: context.signal, progress: report, log: (line) => context.log(`${request.task}: ${line}`) },
  );
}

/** The weights that a tuning starts from. */
async function startingDelta(
  session: StudySession,
  model: Model,
  start: StartingPoint,
): Promise<DeltaTensors> {
  return start.kind === 'random' ? model.initialDelta(start.seed) : session.readDelta(start, model);
}

function examplesOf(
  session: StudySession,
  model: Model,
  { task }: TuneRequest,
  data: ChosenData,
  file: string,
): Promise<Examples> {
  return readExamples(model.backbone, task, session.absolute(file), {
    directory: session.directory,
    lengths: session.configuration.lengths,
    draw: data.draw === null ? null : { count: data.draw, seed: data.data.seed },
    warn: (warning) => session.context.log(warning),
  });
}

async function keep(session: StudySession, plan: PlannedTune, { delta }: TuningResult) {
  const { task, deltaName } = plan.request;
  const path = checkpointPath(task, plan.id);
  await session.store.prepare();
  return writeCheckpoint(path, join(session.directory, path), delta, {
    delta: session.delta(deltaName),
    backbone: plan.inputs.backbone,
    task,
    id: plan.id,
    key: plan.key,
  });
}

function record(
  session: StudySession,
  plan: PlannedTune,
  provenance: Omit<Provenance, 'seconds'>,
  result: TuningResult | null,
  checkpoint: RunRecord['checkpoint'],
  status: RunRecord['status'],
): RunRecord {
  const { request, data } = plan;
  // The test file belongs to the record only once it was measured.
  const trainingData = Object.fromEntries(
    Object.entries(plan.inputs.data).filter(([split]) => split !== 'test'),
  );
  return {
    format: 'deltaloom/run',
    version: 1,
    id: plan.id,
    key: plan.key,
    kind: 'tune',
    task: request.task,
    deltaName: request.deltaName,
    delta: session.delta(request.deltaName),
    role: request.role,
    shots: request.shots,
    dataSeed: data.data.seed,
    seed: request.seed,
    initialisation: initialisationOf(request.start),
    tuning: request.tuning,
    chosen:
      result === null
        ? null
        : { learningRate: result.winner.learningRate, batchSize: result.winner.batchSize },
    inputs: { ...plan.inputs, data: trainingData },
    status,
    checkpoint,
    curve: { train: result?.winner.train ?? [], dev: result?.winner.dev ?? [] },
    results: {
      metric: session.metric(request.task),
      dev: result?.dev ?? null,
      test: null,
      devLoss: result?.devLoss ?? null,
      bestStep: result?.winner.best?.step ?? null,
      steps: result?.winner.steps ?? 0,
      testExamples: null,
    },
    provenance: { ...provenance, seconds: Number((result?.seconds ?? 0).toFixed(3)) },
  };
}

function initialisationOf(start: StartingPoint): Initialisation {
  switch (start.kind) {
    case 'random':
      return { kind: 'random', seed: start.seed };
    case 'checkpoint':
      return { kind: 'checkpoint', id: start.id, task: start.task, sha256: start.sha256 };
    case 'merge':
      return { kind: 'merge', id: start.id, label: start.label, sha256: start.sha256 };
  }
}

/** The record of weights that are gone may know their test: then it is measured of the new ones, whoever asked for them. */
async function testedAsBefore(session: StudySession, plan: PlannedTune): Promise<PlannedTune> {
  const known = plan.recorded !== null && plan.recorded.results.test !== null;
  return known && !plan.request.test ? planTune(session, { ...plan.request, test: true }) : plan;
}

/** Writes the record, with the test split measured if that is wanted. */
async function measureTest(
  session: StudySession,
  plan: PlannedTune,
  run: RunRecord,
  delta?: DeltaTensors,
): Promise<RunRecord> {
  const file = plan.data.test;
  // Of a tuning that was just done nothing is measured yet, whatever the record of its key knew.
  const missing = plan.testMissing || run.results.test === null;
  if (!plan.request.test || file === undefined || !missing) {
    await session.store.writeRun(run);
    return run;
  }
  const model = await session.model(plan.request.deltaName);
  if (run.checkpoint === null) throw new Error('a finished tuning without a checkpoint');
  const weights = delta ?? (await session.readDelta(run.checkpoint, model));
  const examples = await readExamples(model.backbone, run.task, session.absolute(file), {
    directory: session.directory,
    lengths: session.configuration.lengths,
    warn: (warning) => session.context.log(warning),
  });
  const { metric, predictions } = await evaluate(model, weights, examples, {
    metric: session.metric(run.task),
    maxLength: session.configuration.lengths.output,
    compatibility: session.configuration.compatibility,
    signal: session.context.signal,
  });
  await writePredictions(session, run.task, run.id, 'test', examples, predictions);
  const measured: RunRecord = {
    ...run,
    inputs: { ...run.inputs, data: plan.inputs.data },
    results: { ...run.results, test: metric, testExamples: examples.tokens.length },
  };
  await session.store.writeRun(measured);
  return measured;
}

async function recordFailure(
  session: StudySession,
  plan: PlannedTune,
  provenance: Omit<Provenance, 'seconds'>,
  error: DeltaloomError,
): Promise<void> {
  const failed: RunRecord = {
    ...record(session, plan, provenance, null, null, 'failed'),
    error: {
      code: error.code,
      message: error.message,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    },
  };
  // A disk that is full or can't be written must not hide the first error.
  await session.store.writeRun(failed).catch((second: unknown) => {
    if (!(second instanceof DeltaloomError)) throw second;
    session.context.log(`The failure could not be recorded: ${second.line}`);
  });
}
