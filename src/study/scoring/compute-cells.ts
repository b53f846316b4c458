import { DeltaloomError } from '../../core/errors.js';
import type { Granularity } from '../../core/methods.js';
import { partsOfTensors } from '../../core/parts.js';
import type { SweepMethod, SweepTotals } from '../../core/score-aggregation.js';
import {
  addToGradientTotals,
  addToSweepTotals,
  batchesRead,
  emptySweepTotals,
  gradientBatches,
  gradientNormsByPart,
  gradientValues,
  isSweepMethod,
  sweepValues,
} from '../../core/score-aggregation.js';
import type { DeltaTensors } from '../../core/tensor.js';
import { euclideanDistance, weightCosine } from '../../core/weight-scores.js';
import type { Model } from '../compute/contract.js';
import { shellWord } from '../shell-word.js';
import type { WantedCell } from './cells.js';
import type { ScoredDelta, ScoredTarget, ScoringRequest } from './contract.js';
import type { TargetProbe } from './probe.js';

/** The values of one cell, one per part; not yet written down, so NaN is still NaN. */
export interface CellValues {
  readonly wanted: WantedCell;
  readonly parts: readonly string[];
  readonly values: readonly number[];
}

/** What all cells of one (target, source) pair are computed from. */
export interface PairInputs {
  readonly request: ScoringRequest;
  readonly target: ScoredTarget;
  readonly source: ScoredDelta;
  readonly model: () => Promise<Model>;
  /** The probe of the target; opened only if a cell reads it. */
  readonly probe: () => Promise<TargetProbe>;
  /** Loads weights, remembering them. */
  readonly load: (delta: ScoredDelta) => Promise<DeltaTensors>;
  readonly signal: AbortSignal;
}

/**
 * All wanted cells of one pair, cheapest reading first: the weights, one sweep for every forward method, one gradient
 * pass for every granularity of GraNd, and tuning.
 */
export async function computePair(wanted: readonly WantedCell[], inputs: PairInputs): Promise<CellValues[]> {
  const results: CellValues[] = [];
  const sweep = wanted.filter(({ method }) => isSweepMethod(method));
  if (sweep.length > 0) results.push(...(await sweepCells(sweep, inputs)));
  const gradient = wanted.filter(({ method }) => method === 'grand');
  if (gradient.length > 0) results.push(...(await gradientCells(gradient, inputs)));
  for (const cell of wanted) {
    inputs.signal.throwIfAborted();
    if (cell.method === 'weight-cosine' || cell.method === 'weight-cosine-change') {
      results.push(await weightCell(cell, inputs));
    } else if (cell.method === 'euclidean' || cell.method === 'performance') {
      results.push(await tuningCell(cell, inputs));
    }
  }
  return results;
}

/** Loss, KL, EL2N, cosine and hidden cosine from the same forward passes. */
async function sweepCells(wanted: readonly WantedCell[], inputs: PairInputs): Promise<CellValues[]> {
  const { request, signal } = inputs;
  const [model, probe, delta] = [
    await inputs.model(),
    await inputs.probe(),
    await inputs.load(inputs.source),
  ];
  // Methods that read only the first batch have totals of their own: one for each number of batches.
  const totals = new Map<number, SweepTotals>();
  for (const cell of wanted) totals.set(batchesOf(cell, request), emptySweepTotals());
  const most = Math.min(Math.max(...totals.keys()), probe.batches.length);
  for (let index = 0; index < most; index++) {
    signal.throwIfAborted();
    await probe.withTeacher(index, async (batch, teacher) => {
      const statistics = await model.sweep(delta, batch, teacher);
      for (const [limit, sums] of totals) {
        if (index < limit) addToSweepTotals(sums, batch.size, statistics);
      }
    });
  }
  return wanted.map((cell) => {
    const sums = totals.get(batchesOf(cell, request)) ?? emptySweepTotals();
    return {
      wanted: cell,
      parts: cell.granularity === 'model' ? ['model'] : model.blocks,
      values: sweepValues(cell.method as SweepMethod, sums, request.compatibility, model.blocks),
    };
  });
}

function batchesOf({ method }: WantedCell, { compatibility }: ScoringRequest): number {
  return batchesRead(method as SweepMethod, compatibility);
}

/** GraNd by model, block and layer from the same gradients. */
async function gradientCells(wanted: readonly WantedCell[], inputs: PairInputs): Promise<CellValues[]> {
  const { request, signal, target } = inputs;
  const [model, probe, delta] = [
    await inputs.model(),
    await inputs.probe(),
    await inputs.load(inputs.source),
  ];
  const readings = wanted.map((cell) => ({
    cell,
    parts: partsOfTensors(delta.keys(), cell.granularity),
    limit: gradientBatches(target.task, cell.granularity, request.compatibility),
    totals: { batches: 0, norms: [] },
  }));
  const most = Math.min(Math.max(...readings.map(({ limit }) => limit)), probe.batches.length);
  for (let index = 0; index < most; index++) {
    signal.throwIfAborted();
    const batch = probe.batches[index];
    if (batch === undefined) break;
    const { squaredNorms } = await model.gradientNorms(delta, batch);
    for (const { cell, parts, limit, totals } of readings) {
      if (index < limit) {
        addToGradientTotals(totals, gradientNormsByPart(squaredNorms, cell.granularity, parts));
      }
    }
  }
  return readings.map(({ cell, parts, totals }) => ({
    wanted: cell,
    parts,
    values: gradientValues(totals, request.compatibility),
  }));
}

async function weightCell(cell: WantedCell, inputs: PairInputs): Promise<CellValues> {
  const own = await inputs.load(targetDelta(cell, inputs.target, inputs.request));
  const source = await inputs.load(inputs.source);
  const granularity: Granularity = cell.granularity;
  if (cell.method === 'weight-cosine') {
    return { wanted: cell, ...weightCosine(own, source, granularity) };
  }
  if (inputs.request.initial === null) {
    throw new DeltaloomError(
      'score-without-initialisation',
      "'weight-cosine-change' needs the initialisation that target and source share, and the study has none.",
      { remedy: "Score by 'weight-cosine', or tune the sources in this study." },
    );
  }
  return {
    wanted: cell,
    ...weightCosine(own, source, granularity, await inputs.request.initial.tensors()),
  };
}

async function tuningCell(cell: WantedCell, inputs: PairInputs): Promise<CellValues> {
  const { tuning } = inputs.request;
  if (tuning === null) throw new Error(`'${cell.method}' was asked for without a way to tune`);
  const { tensors, dev } = await tuning.tuned(cell.source, cell.target, inputs.signal);
  if (cell.method === 'euclidean') {
    const distance = euclideanDistance(await inputs.load(inputs.source), await tensors());
    return { wanted: cell, parts: ['model'], values: [distance] };
  }
  const before = await tuning.zeroShot(cell.source, cell.target, inputs.signal);
  return { wanted: cell, parts: ['model'], values: [(dev ?? Number.NaN) - (before ?? Number.NaN)] };
}

/**
 * @throws DeltaloomError `target-without-delta` when the target was not tuned yet, or its weights are not in place
 */
export function targetDelta(
  { method }: WantedCell,
  target: ScoredTarget,
  { deltaName }: Pick<ScoringRequest, 'deltaName'>,
): ScoredDelta {
  if (target.delta?.inPlace === true) return target.delta;
  const missing =
    target.delta === null
      ? `'${target.task}' has none`
      : `the weights of that of '${target.task}' are not on this machine`;
  throw new DeltaloomError(
    'target-without-delta',
    `'${method}' compares with the few-shot delta of the target, and ${missing}.`,
    {
      remedy: `Tune it first from random initialisation: deltaloom tune --task ${shellWord(target.task)} --role target --delta ${shellWord(deltaName)}.`,
    },
  );
}
