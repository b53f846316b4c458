import { DeltaloomError } from '../core/errors.js';
import { sourceTasks } from './catalogue.js';
import { isFinishedSource } from './finished-source.js';
import { lookAtStudy } from './look-at-study.js';
import { namedWithoutSource } from './merge-run.js';
import { mergeScores, type ScoresWanted, type StaleScore } from './merge-scores.js';
import { chooseWeights, type ChosenWeights } from './merging/index.js';
import { asFinished, SourceFinder, sourceTune, type FinishedRun } from './planned-runs.js';
import type { RunRecord } from './records.js';
import type { StudySession } from './session.js';
import { judgeRequest } from './staleness.js';
import { configuredTemperatures } from './temperatures.js';

export interface StudyWeights extends ChosenWeights {
  /** Scores among those used that do not follow from the study as it is now: a merge would refuse them. */
  readonly stale: readonly StaleScore[];
  /** Tasks of `sources.tasks` without a source on record: left out here, where a merge would refuse. */
  readonly missing: readonly string[];
}

/**
 * The weights that a merge for a target would have, from the records alone: no checkpoint needs to be here.
 *
 * @param seed instead of the study's own seeds of sources and targets
 * @throws DeltaloomError as `chooseWeights` does, `task-unknown`
 */
export async function studyWeights(
  directory: string,
  request: ScoresWanted,
  seed?: number,
): Promise<StudyWeights> {
  const { target, deltaName, by } = request;
  const session = await lookAtStudy(directory, seed);
  session.task(target);
  const { configuration } = session;
  const sources = await sourcesOnRecord(session, deltaName);
  const { matrix, stale } = await mergeScores(session, request, sources);
  const chosen = chooseWeights({
    target,
    deltaName,
    by,
    compatibility: configuration.compatibility,
    sources: sources.map(({ task }) => task),
    groups: configuration.groups,
    temperatures: configuredTemperatures(configuration, deltaName),
    matrix,
  });
  return { ...chosen, stale, missing: namedWithoutSource(session, request, sources) };
}

/**
 * The sources that a merge would take, in the study's order; where the weights of one are not here, that which is on record.
 * Where none was tuned as the study is now, the latest: its scores are shown and called stale.
 */
async function sourcesOnRecord(session: StudySession, deltaName: string): Promise<FinishedRun[]> {
  const { records: runs } = await session.store.readRuns();
  const finder = new SourceFinder(session, runs);
  const found: FinishedRun[] = [];
  for (const task of sourceTasks(session.configuration, session.tasks)) {
    const run =
      (await sourceNow(session, finder, runs, task, deltaName)) ?? latestSource(runs, task, deltaName);
    if (run !== null) found.push(run);
  }
  return found;
}

async function sourceNow(
  session: StudySession,
  finder: SourceFinder,
  runs: readonly RunRecord[],
  task: string,
  deltaName: string,
): Promise<FinishedRun | null> {
  try {
    return (
      (await finder.find(task, deltaName, { exact: false })) ??
      (await askedFor(session, runs, task, deltaName)) ??
      (await finder.lost([task], deltaName))
    );
  } catch (error) {
    // Without the backbone nobody can say which of them it would be.
    if (error instanceof DeltaloomError) return null;
    throw error;
  }
}

function latestSource(runs: readonly RunRecord[], task: string, deltaName: string): FinishedRun | null {
  const latest = runs
    .filter((run) => run.task === task && run.deltaName === deltaName && isFinishedSource(run))
    .sort((a, b) => a.provenance.time.localeCompare(b.provenance.time))
    .at(-1);
  return asFinished(latest ?? null);
}

/** The source that the configuration asks for, if it is on record. */
async function askedFor(
  session: StudySession,
  runs: readonly RunRecord[],
  task: string,
  deltaName: string,
): Promise<FinishedRun | null> {
  const { state, record } = await judgeRequest(session, runs, sourceTune(session, task, deltaName));
  return state === 'done' ? asFinished(record) : null;
}
