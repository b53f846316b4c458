import { DeltaloomError } from '../core/errors.js';
import { sourceTasks } from './catalogue.js';
import type { StudyConfiguration } from './configuration.js';
import type { JobRequest } from './jobs.js';
import { describeStale, mergeScores } from './merge-scores.js';
import { decideMerge, mergeForTarget, type MergeCandidate, type MergeRequest } from './merging/index.js';
import { checkpointPath, mergeRecordPath } from './paths.js';
import { SourceFinder, type FinishedRun } from './planned-runs.js';
import type { MergeRecord } from './records.js';
import { recordedStepRuns, refuseMissingSources, tunedStepRuns } from './score-matrices.js';
import type { StudySession } from './session.js';
import { configuredTemperatures } from './temperatures.js';

type MergeJob = Extract<JobRequest, { kind: 'merge' }>;

/**
 * Merges for one target, or finds the merge on record.
 *
 * @throws DeltaloomError `checkpoint-missing` naming a source whose weights are gone, `source-missing` naming those that were
 *   never tuned, `score-stale`, and what choosing weights and merging throw
 */
export async function runMerge(
  session: StudySession,
  job: MergeJob,
  finder = new SourceFinder(session),
): Promise<{ record: MergeRecord; reused: boolean }> {
  session.task(job.target);
  const request = await mergeRequest(session, job, finder);
  return mergeForTarget(request, {
    recorded: () => recordedMerge(session, request),
    checkpoint: (id) => {
      const path = checkpointPath(job.target, id);
      return { path, file: session.absolute(path) };
    },
    write: async (record) => {
      await session.store.writeMerge(record);
    },
    hash: (file) => session.hashes.of(file),
    provenance: () => session.provenanceWithoutDevice(),
    signal: session.context.signal,
  });
}

/** The merge that a request asks for, if it is on record and its checkpoint is in place. */
async function recordedMerge(session: StudySession, request: MergeRequest): Promise<MergeRecord | null> {
  const { key, id } = decideMerge(request);
  const record = await session.store.readMerge(request.target, id);
  return record?.key === key && (await session.hasCheckpoint(record.checkpoint)) ? record : null;
}

async function mergeRequest(
  session: StudySession,
  job: MergeJob,
  finder: SourceFinder,
): Promise<MergeRequest> {
  const { configuration, tasks } = session;
  const { by, target, deltaName } = job;
  const delta = session.delta(deltaName);
  const all = sourceTasks(configuration, tasks);
  const found = await finder.findAll(all, deltaName);
  const without = tasksWithout(job, configuration, all, found);
  const lost = await finder.lost(without, deltaName);
  if (lost !== null) {
    // Without it the others would be weighed as if it had never been there.
    throw new DeltaloomError(
      'checkpoint-missing',
      `The source checkpoint of '${lost.task}' is on record, but its file is gone or was overwritten.`,
      {
        place: { file: lost.checkpoint.path },
        remedy: `Restore the file, or tune '${lost.task}' again, or merge by explicit weights without it.`,
      },
    );
  }
  refuseMissingSources(
    session,
    namedWithoutSource(session, job, found),
    deltaName,
    "take them out of 'sources.tasks' in deltaloom.json",
  );
  const others = found.filter((run) => run.task !== target);
  const { matrix, stale } = await mergeScores(session, job, others);
  const refusal = describeStale(job, stale);
  if (refusal !== null) {
    throw new DeltaloomError('score-stale', refusal.message, { remedy: refusal.remedy });
  }
  const request: MergeRequest = {
    target,
    deltaName,
    delta,
    by,
    loraRule: job.loraRule ?? configuration.merges.loraRule,
    compatibility: configuration.compatibility,
    groups: configuration.groups,
    temperatures: configuredTemperatures(configuration, deltaName),
    candidates: found.map((run) => candidate(session, run)),
    matrix,
  };
  return by.kind === 'score' && by.method === 'performance'
    ? withStepRuns(session, request, others)
    : request;
}

/**
 * The same merge of the sources' copies after k steps on the target. Those whose weights are gone are tuned again, unless the
 * merge itself is on record.
 */
async function withStepRuns(
  session: StudySession,
  request: MergeRequest,
  sources: readonly FinishedRun[],
): Promise<MergeRequest> {
  // Before any work: without its scores there will be no merge.
  decideMerge(request);
  const of = (runs: readonly FinishedRun[]): MergeRequest => ({
    ...request,
    candidates: runs.map((run) => candidate(session, run)),
  });
  const known = await recordedStepRuns(session, sources, request.target);
  if (known !== null && (await recordedMerge(session, of(known))) !== null) return of(known);
  return of(await tunedStepRuns(session, sources, request.target));
}

/**
 * The sources that `sources.tasks` names and a merge needs, but that are not among those found. Where the study names none,
 * those that were tuned are meant; explicit weights name theirs themselves.
 */
export function namedWithoutSource(
  { configuration, tasks }: Pick<StudySession, 'configuration' | 'tasks'>,
  choice: Pick<MergeJob, 'by' | 'target'>,
  found: readonly FinishedRun[],
): string[] {
  if (configuration.sources.tasks === undefined || choice.by.kind === 'explicit') return [];
  return tasksWithout(choice, configuration, sourceTasks(configuration, tasks), found);
}

function tasksWithout(
  choice: Pick<MergeJob, 'by' | 'target'>,
  { groups }: Pick<StudyConfiguration, 'groups'>,
  tasks: readonly string[],
  found: readonly FinishedRun[],
): string[] {
  return sourcesConcerned(choice, tasks, groups).filter((task) => found.every((run) => run.task !== task));
}

/** The tasks whose sources have a say in a merge. */
function sourcesConcerned(
  { by, target }: Pick<MergeJob, 'by' | 'target'>,
  tasks: readonly string[],
  groups: Readonly<Record<string, readonly string[]>>,
): string[] {
  const others = tasks.filter((task) => task !== target);
  switch (by.kind) {
    case 'explicit':
      return others.filter((task) => (by.weights[task] ?? 0) !== 0);
    case 'group': {
      const own = Object.values(groups).filter((members) => members.includes(target));
      return others.filter((task) => own.some((members) => members.includes(task)));
    }
    case 'average':
    case 'best-source':
    case 'score':
      return others;
  }
}

function candidate(session: StudySession, run: FinishedRun): MergeCandidate {
  return {
    task: run.task,
    id: run.id,
    sha256: run.checkpoint.sha256,
    file: session.absolute(run.checkpoint.path),
    backbone: run.inputs.backbone,
    delta: run.delta ?? session.delta(run.deltaName),
  };
}

export function pathOfMerge({ target, id }: Pick<MergeRecord, 'target' | 'id'>): string {
  return mergeRecordPath(target, id);
}
