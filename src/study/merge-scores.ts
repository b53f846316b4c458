import { DeltaloomError } from '../core/errors.js';
import { SCORE_METHOD_INFO, type Granularity, type ScoreMethod } from '../core/methods.js';
import type { MergeBy } from './merge-choices.js';
import { scoreCommand } from './merging/index.js';
import type { FinishedRun } from './planned-runs.js';
import type { ScoreMatrix } from './records.js';
import { scoringRequest } from './score-matrices.js';
import { planCells } from './scoring/index.js';
import type { StudySession } from './session.js';

/** The scores that a merge weighs its sources by, and whether they still follow from the study as it is now. */

/** A score of the target's row whose inputs are others by now. */
export interface StaleScore {
  readonly source: string;
  /** For people: 'the checkpoint of 'boolq' changed'. */
  readonly reason: string;
}

export interface MergeScores {
  /** null where the choice needs no scores, and where there are none. */
  readonly matrix: ScoreMatrix | null;
  /** Of the sources that were asked for; the target's own has no say. */
  readonly stale: readonly StaleScore[];
}

export interface ScoresWanted {
  readonly target: string;
  readonly deltaName: string;
  readonly by: MergeBy;
}

/**
 * The matrix that a choice of weights reads, with the judgement of `deltaloom status` on the target's row. The best source
 * may be chosen by any granularity of its method: by the coarsest whose row is complete and fresh, else by the coarsest there
 * is.
 *
 * @param sources what would be merged; their weights need not be here
 */
export async function mergeScores(
  session: StudySession,
  wanted: ScoresWanted,
  sources: readonly FinishedRun[],
): Promise<MergeScores> {
  const others = sources.filter(({ task }) => task !== wanted.target);
  let first: MergeScores | null = null;
  for (const { method, granularity } of matricesOf(wanted.by)) {
    const matrix = await session.store.readMatrix(wanted.deltaName, method, granularity);
    if (matrix === null) continue;
    const { stale, complete } = await judgeRow(session, wanted, { matrix, method, granularity }, others);
    if (complete) return { matrix, stale };
    first ??= { matrix, stale };
  }
  return first ?? { matrix: null, stale: [] };
}

/** More reasons than these are not told one by one: new sources are one reason each. */
const MOST_REASONS = 3;

/** What is wrong with stale scores, and the command that makes them anew; null where nothing is. */
export function describeStale(
  { target, deltaName, by }: ScoresWanted,
  stale: readonly StaleScore[],
): { readonly message: string; readonly remedy: string } | null {
  if (stale.length === 0 || (by.kind !== 'score' && by.kind !== 'best-source')) return null;
  const { method } = by;
  const reasons = [...new Set(stale.map(({ reason }) => reason))];
  const more = reasons.length > MOST_REASONS ? `, and ${reasons.length - MOST_REASONS} more` : '';
  return {
    message: `The scores by ${method} for the target '${target}' are stale: ${reasons.slice(0, MOST_REASONS).join(', ')}${more}.`,
    remedy: `Run: ${scoreCommand({ by, method, target, deltaName })}.`,
  };
}

interface MatrixOfChoice {
  readonly method: ScoreMethod;
  readonly granularity: Granularity;
}

function matricesOf(by: MergeBy): readonly MatrixOfChoice[] {
  switch (by.kind) {
    case 'score':
      return [by];
    case 'best-source':
      return SCORE_METHOD_INFO[by.method].granularities.map((granularity) => ({
        method: by.method,
        granularity,
      }));
    case 'average':
    case 'group':
    case 'explicit':
      return [];
  }
}

/** `complete`: every cell is there and fresh. */
async function judgeRow(
  session: StudySession,
  { target, deltaName }: ScoresWanted,
  { matrix, method, granularity }: MatrixOfChoice & { readonly matrix: ScoreMatrix },
  sources: readonly FinishedRun[],
): Promise<{ readonly stale: readonly StaleScore[]; readonly complete: boolean }> {
  let request;
  try {
    const asked = { deltaName, methods: [method], granularities: [granularity], targets: [target] };
    request = await scoringRequest(session, asked, sources);
  } catch (error) {
    // An input that is missing or can't be read says nothing against a score.
    if (error instanceof DeltaloomError) return { stale: [], complete: true };
    throw error;
  }
  const { cells } = await planCells(request, () => Promise.resolve(matrix));
  const stale = cells.flatMap(({ source, status }) =>
    status.state === 'stale' ? [{ source, reason: status.reason }] : [],
  );
  return { stale, complete: cells.every(({ status }) => status.state === 'fresh') };
}
