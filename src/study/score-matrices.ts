import { DeltaloomError } from '../core/errors.js';
import { SCORE_METHOD_INFO, type Granularity, type ScoreMethod } from '../core/methods.js';
import { chooseData, sourceTasks, targetTasks, type ChosenData } from './catalogue.js';
import { tuningOf } from './configuration.js';
import { contentKey } from './content-key.js';
import { evaluateCheckpoint } from './evaluate-run.js';
import { readExamples } from './examples.js';
import { Pace } from './pace.js';
import { cachePath } from './paths.js';
import { SourceFinder, firstTargetSeed, stepTune, teacherRun, type FinishedRun } from './planned-runs.js';
import type {
  ScoredDelta,
  ScoredTarget,
  ScoringOutcome,
  ScoringRequest,
  StepTuning,
} from './scoring/index.js';
import { scoreStudy } from './scoring/index.js';
import type { StudySession } from './session.js';
import { shellWord } from './shell-word.js';
import { isOnRecord, planTune, stepsOf, type PlannedTune } from './plan-tune.js';
import { describeTune } from './tune-jobs.js';
import { runTune } from './tune-run.js';
import type { TuningStep } from './tuning.js';

export interface ScoreRequest {
  readonly deltaName: string;
  readonly methods: readonly ScoreMethod[];
  readonly granularities: readonly Granularity[];
  readonly targets?: readonly string[] | undefined;
  readonly sources?: readonly string[] | undefined;
}

/**
 * Fills the cells that are missing or stale.
 *
 * @throws DeltaloomError `source-missing` naming the tasks without a checkpoint, and what scoring throws
 */
export async function scoreMatrices(session: StudySession, request: ScoreRequest): Promise<ScoringOutcome> {
  const scoring = await scoringRequest(session, request);
  await session.store.prepare();
  return scoreStudy(scoring, {
    store: session.store,
    journal: session.absolute(cachePath(`scores-${request.deltaName}.jsonl`)),
    model: () => session.model(request.deltaName),
    provenance: async () => {
      if (request.methods.every((method) => SCORE_METHOD_INFO[method].cost === 'weights')) {
        return session.provenanceWithoutDevice();
      }
      // The device is part of it, and is known once it is open.
      await session.model(request.deltaName);
      return session.provenance();
    },
    signal: session.context.signal,
    progress: session.context.progress,
    log: session.context.log,
  });
}

/**
 * Everything that the cells of a request are computed from, and the identity that follows from it. Nothing is computed.
 *
 * @param known the sources, where they have been found already
 * @throws DeltaloomError `source-missing`, `probe-missing`, and of data that are missing
 */
export async function scoringRequest(
  session: StudySession,
  request: ScoreRequest,
  known?: readonly FinishedRun[],
): Promise<ScoringRequest> {
  const { configuration, tasks } = session;
  const { deltaName } = request;
  const rows = union(targetTasks(configuration, tasks), request.targets);
  const columns = union(sourceTasks(configuration, tasks), request.sources);
  const sources = known ?? (await foundSources(session, request.sources ?? columns, deltaName));
  const targets: ScoredTarget[] = [];
  for (const task of request.targets ?? rows) targets.push(await scoredTarget(session, task, request));
  const delta = session.delta(deltaName);
  const { probe } = configuration.scores;
  return {
    deltaName,
    delta,
    compatibility: configuration.compatibility,
    methods: request.methods,
    granularities: request.granularities,
    targets,
    sources: sources.map((run) => scoredDelta(session, run, true)),
    rows,
    columns,
    catalogue: tasks.map(({ name }) => name),
    backboneFingerprint: await session.backboneFingerprint(),
    lengths: configuration.lengths,
    probe: {
      split: probe.split,
      shots: configuration.targets.shots,
      examples: probe.examples ?? null,
      batchSize: probe.batchSize,
    },
    initial: {
      identity: { seed: configuration.initialisationSeed, delta },
      tensors: async () => (await session.model(deltaName)).initialDelta(configuration.initialisationSeed),
    },
    tuning: await stepTuning(session, sources, deltaName),
  };
}

async function foundSources(
  session: StudySession,
  tasks: readonly string[],
  deltaName: string,
): Promise<FinishedRun[]> {
  const sources = await new SourceFinder(session).findAll(tasks, deltaName);
  const missing = tasks.filter((task) => !sources.some((run) => run.task === task));
  refuseMissingSources(session, missing, deltaName, 'name the sources to score (--source)');
  return sources;
}

function union(first: readonly string[], second: readonly string[] | undefined): string[] {
  return [...new Set([...first, ...(second ?? [])])];
}

/**
 * Names the tasks that have no source checkpoint, and the command that makes them.
 *
 * @param otherwise what else can be done
 * @throws DeltaloomError `source-missing` unless `missing` is empty
 */
export function refuseMissingSources(
  { tasks }: Pick<StudySession, 'tasks'>,
  missing: readonly string[],
  deltaName: string,
  otherwise: string,
): void {
  if (missing.length === 0) return;
  const unknown = missing.filter((task) => tasks.every(({ name }) => name !== task));
  throw new DeltaloomError(
    'source-missing',
    `There is no ${deltaName} source checkpoint of ${quoted(missing)}.`,
    {
      remedy:
        unknown.length > 0
          ? `The study has no task ${quoted(unknown)}: correct 'sources.tasks' in deltaloom.json. deltaloom check says which names are near.`
          : `Tune first: deltaloom tune --role source --task ${missing.map(shellWord).join(' ')} --delta ${shellWord(deltaName)}. Or ${otherwise}.`,
    },
  );
}

function quoted(tasks: readonly string[]): string {
  return tasks.map((task) => `'${task}'`).join(', ');
}

function scoredDelta(session: StudySession, run: FinishedRun, inPlace: boolean): ScoredDelta {
  return {
    task: run.task,
    sha256: run.checkpoint.sha256,
    file: run.checkpoint.path,
    inPlace,
    tensors: async () => session.readDelta(run.checkpoint, await session.model(run.deltaName)),
  };
}

async function scoredTarget(
  session: StudySession,
  task: string,
  { deltaName, methods }: ScoreRequest,
): Promise<ScoredTarget> {
  const { configuration, context, directory } = session;
  const { targets, scores, lengths } = configuration;
  const data = chooseData(session.task(task), targets.shots, {
    seed: firstTargetSeed(session),
    required: false,
  });
  const file = data.data.files[scores.probe.split];
  const readsProbe = methods.some((method) => SCORE_METHOD_INFO[method].cost !== 'weights');
  if (file === undefined && readsProbe) {
    throw new DeltaloomError(
      'probe-missing',
      `The target '${task}' has no ${scores.probe.split} file to score on.`,
      { remedy: "Add the file, or choose another split in deltaloom.json ('scores.probe.split')." },
    );
  }
  const draw = data.draw === null ? null : { count: data.draw, seed: data.data.seed };
  const sha256 = file === undefined ? '' : await session.hashes.of(session.absolute(file));
  const teacher = methods.some((method) => SCORE_METHOD_INFO[method].needsTargetDelta)
    ? await teacherRun(session, task, deltaName)
    : null;
  return {
    task,
    dataSha256: draw === null ? sha256 : contentKey({ sha256, draw }),
    tuningDigest: methods.some((method) => SCORE_METHOD_INFO[method].cost === 'tuning')
      ? await tuningDigest(session, task, data)
      : null,
    examples: async () => {
      if (file === undefined) return [];
      const backbone = await session.backbone(deltaName);
      const { tokens } = await readExamples(backbone, task, session.absolute(file), {
        directory,
        lengths,
        draw,
        first: scores.probe.examples,
        warn: (warning) => context.log(warning),
      });
      return tokens;
    },
    delta: teacher === null ? null : scoredDelta(session, teacher.run, teacher.inPlace),
  };
}

/** Of what sources are tuned by for k steps on a target. */
async function tuningDigest(
  session: StudySession,
  task: string,
  { data, draw }: ChosenData,
): Promise<string> {
  const { train, dev } = data.files;
  const hashOf = (file: string | undefined) =>
    file === undefined ? null : session.hashes.of(session.absolute(file));
  return contentKey({
    train: await hashOf(train),
    dev: await hashOf(dev),
    draw: draw === null ? null : { count: draw, seed: data.seed },
    metric: session.metric(task),
  });
}

/** Sources tuned for k steps on targets; each a run on record like any other. */
async function stepTuning(
  session: StudySession,
  sources: readonly FinishedRun[],
  deltaName: string,
): Promise<StepTuning> {
  const { scores, targets } = session.configuration;
  const tuning = tuningOf(targets, deltaName);
  const runOf = (task: string): FinishedRun => {
    const run = sources.find((source) => source.task === task);
    if (run === undefined) throw new Error(`'${task}' is no source`);
    return run;
  };
  return {
    identity: {
      steps: scores.steps,
      tuning,
      dropout: await session.dropout(tuning.dropout),
      seed: firstTargetSeed(session),
    },
    tuned: async (source, target) => {
      const run = await stepRun(session, await planTune(session, stepTune(session, runOf(source), target)));
      return {
        dev: run.results.dev,
        tensors: async () => session.readDelta(run.checkpoint, await session.model(run.deltaName)),
      };
    },
    zeroShot: async (source, target) => {
      const run = runOf(source);
      const { record } = await evaluateCheckpoint(session, {
        task: target,
        deltaName: run.deltaName,
        checkpoint: { ...run.checkpoint, initialisation: { kind: 'checkpoint', id: run.id, task: run.task } },
        split: 'dev',
      });
      return record.results.dev;
    },
  };
}

/** A source after k steps on a target, tuned where it is not on record or its weights are not here. */
async function stepRun(
  session: StudySession,
  plan: PlannedTune,
  report: (step: TuningStep) => void = () => undefined,
): Promise<FinishedRun> {
  const onRecord = await isOnRecord(session, plan, { needsCheckpoint: true });
  const run = onRecord && plan.recorded !== null ? plan.recorded : await runTune(session, plan, report);
  if (run.checkpoint === null) throw new Error('a finished run without a checkpoint');
  return { ...run, checkpoint: run.checkpoint };
}

/**
 * Copies of the sources after k steps on the target, by the names of the sources, as their records know them: what
 * `performance` merges. Their weights need not be here. null where one of them is not on record.
 */
export async function recordedStepRuns(
  session: StudySession,
  sources: readonly FinishedRun[],
  target: string,
): Promise<FinishedRun[] | null> {
  const found: FinishedRun[] = [];
  for (const source of sources) {
    const plan = await planTune(session, stepTune(session, source, target));
    const onRecord = await isOnRecord(session, plan, { needsCheckpoint: false });
    const run = plan.recorded;
    if (!onRecord || run?.checkpoint == null) return null;
    found.push({ ...run, task: source.task, checkpoint: run.checkpoint });
  }
  return found;
}

/**
 * The same with their weights. Scoring would not make them again: their scores are on record and fresh. So whoever needs them
 * has them tuned.
 */
export async function tunedStepRuns(
  session: StudySession,
  sources: readonly FinishedRun[],
  target: string,
): Promise<FinishedRun[]> {
  const plans: { readonly plan: PlannedTune; readonly source: FinishedRun; readonly isHere: boolean }[] = [];
  for (const source of sources) {
    const plan = await planTune(session, stepTune(session, source, target));
    plans.push({ plan, source, isHere: await isOnRecord(session, plan, { needsCheckpoint: true }) });
  }
  const total = plans.reduce((sum, { plan, isHere }) => sum + (isHere ? 0 : stepsOf(plan.request)), 0);
  const pace = new Pace(session.context, total, 'steps');
  const runs: FinishedRun[] = [];
  for (const { plan, source, isHere } of plans) {
    session.context.signal.throwIfAborted();
    const label = `Tuning ${describeTune(plan.request)}`;
    const about = { task: target, runId: plan.id };
    if (!isHere) pace.report(label, 0, about);
    const run = await stepRun(session, plan, ({ done }) => pace.report(label, done, about));
    if (!isHere) pace.finish(stepsOf(plan.request));
    runs.push({ ...run, task: source.task });
  }
  return runs;
}
