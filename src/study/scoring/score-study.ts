import { SCORE_METHOD_INFO } from '../../core/methods.js';
import type { DeltaTensors } from '../../core/tensor.js';
import type { Provenance, ScoreMatrix } from '../records.js';
import type { MatrixId, WantedCell } from './cells.js';
import { cellIndex, cellPlace, cellState, requestedMatrices, wantedCell } from './cells.js';
import type { CellValues } from './compute-cells.js';
import { computePair, targetDelta } from './compute-cells.js';
import type { ScoredDelta, ScoredTarget, ScoringContext, ScoringRequest } from './contract.js';
import { CellJournal } from './journal.js';
import type { FinishedCell } from './matrices.js';
import { cellsOfJournal, withCells } from './matrices.js';
import { TargetProbe } from './probe.js';

export interface ScoringOutcome {
  readonly matrices: readonly MatrixId[];
  readonly computed: number;
  readonly reused: number;
}

/** Source weights kept in memory between rows, in bytes. */
const WEIGHTS_BUDGET = 2 ** 29;

/**
 * Fills score matrices: every wanted cell whose inputs changed or that is missing is computed, once, and kept as soon as
 * it is finished. Stops between batches when the signal aborts, keeping what is finished, and throws the signal's reason.
 *
 * @throws DeltaloomError of the first cell that can't be computed; what was finished before is kept
 */
export async function scoreStudy(request: ScoringRequest, context: ScoringContext): Promise<ScoringOutcome> {
  const ids = requestedMatrices(request.methods, request.granularities);
  const journal = new CellJournal(context.journal);
  const matrices = await openMatrices(ids, request, context, journal);
  const total = ids.length * request.targets.length * request.sources.length;
  const wanted = missingCells(ids, matrices, request);
  const outcome = { matrices: ids, computed: wanted.length, reused: total - wanted.length };
  if (wanted.length === 0) return outcome;

  const session = { ...(await context.provenance()), seconds: 0 };
  await journal.append([{ kind: 'session', provenance: session }]);
  const work = new ScoringWork(request, context, journal, session, { done: outcome.reused, total });
  try {
    for (const target of request.targets) {
      const row = wanted.filter((cell) => cell.target === target.task);
      if (row.length > 0) await work.scoreRow(target, row);
    }
  } finally {
    await writeMatrices(work.finished, matrices, request, context);
    await journal.clear();
  }
  return outcome;
}

type Matrices = Map<string, { id: MatrixId; matrix: ScoreMatrix | null }>;
type FinishedByMatrix = Map<string, FinishedCell[]>;

/** Reads the matrices and puts in what a killed process left in the journal. */
async function openMatrices(
  ids: readonly MatrixId[],
  request: ScoringRequest,
  { store }: ScoringContext,
  journal: CellJournal,
): Promise<Matrices> {
  const left = cellsOfJournal(await journal.read());
  const matrices: Matrices = new Map();
  const concerned = [...ids, ...[...left.values()].map(({ id }) => id)];
  for (const id of concerned) {
    if (matrices.has(matrixName(id))) continue;
    let matrix = await store.readMatrixToChange(request.deltaName, id.method, id.granularity);
    const finished = left.get(matrixName(id))?.finished ?? [];
    if (finished.length > 0) {
      matrix = withCells(matrix, id, request, finished);
      await store.writeMatrix(matrix);
    }
    matrices.set(matrixName(id), { id, matrix });
  }
  await journal.clear();
  return matrices;
}

function missingCells(ids: readonly MatrixId[], matrices: Matrices, request: ScoringRequest): WantedCell[] {
  return ids.flatMap((id) => {
    const recorded = cellIndex(matrices.get(matrixName(id))?.matrix ?? null);
    return request.targets.flatMap((target) =>
      request.sources.flatMap((source) => {
        const cell = wantedCell(id, target, source, request);
        return cellState(cell, recorded.get(cellPlace(cell))).state === 'fresh' ? [] : [cell];
      }),
    );
  });
}

async function writeMatrices(
  finished: FinishedByMatrix,
  matrices: Matrices,
  request: ScoringRequest,
  { store }: ScoringContext,
): Promise<void> {
  for (const [name, { id, matrix }] of matrices) {
    const cells = finished.get(name);
    if (cells === undefined || cells.length === 0) continue;
    const filled = withCells(matrix, id, request, cells);
    await store.writeMatrix(filled);
    matrices.set(name, { id, matrix: filled });
  }
}

/** The work of one call: rows one after the other, in each row pair by pair. */
class ScoringWork {
  readonly finished: FinishedByMatrix = new Map();
  private readonly weights = new Map<ScoredDelta, DeltaTensors>();
  private heldBytes = 0;
  private readonly started = performance.now();
  private readonly reused: number;

  constructor(
    private readonly request: ScoringRequest,
    private readonly context: ScoringContext,
    private readonly journal: CellJournal,
    private readonly session: Provenance,
    private readonly count: { done: number; total: number },
  ) {
    this.reused = count.done;
  }

  async scoreRow(target: ScoredTarget, cells: readonly WantedCell[]): Promise<void> {
    const teacher = cells.find(({ method }) => SCORE_METHOD_INFO[method].cost === 'two-forwards');
    const needsTarget = cells.find(({ method }) => SCORE_METHOD_INFO[method].needsTargetDelta);
    // Before any work: a row that will fail should not take an hour to say so.
    if (needsTarget !== undefined) targetDelta(needsTarget, target, this.request);

    let probe: TargetProbe | null = null;
    const openProbe = async () =>
      (probe ??= await TargetProbe.open(await this.context.model(), target, {
        batchSize: this.request.probe.batchSize,
        compatibility: this.request.compatibility,
        delta: teacher === undefined ? null : await this.load(targetDelta(teacher, target, this.request)),
      }));
    try {
      for (const source of this.request.sources) {
        const wanted = cells.filter((cell) => cell.source === source.task);
        if (wanted.length === 0) continue;
        this.context.signal.throwIfAborted();
        this.report(target.task, source.task);
        const before = performance.now();
        const values = await computePair(wanted, {
          request: this.request,
          target,
          source,
          model: this.context.model,
          probe: openProbe,
          load: (delta) => this.load(delta),
          signal: this.context.signal,
        });
        await this.keep(values, (performance.now() - before) / 1000);
      }
    } finally {
      (probe as TargetProbe | null)?.dispose();
    }
  }

  private async keep(values: readonly CellValues[], seconds: number): Promise<void> {
    const share = seconds / values.length;
    const entries = values.map(({ wanted, parts, values: numbers }) => {
      const { method, granularity, target, source, key, inputs } = wanted;
      const cell = {
        target,
        source,
        key,
        inputs: { ...inputs },
        values: numbers.map((value) => (Number.isFinite(value) ? value : null)),
      };
      return { kind: 'cell' as const, method, granularity, parts: [...parts], cell, seconds: share };
    });
    await this.journal.append(entries);
    for (const { method, granularity, parts, cell } of entries) {
      const name = matrixName({ method, granularity });
      const list = this.finished.get(name) ?? [];
      list.push({ cell, parts, provenance: { ...this.session, seconds: share } });
      this.finished.set(name, list);
    }
    this.count.done += values.length;
  }

  private report(target: string, source: string): void {
    const { done, total } = this.count;
    const computed = done - this.reused;
    const elapsed = (performance.now() - this.started) / 1000;
    this.context.progress({
      label: `Scoring ${source} on ${target} (${this.request.deltaName})`,
      done,
      total,
      unit: 'cells',
      task: target,
      ...(computed > 0 ? { secondsLeft: (elapsed / computed) * (total - done) } : {}),
    });
  }

  /** Weights by checkpoint; the oldest are let go when they grow too many. */
  private async load(delta: ScoredDelta): Promise<DeltaTensors> {
    const known = this.weights.get(delta);
    if (known !== undefined) return known;
    const tensors = await delta.tensors();
    this.weights.set(delta, tensors);
    this.heldBytes += bytesOf(tensors);
    for (const [oldest, weights] of this.weights) {
      if (this.heldBytes <= WEIGHTS_BUDGET || oldest === delta) break;
      this.weights.delete(oldest);
      this.heldBytes -= bytesOf(weights);
    }
    return tensors;
  }
}

function bytesOf(tensors: DeltaTensors): number {
  let bytes = 0;
  for (const { data } of tensors.values()) bytes += data.byteLength;
  return bytes;
}

function matrixName({ method, granularity }: MatrixId): string {
  return `${method}.${granularity}`;
}
