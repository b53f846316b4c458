import { SCORE_METHOD_INFO } from '../../core/methods.js';
import { canonicalJson } from '../content-key.js';
import type { Provenance, ScoreCell, ScoreMatrix } from '../records.js';
import { scoreMatrixSchema } from '../records.js';
import type { MatrixId } from './cells.js';
import { cellPlace } from './cells.js';
import type { ScoringRequest } from './contract.js';
import type { JournalEntry } from './journal.js';

/** A finished cell on its way into a matrix. */
export interface FinishedCell {
  readonly cell: Omit<ScoreCell, 'provenance'>;
  readonly parts: readonly string[];
  readonly provenance: Provenance;
}

/**
 * The matrix with finished cells put in: rows and columns in the study's order, whatever the order of the work, so that a
 * disturbed run ends with the same bytes as an undisturbed one. What else is on record comes after them: asking for fewer
 * tasks takes away nothing that was computed. Only cells of tasks that are gone are dropped.
 */
export function withCells(
  recorded: ScoreMatrix | null,
  { method, granularity }: MatrixId,
  request: ScoringRequest,
  finished: readonly FinishedCell[],
): ScoreMatrix {
  const parts = finished.at(-1)?.parts ?? recorded?.parts ?? ['model'];
  const provenances = new Provenances(recorded?.provenances ?? []);
  const cells = new Map<string, ScoreCell>();
  for (const cell of recorded?.cells ?? []) {
    // Cells of another delta may have other parts: their values could not be told apart.
    if (cell.values.length === parts.length) cells.set(cellPlace(cell), cell);
  }
  for (const { cell, provenance } of finished) {
    cells.set(cellPlace(cell), { ...cell, provenance: provenances.add(provenance) });
  }
  const rows = withRecorded(request.rows, recorded?.targets, request.catalogue);
  const columns = withRecorded(request.columns, recorded?.sources, request.catalogue);
  const ordered = rows.flatMap((target) =>
    columns.flatMap((source) => cells.get(cellPlace({ target, source })) ?? []),
  );
  return scoreMatrixSchema.parse({
    format: 'deltaloom/scores',
    version: 1,
    method,
    methodVersion: SCORE_METHOD_INFO[method].version,
    granularity,
    direction: SCORE_METHOD_INFO[method].direction,
    compatibility: request.compatibility,
    deltaName: request.deltaName,
    delta: request.delta,
    targets: rows,
    sources: columns,
    parts: [...parts],
    probe: { split: request.probe.split, shots: request.probe.shots, examples: request.probe.examples },
    ...provenances.used(ordered),
  });
}

function withRecorded(
  names: readonly string[],
  recorded: readonly string[] = [],
  catalogue: readonly string[] = recorded,
): string[] {
  const others = new Set(recorded);
  return [...new Set([...names, ...catalogue.filter((name) => others.has(name))])];
}

/** Provenances of cells, those that differ in time alone kept as one: the first time, the seconds added up. */
class Provenances {
  private readonly list: Provenance[];

  constructor(recorded: readonly Provenance[]) {
    this.list = [...recorded];
  }

  add(provenance: Provenance): number {
    const index = this.list.findIndex((known) => sameWork(known, provenance));
    const known = this.list[index];
    if (known === undefined) return this.list.push(provenance) - 1;
    this.list[index] = { ...known, seconds: known.seconds + provenance.seconds };
    return index;
  }

  /** The cells with their provenances numbered anew in order of first use; those of no cell are dropped. */
  used(cells: readonly ScoreCell[]): { cells: ScoreCell[]; provenances: Provenance[] } {
    const numbers = new Map<number, number>();
    const numbered = cells.map((cell) => {
      const number = numbers.get(cell.provenance) ?? numbers.size;
      numbers.set(cell.provenance, number);
      return { ...cell, provenance: number };
    });
    return {
      cells: numbered,
      provenances: [...numbers.keys()].flatMap((index) => {
        const provenance = this.list[index];
        return provenance === undefined
          ? []
          : [{ ...provenance, seconds: Number(provenance.seconds.toFixed(3)) }];
      }),
    };
  }
}

function sameWork(a: Provenance, b: Provenance): boolean {
  const essence = ({ commit, branch, dirty, device, versions }: Provenance) =>
    canonicalJson({ commit, branch, dirty, device, versions });
  return essence(a) === essence(b);
}

/** The journal's cells by matrix, each with the provenance of the process that computed it. */
export function cellsOfJournal(
  entries: readonly JournalEntry[],
): Map<string, { id: MatrixId; finished: FinishedCell[] }> {
  const matrices = new Map<string, { id: MatrixId; finished: FinishedCell[] }>();
  let session: Provenance | null = null;
  for (const entry of entries) {
    if (entry.kind === 'session') {
      session = entry.provenance;
      continue;
    }
    if (session === null) continue;
    const { method, granularity, parts, cell, seconds } = entry;
    const name = `${method}.${granularity}`;
    const matrix = matrices.get(name) ?? { id: { method, granularity }, finished: [] };
    matrix.finished.push({ cell, parts, provenance: { ...session, seconds } });
    matrices.set(name, matrix);
  }
  return matrices;
}
