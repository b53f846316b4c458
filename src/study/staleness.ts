import { isDeepStrictEqual } from 'node:util';
import { DeltaloomError } from '../core/errors.js';
import { sourceTasks, targetTasks } from './catalogue.js';
import { mergeRecordPath, pathOfRunRecord, runRecordPath } from './paths.js';
import { isOnRecord, planTune, type PlannedTune, type StartingPoint, type TuneRequest } from './plan-tune.js';
import { SourceFinder, sourceTune, targetTune, type FinishedRun } from './planned-runs.js';
import type { MergeRecord, RunRecord } from './records.js';
import type { StudyFiles } from './study-files.js';

/**
 * Whether what is on record still follows from the study as it is now: the one judgement behind `deltaloom status` and the
 * marks in the editor's tree. It hashes files (remembered from the last time), so it is nothing for an event loop that
 * people wait for.
 */

/** What stands against a tuning that the configuration asks for. */
export interface Judged {
  readonly state: 'done' | 'stale' | 'missing' | 'failed' | 'cancelled';
  /** For people; empty where there is nothing to say. */
  readonly reason: string;
  /** The record that is meant, if there is one. */
  readonly record: RunRecord | null;
}

/** The reasons by the path of the record, relative to the study: 'the backbone changed, the train data changed'. */
export type StaleRecords = ReadonlyMap<string, string>;

export interface RecordsOnDisk {
  readonly runs: readonly RunRecord[];
  readonly merges: readonly MergeRecord[];
}

/** The source of a task: the run that the configuration asks for, or one that was imported. */
export async function judgeSource(
  study: StudyFiles,
  finder: SourceFinder,
  runs: readonly RunRecord[],
  task: string,
  deltaName: string,
): Promise<Judged> {
  const exact = await orUndecided(finder.find(task, deltaName, { exact: true }));
  if (exact !== null) return { state: 'done', reason: '', record: exact };
  return judgeRequest(study, runs, sourceTune(study, task, deltaName));
}

/** The record that serves a request; else the one that did until something changed. */
export async function judgeRequest(
  study: StudyFiles,
  runs: readonly RunRecord[],
  request: TuneRequest,
): Promise<Judged> {
  try {
    const plan = await planTune(study, request);
    if (await isOnRecord(study, plan, { needsCheckpoint: false })) {
      return { state: 'done', reason: '', record: plan.recorded };
    }
    if (plan.recorded !== null && plan.recorded.status !== 'done') {
      return { state: plan.recorded.status, reason: reasonOf(plan.recorded), record: plan.recorded };
    }
    const earlier = runs.find(
      (run) =>
        run.task === request.task &&
        run.deltaName === request.deltaName &&
        run.role === request.role &&
        run.kind === 'tune' &&
        run.seed === request.seed &&
        // Another number of shots is another experiment, as good as it was.
        run.shots === request.shots &&
        run.initialisation.kind === request.start.kind &&
        run.status === 'done',
    );
    // A run whose test split alone was not measured is not stale: something is left to do.
    const unmeasured = earlier?.key === plan.key && earlier.results.test === null;
    if (earlier === undefined || unmeasured) return { state: 'missing', reason: '', record: null };
    return { state: 'stale', reason: reasonsOf(study, earlier, plan), record: earlier };
  } catch (error) {
    if (!(error instanceof DeltaloomError)) throw error;
    return { state: 'failed', reason: error.line, record: null };
  }
}

/** Why a run that failed or was cancelled did so, and what to do. */
export function reasonOf({ status, error }: RunRecord): string {
  if (error !== undefined) return `${error.message} ${error.remedy ?? ''}`.trim();
  return status === 'cancelled' ? 'stopped; the same command continues' : '';
}

/**
 * Every record that is stale, and why: runs whose own inputs (backbone, data, delta, lengths, initialisation) have changed,
 * those that the configuration now asks for with other settings, and merges of which a source is another one by now.
 * Imported checkpoints have no inputs; records whose inputs can't be read are not judged.
 */
export async function staleRecords(study: StudyFiles, records: RecordsOnDisk): Promise<StaleRecords> {
  const stale = new Map<string, string>();
  for (const run of records.runs) {
    const reason = await orUndecided(ownStaleness(study, run, records));
    if (reason !== null) stale.set(pathOfRunRecord(run), reason);
  }
  const finder = new SourceFinder(study, records.runs);
  for (const deltaName of Object.keys(study.configuration.deltas)) {
    for (const { state, reason, record } of await judgeAsked(study, finder, records.runs, deltaName)) {
      if (state !== 'stale' || record === null || stale.has(pathOfRunRecord(record))) continue;
      stale.set(pathOfRunRecord(record), reason);
    }
  }
  // Every merge asks for nearly every source.
  const sources = new Map<string, Promise<FinishedRun | null>>();
  const sourceNow = (task: string, deltaName: string): Promise<FinishedRun | null> => {
    const key = JSON.stringify([task, deltaName]);
    const known = sources.get(key) ?? finder.find(task, deltaName, { exact: false });
    sources.set(key, known);
    return known;
  };
  const probes = new Map(
    records.runs.filter(({ role }) => role === 'step-k').map((run) => [pathOfRunRecord(run), run]),
  );
  for (const merge of records.merges) {
    const reason = await orUndecided(mergeStaleness(study, merge, { sourceNow, probes, stale }));
    if (reason !== null) stale.set(mergeRecordPath(merge.target, merge.id), reason);
  }
  return stale;
}

/** Everything of a delta that the configuration asks for without a score. */
async function judgeAsked(
  study: StudyFiles,
  finder: SourceFinder,
  runs: readonly RunRecord[],
  deltaName: string,
): Promise<Judged[]> {
  const { configuration, tasks } = study;
  const judged: Judged[] = [];
  for (const task of sourceTasks(configuration, tasks)) {
    judged.push(await judgeSource(study, finder, runs, task, deltaName));
  }
  for (const task of targetTasks(configuration, tasks)) {
    for (const seed of configuration.targets.seeds) {
      judged.push(await judgeRequest(study, runs, targetTune(study, task, deltaName, seed)));
    }
  }
  return judged;
}

/** The same run planned again: null if it would be the same. */
async function ownStaleness(
  study: StudyFiles,
  run: RunRecord,
  records: RecordsOnDisk,
): Promise<string | null> {
  if (run.kind !== 'tune' || run.status === 'failed') return null;
  if (!Object.hasOwn(study.configuration.deltas, run.deltaName)) {
    return `deltaloom.json has no delta '${run.deltaName}' any more`;
  }
  const request = requestOf(run, records);
  if (request === null) return null;
  const plan = await planTune(study, request);
  return plan.key === run.key ? null : reasonsOf(study, run, plan);
}

/** What would have to be asked for to get this run again; null for what was not tuned here. */
export function requestOf(run: RunRecord, records: RecordsOnDisk): TuneRequest | null {
  const { task, deltaName, role, shots, seed, dataSeed, tuning } = run;
  const start = startNow(run, records);
  if (tuning === null || start === null) return null;
  return {
    task,
    deltaName,
    role,
    shots,
    seed,
    dataSeed: { seed: dataSeed, required: false },
    tuning,
    start,
    keep: role === 'step-k' ? 'last' : 'best',
    test: false,
  };
}

/** Where a run would start from today; null where it never had a start that can be repeated. */
function startNow({ initialisation }: RunRecord, { runs, merges }: RecordsOnDisk): StartingPoint | null {
  switch (initialisation.kind) {
    case 'none':
      return null;
    case 'random':
      return { kind: 'random', seed: initialisation.seed };
    case 'checkpoint': {
      const { id, task } = initialisation;
      const now = runs.find((run) => run.id === id && run.task === task)?.checkpoint;
      return { ...initialisation, sha256: now?.sha256 ?? initialisation.sha256, path: now?.path ?? '' };
    }
    case 'merge': {
      const now = merges.find(({ id }) => id === initialisation.id)?.checkpoint;
      return { ...initialisation, sha256: now?.sha256 ?? initialisation.sha256, path: now?.path ?? '' };
    }
  }
}

async function mergeStaleness(
  study: StudyFiles,
  merge: MergeRecord,
  known: {
    readonly sourceNow: (task: string, deltaName: string) => Promise<FinishedRun | null>;
    /** Sources after k steps on a target, by path: they are what `performance` merges. */
    readonly probes: ReadonlyMap<string, RunRecord>;
    /** Runs that were found to be stale. */
    readonly stale: ReadonlyMap<string, string>;
  },
): Promise<string | null> {
  if (!Object.hasOwn(study.configuration.deltas, merge.deltaName)) {
    return `deltaloom.json has no delta '${merge.deltaName}' any more`;
  }
  for (const source of merge.sources) {
    const path = runRecordPath(merge.target, source.id);
    const probe = known.probes.get(path);
    const now = probe ?? (await known.sourceNow(source.task, merge.deltaName));
    const changed =
      (now !== null && now.checkpoint?.sha256 !== source.sha256) ||
      (probe !== undefined && known.stale.has(path));
    if (changed) return `the source '${source.task}' was tuned anew since`;
  }
  return null;
}

/** What of a recorded run's inputs differs from what is planned now; for people. */
function reasonsOf(study: StudyFiles, run: RunRecord, plan: PlannedTune): string {
  const reasons: string[] = [];
  const { inputs, request } = plan;
  if (run.inputs.backbone !== inputs.backbone) reasons.push('the backbone changed');
  if (!isDeepStrictEqual(run.delta, study.delta(run.deltaName))) {
    reasons.push(`the settings of the delta '${run.deltaName}' changed`);
  }
  for (const split of ['train', 'dev']) {
    if (run.inputs.data[split] !== inputs.data[split]) reasons.push(`the ${split} data changed`);
  }
  if (run.inputs.initial !== inputs.initial) reasons.push('its initialisation changed');
  if (!isDeepStrictEqual(run.tuning, request.tuning)) reasons.push('the tuning settings changed');
  if (run.key === plan.key && plan.testMissing) reasons.push('the test data changed');
  if (run.results.metric !== study.metric(run.task)) reasons.push('the metric changed');
  return reasons.join(', ') || 'its inputs changed';
}

/** An input that is missing or can't be read says nothing against a record. */
async function orUndecided<T>(judging: Promise<T>): Promise<T | null> {
  try {
    return await judging;
  } catch (error) {
    if (error instanceof DeltaloomError) return null;
    throw error;
  }
}
