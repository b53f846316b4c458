import { requestedMatrices, planCells } from './scoring/index.js';
import { sourceTasks, targetTasks } from './catalogue.js';
import { DeltaloomError } from '../core/errors.js';
import { lockHolder, type LockHolder } from './lock.js';
import { lookAtStudy } from './look-at-study.js';
import { methodsInUse } from './merge-choices.js';
import { mergeRecordPath, pathOfRunRecord } from './paths.js';
import { SourceFinder, targetTune } from './planned-runs.js';
import type { MergeRecord, RunRecord } from './records.js';
import { scoringRequest } from './score-matrices.js';
import type { StudySession } from './session.js';
import { readSnapshot } from './snapshot.js';
import { judgeRequest, judgeSource, reasonOf, staleRecords, type StaleRecords } from './staleness.js';

export type PieceState = 'done' | 'stale' | 'missing' | 'failed' | 'cancelled';

export interface PieceStatus {
  /** 'sources', 'targets from random', 'cells by loss', ... */
  readonly kind: string;
  readonly counts: Readonly<Record<PieceState, number>>;
  /** Those that are not simply done or missing, with the reason. */
  readonly details: readonly { readonly name: string; readonly state: PieceState; readonly reason: string }[];
}

export interface StudyStatus {
  readonly holder: LockHolder | null;
  readonly deltas: readonly { readonly deltaName: string; readonly pieces: readonly PieceStatus[] }[];
  /** Findings of reading the study; `deltaloom check` lists them. */
  readonly problems: number;
}

/** What is done and what is not, against what the configuration asks for now. Nothing is computed or changed. */
export async function studyStatus(directory: string, seed?: number): Promise<StudyStatus> {
  const session = await lookAtStudy(directory, seed);
  const { runs, merges, problems } = await readSnapshot(directory);
  const stale = await staleRecords(session, { runs, merges });
  const deltas = [];
  for (const deltaName of Object.keys(session.configuration.deltas)) {
    const own = runs.filter((run) => run.deltaName === deltaName);
    deltas.push({
      deltaName,
      pieces: [
        await sourceStatus(session, own, deltaName),
        await targetStatus(session, own, deltaName),
        ...(await cellStatus(session, deltaName)),
        mergeStatus(
          merges.filter((merge) => merge.deltaName === deltaName),
          stale,
        ),
        mergedTargets(own, stale),
      ],
    });
  }
  return { holder: await lockHolder(directory), deltas, problems: problems.length };
}

interface Piece {
  readonly name: string;
  readonly state: PieceState;
  readonly reason: string;
}

const done = (name: string): Piece => ({ name, state: 'done', reason: '' });

function counted(kind: string, pieces: readonly Piece[]): PieceStatus {
  const counts: Record<PieceState, number> = { done: 0, stale: 0, missing: 0, failed: 0, cancelled: 0 };
  for (const { state } of pieces) counts[state]++;
  return { kind, counts, details: pieces.filter(({ state }) => state !== 'done' && state !== 'missing') };
}

async function sourceStatus(
  session: StudySession,
  runs: readonly RunRecord[],
  deltaName: string,
): Promise<PieceStatus> {
  const finder = new SourceFinder(session);
  const pieces: Piece[] = [];
  for (const task of sourceTasks(session.configuration, session.tasks)) {
    const judged = await judgeSource(session, finder, runs, task, deltaName);
    pieces.push({
      name: judged.state === 'done' ? task : nameOf(task, session.configuration.sources.seed),
      ...judged,
    });
  }
  return counted('sources', pieces);
}

async function targetStatus(
  session: StudySession,
  runs: readonly RunRecord[],
  deltaName: string,
): Promise<PieceStatus> {
  const { configuration, tasks } = session;
  const pieces: Piece[] = [];
  for (const task of targetTasks(configuration, tasks)) {
    for (const seed of configuration.targets.seeds) {
      const judged = await judgeRequest(session, runs, targetTune(session, task, deltaName, seed));
      pieces.push({ name: nameOf(task, seed), ...judged });
    }
  }
  return counted('targets from random', pieces);
}

function mergedTargets(runs: readonly RunRecord[], stale: StaleRecords): PieceStatus {
  const pieces = runs
    .filter(({ role, initialisation }) => role === 'target' && initialisation.kind === 'merge')
    .map((run): Piece => {
      const why = stale.get(pathOfRunRecord(run));
      const name = `${run.task} ${run.id}`;
      return why === undefined
        ? { name, state: run.status, reason: reasonOf(run) }
        : { name, state: 'stale', reason: why };
    });
  return counted('targets from merges', pieces);
}

function mergeStatus(merges: readonly MergeRecord[], stale: StaleRecords): PieceStatus {
  const pieces = merges.map(({ target, id, label }): Piece => {
    const why = stale.get(mergeRecordPath(target, id));
    return why === undefined ? done(label) : { name: `${target} by ${label}`, state: 'stale', reason: why };
  });
  return counted('merges', pieces);
}

function nameOf(task: string, seed: number): string {
  return `${task} seed ${seed}`;
}

async function cellStatus(session: StudySession, deltaName: string): Promise<PieceStatus[]> {
  const { configuration } = session;
  const { granularities } = configuration.scores;
  const methods = methodsInUse(configuration);
  if (methods.length === 0) return [];
  let request;
  try {
    request = await scoringRequest(session, { deltaName, methods, granularities });
  } catch (error) {
    // Without sources or probes no cell can be planned; the rows above say so.
    if (!(error instanceof DeltaloomError)) throw error;
    return [counted('cells', [])];
  }
  const { cells } = await planCells(request, ({ method, granularity }) =>
    session.store.readMatrix(deltaName, method, granularity),
  );
  return requestedMatrices(methods, granularities).map(({ method, granularity }) =>
    counted(
      granularity === 'model' ? `cells by ${method}` : `cells by ${method} (${granularity})`,
      cells
        .filter((cell) => cell.method === method && cell.granularity === granularity)
        .map(({ target, source, status }) => ({
          name: `${source} on ${target}`,
          state: status.state === 'fresh' ? 'done' : status.state,
          reason: status.state === 'stale' ? status.reason : '',
        })),
    ),
  );
}
