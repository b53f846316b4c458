import type { JobView } from '../../runtime/protocol.js';
import { hasEnded } from '../../runtime/protocol.js';
import { mergeRecordPath, runRecordPath } from '../../study/paths.js';
import { isFinishedSource } from '../../study/finished-source.js';
import type { MergeRecord, RunRecord } from '../../study/records.js';
import type { StudyProblem, StudySnapshot, TaskEntry } from '../../study/snapshot.js';
import type { StaleRecords } from '../../study/staleness.js';
import { STRINGS } from '../strings.js';

/** Which checkpoint files are on this machine: paths relative to the study, with forward slashes. */
export type WeightsOnDisk = ReadonlySet<string>;

export type CheckpointState = 'done' | 'stale' | 'failed' | 'cancelled' | 'absent';

/** A tuned delta with what was measured of it later. */
export interface Checkpoint {
  readonly run: RunRecord;
  readonly state: CheckpointState;
  /** Why it is stale, failed or absent, for people. */
  readonly reason: string | null;
  /** Whether its weights are on this machine: what is stale or was cancelled may have lost them too. */
  readonly weightsHere: boolean;
  /** A finished source beside others of the same delta: only its seed tells them apart. */
  readonly amongSources: boolean;
  /** 0 to 1: the test metric, else dev. */
  readonly score: number | null;
  readonly scoreSplit: 'test' | 'dev' | null;
}

export interface Merge {
  readonly record: MergeRecord;
  readonly state: 'done' | 'stale' | 'absent';
  readonly reason: string | null;
  readonly weightsHere: boolean;
}

export interface TaskContents {
  readonly task: TaskEntry;
  /** Sources and few-shot runs, newest first. */
  readonly checkpoints: readonly Checkpoint[];
  /** Sources after k steps on this task: what the tuning-based scores left. */
  readonly probes: readonly Checkpoint[];
  readonly merges: readonly Merge[];
}

/** A snapshot arranged for looking things up: built once per snapshot, in one pass over the records. */
export interface StudyIndex {
  readonly snapshot: StudySnapshot;
  readonly tasks: ReadonlyMap<string, TaskContents>;
  readonly groups: readonly { readonly name: string | null; readonly tasks: readonly string[] }[];
  readonly checkpointById: ReadonlyMap<string, Checkpoint>;
  readonly mergeById: ReadonlyMap<string, Merge>;
}

/** Tasks by the name of their group, as a configuration declares them. */
export type Groups = Readonly<Record<string, readonly string[]>>;

/** The key of a run: ids are unique within a task only. */
export function runKey(task: string, id: string): string {
  return `${task}/${id}`;
}

/**
 * @param stale what the last judgement of the study found; empty before the first
 * @param groups those of the configuration; while it can't be understood, the last ones that could
 */
export function collectStudyIndex(
  snapshot: StudySnapshot,
  weights: WeightsOnDisk,
  stale: StaleRecords = new Map(),
  groups: Groups = snapshot.configuration?.groups ?? {},
): StudyIndex {
  const staleness = collectStaleness(snapshot.problems, stale);
  const evaluations = collectEvaluations(snapshot.runs);
  const sources = countSources(snapshot.runs);
  const checkpointById = new Map<string, Checkpoint>();
  const byTask = new Map<string, { checkpoints: Checkpoint[]; probes: Checkpoint[]; merges: Merge[] }>();
  const contentsOf = (task: string): { checkpoints: Checkpoint[]; probes: Checkpoint[]; merges: Merge[] } => {
    const known = byTask.get(task);
    if (known !== undefined) return known;
    const fresh = { checkpoints: [], probes: [], merges: [] };
    byTask.set(task, fresh);
    return fresh;
  };
  for (const run of snapshot.runs) {
    if (run.kind !== 'tune') continue;
    const several = isFinishedSource(run) && (sources.get(sourceKey(run)) ?? 0) > 1;
    const checkpoint = describeCheckpoint(run, { weights, staleness, evaluations, several });
    checkpointById.set(runKey(run.task, run.id), checkpoint);
    const contents = contentsOf(run.task);
    (run.role === 'step-k' ? contents.probes : contents.checkpoints).push(checkpoint);
  }
  const mergeById = new Map<string, Merge>();
  for (const record of snapshot.merges) {
    const merge = describeMerge(record, weights, staleness);
    mergeById.set(runKey(record.target, record.id), merge);
    contentsOf(record.target).merges.push(merge);
  }
  const known = new Map(snapshot.tasks.map((task) => [task.name, task]));
  for (const name of byTask.keys()) {
    // Records of a task whose data has gone are shown all the same.
    if (!known.has(name)) known.set(name, { name, groups: [], metric: '', data: [] });
  }
  const tasks = new Map<string, TaskContents>();
  for (const [name, task] of known) {
    const { checkpoints, probes, merges } = contentsOf(name);
    checkpoints.sort(newestFirst);
    merges.sort((a, b) => compareText(b.record.provenance.time, a.record.provenance.time));
    tasks.set(name, { task, checkpoints, probes, merges });
  }
  return { snapshot, tasks, groups: collectGroups(groups, [...known.keys()]), checkpointById, mergeById };
}

/** Equal for two readings between which nothing changed that the rows of the task show. */
export function appearanceOf({ task, checkpoints, probes, merges }: TaskContents): string {
  const data = task.data.map(({ shots, seed }) => `${shots} ${seed}`);
  const runs = [...checkpoints, ...probes].map(({ run, state, reason, weightsHere, score }) =>
    [
      run.id,
      run.key,
      run.checkpoint?.sha256,
      run.provenance.time,
      run.provenance.commit,
      state,
      reason,
      weightsHere,
      score,
    ].join(' '),
  );
  const merged = merges.map(({ record, state, reason, weightsHere }) =>
    [record.id, record.key, state, reason, weightsHere].join(' '),
  );
  return [task.metric, ...data, ...runs, ...merged].join('\n');
}

/** Equal for two readings with the same rows above those of the checkpoints. */
export function outlineOf({ snapshot, groups, tasks }: StudyIndex): string {
  const wrong = errorsOf(snapshot);
  const told = wrong.slice(0, 1).map(({ message, line }) => [message, line]);
  return JSON.stringify([snapshot.configuration?.name, wrong.length, told, groups, [...tasks.keys()]]);
}

/** The problems that keep work from being done, the first one first. */
export function errorsOf({ problems }: StudySnapshot): readonly StudyProblem[] {
  return problems.filter(({ severity }) => severity === 'error');
}

function collectGroups(declared: Groups, names: readonly string[]): StudyIndex['groups'] {
  const known = new Set(names);
  const groups = Object.entries(declared).map(([name, members]) => ({
    name,
    tasks: members.filter((task) => known.has(task)),
  }));
  const grouped = new Set(groups.flatMap(({ tasks }) => tasks));
  const others = names.filter((name) => !grouped.has(name));
  return others.length === 0 ? groups : [...groups, { name: null, tasks: others }];
}

/** Why the record at a path is stale, with what to do about it; null if it is not. */
type Staleness = (path: string, remedy: string) => string | null;

function collectStaleness(problems: readonly StudyProblem[], stale: StaleRecords): Staleness {
  const byFile = new Map(problems.map((problem) => [problem.file.replaceAll('\\', '/'), problem]));
  return (path, remedy) => {
    const problem = byFile.get(path);
    if (problem !== undefined) return `${problem.message} ${problem.remedy}`;
    const reason = stale.get(path);
    return reason === undefined ? null : `${STRINGS.tree.staleBecause(reason)} ${remedy}`;
  };
}

/** The best known results per checkpoint file: evaluations made after the tuning. */
function collectEvaluations(
  runs: readonly RunRecord[],
): Map<string, { dev: number | null; test: number | null }> {
  const found = new Map<string, { dev: number | null; test: number | null }>();
  for (const run of runs) {
    if (run.kind !== 'evaluate' || run.inputs.initial === null || run.status !== 'done') continue;
    const key = `${run.task} ${run.inputs.initial}`;
    const known = found.get(key) ?? { dev: null, test: null };
    found.set(key, { dev: run.results.dev ?? known.dev, test: run.results.test ?? known.test });
  }
  return found;
}

function sourceKey({ task, deltaName }: RunRecord): string {
  return JSON.stringify([task, deltaName]);
}

function countSources(runs: readonly RunRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const run of runs.filter(isFinishedSource)) {
    counts.set(sourceKey(run), (counts.get(sourceKey(run)) ?? 0) + 1);
  }
  return counts;
}

/** What can be merged: a finished source whose weights are here. */
export function isMergeable({ run, weightsHere }: Checkpoint): boolean {
  return isFinishedSource(run) && weightsHere;
}

function describeCheckpoint(
  run: RunRecord,
  known: {
    readonly weights: WeightsOnDisk;
    readonly staleness: Staleness;
    readonly evaluations: ReadonlyMap<string, { dev: number | null; test: number | null }>;
    readonly several: boolean;
  },
): Checkpoint {
  const { weights, staleness, evaluations, several } = known;
  const measured = evaluations.get(`${run.task} ${run.checkpoint?.sha256 ?? ''}`);
  const test = run.results.test ?? measured?.test ?? null;
  const dev = run.results.dev ?? measured?.dev ?? null;
  const weightsHere = run.checkpoint !== null && weights.has(run.checkpoint.path);
  const { state, reason } = stateOfRun(run, weightsHere, staleness);
  return {
    run,
    state,
    reason,
    weightsHere,
    amongSources: several,
    score: test ?? dev,
    scoreSplit: test !== null ? 'test' : dev !== null ? 'dev' : null,
  };
}

function stateOfRun(
  run: RunRecord,
  weightsHere: boolean,
  staleness: Staleness,
): { state: CheckpointState; reason: string | null } {
  if (run.status === 'failed') {
    const { message, remedy } = run.error ?? { message: STRINGS.tree.failedReason, remedy: undefined };
    return { state: 'failed', reason: remedy === undefined ? message : `${message} ${remedy}` };
  }
  const gone = run.checkpoint !== null && !weightsHere;
  const complete = (reason: string): string => (gone ? withoutWeights(reason) : reason);
  const stale = staleness(runRecordPath(run.task, run.id), STRINGS.tree.tuneAgain);
  if (stale !== null) return { state: 'stale', reason: complete(stale) };
  if (run.status === 'cancelled') {
    return { state: 'cancelled', reason: complete(STRINGS.tree.cancelledReason) };
  }
  if (gone) {
    return { state: 'absent', reason: STRINGS.checkpoints.notOnDisk };
  }
  return { state: 'done', reason: null };
}

function describeMerge(record: MergeRecord, weights: WeightsOnDisk, stale: Staleness): Merge {
  const weightsHere = weights.has(record.checkpoint.path);
  const reason = stale(mergeRecordPath(record.target, record.id), STRINGS.tree.mergeAgain);
  if (reason !== null) {
    return { record, state: 'stale', reason: weightsHere ? reason : withoutWeights(reason), weightsHere };
  }
  if (!weightsHere) return { record, state: 'absent', reason: STRINGS.tree.mergeAbsent, weightsHere };
  return { record, state: 'done', reason: null, weightsHere };
}

/** Why a row is as it is, where its weights are missing besides. */
function withoutWeights(reason: string): string {
  return `${reason} ${STRINGS.tree.states.absent}.`;
}

function newestFirst(a: Checkpoint, b: Checkpoint): number {
  return compareText(b.run.provenance.time, a.run.provenance.time);
}

/** By code units: fast and the same everywhere, for ids and ISO times. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Merges whose weights are not on this machine, or are of sources that have changed since. */
export function outdatedMerges({ mergeById }: StudyIndex): Merge[] {
  return [...mergeById.values()].filter(({ state }) => state !== 'done');
}

/** The unfinished jobs that concern a task of this study, as the tree shows them below it. */
export function jobsOfTask(jobs: readonly JobView[], study: string, task: string): JobView[] {
  return jobs.filter((job) => job.study === study && !hasEnded(job.state) && tasksOfJob(job).includes(task));
}

/** Every task that a job works on, as far as the request says. */
export function tasksOfJob({ request, progress }: JobView): readonly string[] {
  switch (request.kind) {
    case 'tune':
      return request.tasks;
    case 'evaluate':
      return [request.task];
    case 'merge':
      return [request.target];
    case 'score':
      return request.targets ?? (progress?.task === undefined ? [] : [progress.task]);
    case 'run':
      return progress?.task === undefined ? [] : [progress.task];
  }
}
