import { counted } from '../core/counted.js';
import { DeltaloomError } from '../core/errors.js';
import type { ScoreMethod } from '../core/methods.js';
import { sourceTasks, targetTasks } from './catalogue.js';
import type { JobOutcome } from './jobs.js';
import { mergeChoices, methodsInUse, type MergeBy } from './merge-choices.js';
import { pathOfMerge, runMerge } from './merge-run.js';
import { Pace } from './pace.js';
import { matrixPath, pathOfRunRecord } from './paths.js';
import { isOnRecord, planTune, stepsOf, type PlannedTune, type TuneRequest } from './plan-tune.js';
import { SourceFinder, sourceTune, startFromMerge, targetTune } from './planned-runs.js';
import type { MergeRecord } from './records.js';
import { requestedMatrices } from './scoring/index.js';
import { scoreMatrices } from './score-matrices.js';
import type { StudySession } from './session.js';
import { describeTune } from './tune-jobs.js';
import { runTune } from './tune-run.js';

/** What can't serve one merge and says nothing about the others. */
const NO_MERGE = new Set([
  'target-without-group',
  'group-without-sibling',
  'no-other-source',
  'score-not-finite',
  'score-missing',
]);
/** What ends one tuning and leaves the others to be done. */
const ONE_TUNING = new Set(['tuning-diverged']);
/** What keeps one target from being scored by one method: its own delta or a copy of a source diverged. */
const ONE_ROW = new Set(['tuning-diverged', 'target-without-delta']);

/**
 * The whole study for one or more deltas: sources, few-shot targets from random initialisation, scores, merges by every
 * method and baseline, and the targets from every merge over all seeds. What is on record is not done again; what fails for
 * one task does not keep the others from being done, and is reported at the end.
 *
 * @throws DeltaloomError `run-incomplete` naming what failed, once everything else is done
 */
export async function runStudy(session: StudySession, deltaNames: readonly string[]): Promise<JobOutcome> {
  const run = new StudyRun(session);
  for (const deltaName of deltaNames) await run.delta(deltaName);
  return run.outcome();
}

class StudyRun {
  private readonly records: string[] = [];
  private readonly failures: string[] = [];
  private readonly counts = { tunings: 0, cells: 0, merges: 0, reused: 0 };

  constructor(private readonly session: StudySession) {}

  async delta(deltaName: string): Promise<void> {
    const { configuration, tasks } = this.session;
    const targets = targetTasks(configuration, tasks);
    await this.tuneSources(deltaName);
    await this.tuneAll(
      targets.flatMap((task) =>
        configuration.targets.seeds.map((seed) => targetTune(this.session, task, deltaName, seed)),
      ),
      { needsCheckpoint: (request) => request.seed === configuration.targets.seeds[0] },
      `${deltaName}: targets from random`,
    );
    await this.score(deltaName);
    const merges = await this.merge(deltaName, targets);
    await this.tuneAll(
      merges.flatMap((merge) =>
        configuration.targets.seeds.map((seed) =>
          targetTune(this.session, merge.target, deltaName, seed, startFromMerge(merge)),
        ),
      ),
      { needsCheckpoint: () => false },
      `${deltaName}: targets from merges`,
    );
  }

  outcome(): JobOutcome {
    const { tunings, cells, merges, reused } = this.counts;
    if (this.failures.length > 0) {
      const [first] = this.failures;
      throw new DeltaloomError(
        'run-incomplete',
        `${counted(this.failures.length, 'piece')} of the study failed, the first: ${first ?? ''}`,
        { remedy: 'Everything else is done and on record. Mend the cause and run the same command again.' },
      );
    }
    const computed = tunings + cells + merges;
    return {
      records: this.records,
      computed,
      reused,
      summary:
        computed === 0
          ? `Everything was on record (${counted(reused, 'piece')}): no work was done.`
          : `${counted(tunings, 'tuning')}, ${counted(cells, 'cell')} and ${counted(merges, 'merge')} done, ${counted(reused, 'piece')} on record.`,
    };
  }

  /** An imported source serves as it is. */
  private async tuneSources(deltaName: string): Promise<void> {
    const { configuration, tasks } = this.session;
    const finder = new SourceFinder(this.session);
    const missing: TuneRequest[] = [];
    for (const task of sourceTasks(configuration, tasks)) {
      const found = await finder.find(task, deltaName, { exact: true });
      if (found === null) {
        missing.push(sourceTune(this.session, task, deltaName));
      } else {
        this.records.push(pathOfRunRecord(found));
        this.counts.reused++;
      }
    }
    await this.tuneAll(missing, { needsCheckpoint: () => true }, `${deltaName}: sources`);
  }

  private async tuneAll(
    requests: readonly TuneRequest[],
    { needsCheckpoint }: { needsCheckpoint: (request: TuneRequest) => boolean },
    phase: string,
  ): Promise<void> {
    const plans: PlannedTune[] = [];
    for (const request of requests) {
      const plan = await planTune(this.session, request);
      if (await isOnRecord(this.session, plan, { needsCheckpoint: needsCheckpoint(request) })) {
        this.counts.reused++;
        this.records.push(pathOfRunRecord({ task: request.task, id: plan.id }));
      } else {
        plans.push(plan);
      }
    }
    const total = plans.reduce((sum, { request }) => sum + stepsOf(request), 0);
    const pace = new Pace(this.session.context, total, 'steps');
    for (const [index, plan] of plans.entries()) {
      this.session.context.signal.throwIfAborted();
      const { request } = plan;
      const label = `${phase} ${index + 1}/${plans.length}: ${describeTune(request)}`;
      pace.report(label, 0, { task: request.task, runId: plan.id });
      await this.attempt(ONE_TUNING, label, async () => {
        const run = await runTune(this.session, plan, ({ done, step, loss, metric }) => {
          pace.report(label, done, {
            task: request.task,
            runId: plan.id,
            step,
            ...(loss === null ? {} : { loss }),
            ...(metric === null ? {} : { metric }),
          });
        });
        this.counts.tunings++;
        this.records.push(pathOfRunRecord(run));
      });
      pace.finish(stepsOf(request));
    }
  }

  /** By the sources that there are: of the others is noted already why there are none. */
  private async score(deltaName: string): Promise<void> {
    const { configuration, tasks } = this.session;
    const methods = methodsInUse(configuration);
    const found = await new SourceFinder(this.session).findAll(sourceTasks(configuration, tasks), deltaName);
    if (methods.length === 0 || found.length === 0) return;
    const targets = targetTasks(configuration, tasks);
    await this.scoreRows(
      deltaName,
      methods,
      targets,
      found.map(({ task }) => task),
    );
  }

  /** All at once; where that fails, in ever smaller parts, so that what can be scored is. */
  private async scoreRows(
    deltaName: string,
    methods: readonly ScoreMethod[],
    targets: readonly string[],
    sources: readonly string[],
  ): Promise<void> {
    const { granularities } = this.session.configuration.scores;
    const work = async () => {
      const request = { deltaName, methods, granularities, targets, sources };
      const outcome = await scoreMatrices(this.session, request);
      this.counts.cells += outcome.computed;
      this.counts.reused += outcome.reused;
      for (const { method, granularity } of requestedMatrices(methods, granularities)) {
        const path = matrixPath(deltaName, method, granularity);
        if (!this.records.includes(path)) this.records.push(path);
      }
    };
    const parts = partsOfRows(methods, targets);
    if (parts.length < 2) {
      const label = `${deltaName}: scoring ${targets.join(', ')} by ${methods.join(', ')}`;
      await this.attempt(ONE_ROW, label, work);
      return;
    }
    try {
      await work();
    } catch (error) {
      if (!isOneOf(error, ONE_ROW)) throw error;
      for (const part of parts) await this.scoreRows(deltaName, part.methods, part.targets, sources);
    }
  }

  private async merge(deltaName: string, targets: readonly string[]): Promise<MergeRecord[]> {
    const { context } = this.session;
    const finder = new SourceFinder(this.session);
    const choices = mergeChoices(this.session.configuration);
    const pace = new Pace(context, targets.length * choices.length, 'merges');
    const merges: MergeRecord[] = [];
    for (const target of targets) {
      for (const by of choices) {
        context.signal.throwIfAborted();
        const label = `${deltaName}: merging for ${target} by ${nameOfChoice(by)}`;
        pace.report(label, 0, { task: target });
        await this.attempt(NO_MERGE, label, async () => {
          const { record, reused } = await runMerge(
            this.session,
            { kind: 'merge', target, deltaName, by },
            finder,
          );
          if (reused) this.counts.reused++;
          else this.counts.merges++;
          this.records.push(pathOfMerge(record));
          merges.push(record);
        });
        pace.finish(1);
      }
    }
    return merges;
  }

  /** Notes what concerns one piece only and goes on; a target without a group simply has no merge by group. */
  private async attempt(
    passedOver: ReadonlySet<string>,
    label: string,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isOneOf(error, passedOver)) throw error;
      this.session.context.log(`${label}: ${error.line}`);
      if (!error.code.includes('group')) this.failures.push(`${label}: ${error.line}`);
    }
  }
}

function isOneOf(error: unknown, codes: ReadonlySet<string>): error is DeltaloomError {
  return error instanceof DeltaloomError && codes.has(error.code);
}

/** Parts that fail apart from each other: by target, then by method. One part: there is nothing to take apart. */
function partsOfRows(
  methods: readonly ScoreMethod[],
  targets: readonly string[],
): { methods: readonly ScoreMethod[]; targets: readonly string[] }[] {
  if (targets.length > 1) return targets.map((target) => ({ methods, targets: [target] }));
  return methods.map((method) => ({ methods: [method], targets }));
}

function nameOfChoice(by: MergeBy): string {
  if (by.kind !== 'score') return by.kind;
  return by.granularity === 'model' ? by.method : `${by.method} per ${by.granularity}`;
}
