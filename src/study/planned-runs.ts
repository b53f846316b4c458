import { DeltaloomError } from '../core/errors.js';
import { tuningOf } from './configuration.js';
import { canonicalJson } from './content-key.js';
import type { CheckpointReference, MergeRecord, RunRecord } from './records.js';
import { isOnRecord, planTune, type PlannedTune, type StartingPoint, type TuneRequest } from './plan-tune.js';
import type { StudyFiles } from './study-files.js';

/** The runs that the configuration asks for, and which recorded run serves as what. */

/** A finished run whose checkpoint can be used. */
export type FinishedRun = RunRecord & { readonly checkpoint: CheckpointReference };

export function sourceTune(study: StudyFiles, task: string, deltaName: string): TuneRequest {
  const { sources, initialisationSeed } = study.configuration;
  return {
    task,
    deltaName,
    role: 'source',
    shots: sources.shots,
    seed: sources.seed,
    dataSeed: sources.dataSeed === undefined ? undefined : { seed: sources.dataSeed, required: true },
    tuning: tuningOf(sources, deltaName),
    start: { kind: 'random', seed: initialisationSeed },
    keep: 'best',
    test: false,
  };
}

/** From random initialisation it starts where all sources started, so that the changes can be compared. */
export function targetTune(
  study: StudyFiles,
  task: string,
  deltaName: string,
  seed: number,
  start: StartingPoint = { kind: 'random', seed: study.configuration.initialisationSeed },
): TuneRequest {
  const { targets } = study.configuration;
  return {
    task,
    deltaName,
    role: 'target',
    shots: targets.shots,
    seed,
    dataSeed: { seed, required: false },
    tuning: tuningOf(targets, deltaName),
    start,
    keep: 'best',
    test: true,
  };
}

/** The first seed of the targets: its data are the probe, its run from random initialisation is the teacher. */
export function firstTargetSeed(study: StudyFiles): number {
  return study.configuration.targets.seeds[0] ?? 0;
}

/** A source after k steps on the target (`euclidean`, `performance`). */
export function stepTune(study: StudyFiles, source: FinishedRun, target: string): TuneRequest {
  const { scores } = study.configuration;
  const start = startFromRun(source);
  const request = targetTune(study, target, source.deltaName, firstTargetSeed(study), start);
  const { learningRates, batchSizes } = request.tuning;
  return {
    ...request,
    role: 'step-k',
    tuning: {
      ...request.tuning,
      steps: scores.steps,
      learningRates: learningRates.slice(0, 1),
      batchSizes: batchSizes.slice(0, 1),
      validateEvery: scores.steps,
      patience: 0,
    },
    keep: 'last',
    test: false,
  };
}

export function startFromRun(run: FinishedRun): StartingPoint {
  const { id, task, checkpoint } = run;
  return { kind: 'checkpoint', id, task, sha256: checkpoint.sha256, path: checkpoint.path };
}

export function startFromMerge({ id, label, checkpoint }: MergeRecord): StartingPoint {
  return { kind: 'merge', id, label, sha256: checkpoint.sha256, path: checkpoint.path };
}

/** A run with the key that the configuration asks for now, with its checkpoint in place. */
async function recordedRun(study: StudyFiles, plan: PlannedTune): Promise<FinishedRun | null> {
  const usable = await isOnRecord(study, { ...plan, testMissing: false }, { needsCheckpoint: true });
  return usable ? asFinished(plan.recorded) : null;
}

/** A run with its checkpoint; null for one that has none. */
export function asFinished(run: RunRecord | null): FinishedRun | null {
  if (run === null) return null;
  const { checkpoint } = run;
  return checkpoint === null ? null : { ...run, checkpoint };
}

/** The target's few-shot delta from random initialisation that scores compare with, and whether its weights are in place. */
export async function teacherRun(
  study: StudyFiles,
  task: string,
  deltaName: string,
): Promise<{ readonly run: FinishedRun; readonly inPlace: boolean } | null> {
  const request = { ...targetTune(study, task, deltaName, firstTargetSeed(study)), test: false };
  const plan = await planTune(study, request);
  const onRecord = await isOnRecord(study, { ...plan, testMissing: false }, { needsCheckpoint: false });
  const run = onRecord ? asFinished(plan.recorded) : null;
  return run === null ? null : { run, inPlace: await study.hasCheckpoint(run.checkpoint) };
}

/**
 * Finds which recorded run is the source checkpoint of a task: the one that the configuration asks for; else one that was
 * imported; else, unless `exact`, the latest that was tuned with other settings.
 */
export class SourceFinder {
  private runs: Promise<readonly RunRecord[]> | null = null;

  /** @param known the runs on record, where they have been read already */
  constructor(
    private readonly study: StudyFiles,
    known?: readonly RunRecord[],
  ) {
    if (known !== undefined) this.runs = Promise.resolve(known);
  }

  async find(task: string, deltaName: string, { exact }: { exact: boolean }): Promise<FinishedRun | null> {
    const planned = await this.planned(task, deltaName);
    if (planned !== null) return planned;
    const others = await this.others(task, deltaName);
    const imported = others.filter(isImported);
    const latest = (exact ? imported : [...others, ...imported]).at(-1);
    return latest ?? null;
  }

  /** Source checkpoints of these tasks, in their order; tasks without one are left out. */
  async findAll(tasks: readonly string[], deltaName: string): Promise<FinishedRun[]> {
    const found: FinishedRun[] = [];
    for (const task of tasks) {
      const run = await this.find(task, deltaName, { exact: false });
      if (run !== null) found.push(run);
    }
    return found;
  }

  /**
   * Of tasks for which `findAll` found nothing: the latest run of the first that has a source on record, whose checkpoint is not
   * in place any more or not the recorded one. Null where none of them ever had one.
   */
  async lost(tasks: readonly string[], deltaName: string): Promise<FinishedRun | null> {
    for (const task of tasks) {
      const run = asFinished((await this.recorded(task, deltaName)).at(-1) ?? null);
      if (run !== null) return run;
    }
    return null;
  }

  private async planned(task: string, deltaName: string): Promise<FinishedRun | null> {
    try {
      return await recordedRun(
        this.study,
        await planTune(this.study, sourceTune(this.study, task, deltaName)),
      );
    } catch (error) {
      // A source that was imported may have no data here.
      if (error instanceof DeltaloomError && error.code.startsWith('task-')) return null;
      throw error;
    }
  }

  private async others(task: string, deltaName: string): Promise<FinishedRun[]> {
    const usable: FinishedRun[] = [];
    for (const run of await this.recorded(task, deltaName)) {
      const finished = asFinished(run);
      if (finished !== null && (await this.study.hasCheckpoint(run.checkpoint))) usable.push(finished);
    }
    return usable;
  }

  /** Sources that were tuned or imported with these delta settings on this backbone, the latest last. */
  private async recorded(task: string, deltaName: string): Promise<RunRecord[]> {
    this.runs ??= this.study.store.readRuns().then(({ records }) => records);
    const delta = canonicalJson(this.study.delta(deltaName));
    const backbone = await this.study.backboneFingerprint();
    return (await this.runs)
      .filter(
        (run) =>
          run.task === task &&
          run.deltaName === deltaName &&
          run.role === 'source' &&
          run.kind === 'tune' &&
          run.status === 'done' &&
          run.inputs.backbone === backbone &&
          canonicalJson(run.delta) === delta,
      )
      .sort((a, b) => a.provenance.time.localeCompare(b.provenance.time));
  }

  /** After new runs were recorded. */
  refresh(): void {
    this.runs = null;
  }
}

function isImported(run: RunRecord): boolean {
  return run.role === 'source' && run.tuning === null;
}
