import type { Granularity, ScoreMethod } from '../../core/methods.js';
import { SCORE_METHOD_INFO } from '../../core/methods.js';
import { contentKey } from '../content-key.js';
import type { ScoreCell, ScoreMatrix } from '../records.js';
import type { ScoredDelta, ScoredTarget, ScoringRequest } from './contract.js';

/** Identity of cells: a cell whose inputs are unchanged is never computed again. */

export interface MatrixId {
  readonly method: ScoreMethod;
  readonly granularity: Granularity;
}

/** A cell that was asked for. */
export interface WantedCell extends MatrixId {
  readonly target: string;
  readonly source: string;
  readonly key: string;
  /** Short digests of what went in, so that a stale cell can say why. */
  readonly inputs: Readonly<Record<string, string>>;
}

/** The matrices of a request: every method at its granularities. */
export function requestedMatrices(
  methods: readonly ScoreMethod[],
  granularities: readonly Granularity[],
): MatrixId[] {
  return methods.flatMap((method) => {
    const own = SCORE_METHOD_INFO[method].granularities;
    const asked = own.filter((granularity) => granularities.includes(granularity));
    return (asked.length > 0 ? asked : own).map((granularity) => ({ method, granularity }));
  });
}

/** How many digits of a digest a cell keeps: enough to see that an input changed; the key alone decides. */
const DIGITS = 6;

/**
 * A cell's key and inputs. What a method does not read is not part of its key: new target deltas leave the losses alone.
 */
export function wantedCell(
  { method, granularity }: MatrixId,
  target: ScoredTarget,
  source: ScoredDelta,
  request: ScoringRequest,
): WantedCell {
  const info = SCORE_METHOD_INFO[method];
  const readsProbe = info.cost !== 'weights';
  const settings = {
    delta: request.delta,
    compatibility: request.compatibility,
    ...(readsProbe ? { probe: request.probe, lengths: request.lengths } : {}),
    ...(info.cost === 'tuning' ? { tuning: request.tuning?.identity ?? null } : {}),
    ...(method === 'weight-cosine-change' ? { initial: request.initial?.identity ?? null } : {}),
  };
  const inputs = {
    method: `${method}.${granularity}.${info.version}`,
    settings: contentKey(settings),
    backbone: request.backboneFingerprint,
    source: source.sha256,
    ...(info.needsTargetDelta ? { target: target.delta?.sha256 ?? '' } : {}),
    ...(readsProbe ? { data: target.dataSha256 } : {}),
  };
  // Not part of the key, which older cells have without it: they count as made from what is there now.
  const tuned = info.cost === 'tuning' && target.tuningDigest !== null ? { tuned: target.tuningDigest } : {};
  return {
    method,
    granularity,
    target: target.task,
    source: source.task,
    key: contentKey(inputs),
    inputs: Object.fromEntries(
      Object.entries({ ...inputs, ...tuned }).map(([name, value]) => [
        name,
        name === 'method' ? value : value.slice(0, DIGITS),
      ]),
    ),
  };
}

/** A recorded cell against what it would be made from now. `fresh` needs no work; null on record is `missing`. */
export type CellState = { readonly state: 'fresh' | 'missing' } | { readonly state: 'stale'; reason: string };

const INPUT_NAMES: Readonly<Record<string, (cell: WantedCell) => string>> = {
  method: () => 'the definition of the method changed',
  settings: () => 'the settings changed',
  backbone: () => 'the backbone changed',
  source: ({ source }) => `the checkpoint of '${source}' changed`,
  target: ({ target }) => `the few-shot checkpoint of '${target}' changed`,
  data: ({ target }) => `the probe data of '${target}' changed`,
  tuned: ({ target }) => `the data or the metric that sources are tuned by on '${target}' changed`,
};

export function cellState(wanted: WantedCell, recorded: ScoreCell | undefined): CellState {
  if (recorded === undefined) return { state: 'missing' };
  const before = recorded.inputs ?? {};
  const changed = Object.entries(wanted.inputs).flatMap(([name, value]) =>
    before[name] === value || (name === 'tuned' && before[name] === undefined) ? [] : [name],
  );
  if (recorded.key === wanted.key && !changed.includes('tuned')) return { state: 'fresh' };
  const reasons = changed.map((name) => INPUT_NAMES[name]?.(wanted) ?? `${name} changed`);
  return { state: 'stale', reason: reasons.join(', ') || 'its inputs changed' };
}

/** Looks cells up by target and source. */
export function cellIndex(matrix: ScoreMatrix | null): ReadonlyMap<string, ScoreCell> {
  return new Map((matrix?.cells ?? []).map((cell) => [cellPlace(cell), cell]));
}

/** Task names may hold any character but a tab, which separates columns in the data. */
export function cellPlace({ target, source }: { target: string; source: string }): string {
  return `${target}\t${source}`;
}

/**
 * Which cells of a request are done, stale (and why) or missing; nothing is computed or opened but the matrices.
 */
export async function planCells(
  request: ScoringRequest,
  readMatrix: (id: MatrixId) => Promise<ScoreMatrix | null>,
): Promise<{ cells: (WantedCell & { status: CellState })[] }> {
  const cells: (WantedCell & { status: CellState })[] = [];
  for (const id of requestedMatrices(request.methods, request.granularities)) {
    const recorded = cellIndex(await readMatrix(id));
    for (const target of request.targets) {
      for (const source of request.sources) {
        const wanted = wantedCell(id, target, source, request);
        cells.push({ ...wanted, status: cellState(wanted, recorded.get(cellPlace(wanted))) });
      }
    }
  }
  return { cells };
}
