import { averagingWeights, type AveragingWeights } from '../../src/core/averaging-weights.js';
import { orderByGroup, orderByValue } from '../../src/core/matrix-order.js';
import type { Arrangement } from '../../src/extension/panels/messages.js';
import { PAGE_STRINGS } from '../strings.js';
import type { ScoreSheet } from './heatmap.js';
import type { TableModel } from './table.js';

/** A target's row of scores as averaging weights. Pure. */

export interface WeightRow {
  readonly source: string;
  readonly value: number | null;
  readonly weight: number;
}

export interface WeightsModel {
  readonly target: string;
  readonly temperature: number;
  /** In the order shown. */
  readonly rows: readonly WeightRow[];
  readonly summary: AveragingWeights;
}

export interface WeightsFailure {
  readonly message: string;
  readonly remedy: string;
}

/** @returns why not, when the row lacks values or has nothing to weigh */
export function weightsModel(
  sheet: ScoreSheet,
  target: string,
  options: {
    readonly part: number;
    readonly temperature: number;
    readonly order: Arrangement['weightOrder'];
    readonly groups: Readonly<Record<string, readonly string[]>>;
  },
): WeightsModel | WeightsFailure {
  const row = scoredRow(sheet, target, options.part);
  if (row === null) {
    return { message: PAGE_STRINGS.weights.noScores(target), remedy: PAGE_STRINGS.weights.noScoresRemedy };
  }
  const unknown = row.filter(({ task, value }) => task !== target && value === null);
  if (unknown.length > 0) {
    return {
      message: PAGE_STRINGS.weights.missing(unknown.length, row.length - 1, target, unknown[0]?.task ?? ''),
      remedy: PAGE_STRINGS.weights.missingRemedy,
    };
  }
  if (row.every(({ task }) => task === target)) {
    return { message: PAGE_STRINGS.weights.noSource(target), remedy: PAGE_STRINGS.weights.noSourceRemedy };
  }
  const { direction } = sheet.summary;
  const summary = averagingWeights(target, row, { direction, temperature: options.temperature });
  const value = new Map(row.map((entry) => [entry.task, entry.value]));
  const rows = summary.sources.map((source, k) => ({
    source,
    value: value.get(source) ?? null,
    weight: summary.weights[k] ?? 0,
  }));
  return { target, temperature: options.temperature, summary, rows: ordered(rows, direction, options) };
}

export function isFailure(model: WeightsModel | WeightsFailure): model is WeightsFailure {
  return 'message' in model;
}

/** Ordered by scores, not by weights: bars keep their places while the temperature moves. */
function ordered(
  rows: readonly WeightRow[],
  direction: 'lower' | 'higher',
  {
    order,
    groups,
  }: { order: Arrangement['weightOrder']; groups: Readonly<Record<string, readonly string[]>> },
): WeightRow[] {
  const permutation =
    order === 'value'
      ? orderByValue(
          rows.map(({ value }) => value),
          direction,
        )
      : order === 'group'
        ? orderByGroup(
            rows.map(({ source }) => source),
            groups,
          )
        : rows.map((_, k) => k);
  return permutation.flatMap((k) => rows[k] ?? []);
}

export function weightsTable(model: WeightsModel, method: string, notes: readonly string[]): TableModel {
  return {
    caption: PAGE_STRINGS.weights.title(model.target, method, Number(model.temperature.toPrecision(6))),
    columns: [
      { title: PAGE_STRINGS.common.source, numeric: false },
      { title: PAGE_STRINGS.common.score, numeric: true },
      { title: PAGE_STRINGS.weights.weight, numeric: true },
    ],
    rows: model.rows.map(({ source, value, weight }) => [source, value, weight]),
    digits: 4,
    notes,
  };
}

/** The slider's ends around the study's temperature: two decades each way, in steps that feel even. */
export function temperatureRange(temperature: number): { low: number; high: number } {
  return { low: temperature / 100, high: temperature * 100 };
}

export const SLIDER_STEPS = 1000;

export function sliderPosition(temperature: number, { low, high }: { low: number; high: number }): number {
  const position = (SLIDER_STEPS * Math.log(temperature / low)) / Math.log(high / low);
  return Math.max(0, Math.min(SLIDER_STEPS, Math.round(position)));
}

/** Four significant digits: what is shown is what is used. */
export function sliderTemperature(position: number, { low, high }: { low: number; high: number }): number {
  return Number((low * (high / low) ** (position / SLIDER_STEPS)).toPrecision(4));
}

/** A target's scores by source that is merged, its own included; null when the target was not scored. */
export function scoredRow(
  sheet: ScoreSheet,
  target: string,
  part: number,
): { task: string; value: number | null }[] | null {
  const { targets, sources, merged, parts } = sheet.summary;
  const i = targets.indexOf(target);
  if (i < 0) return null;
  return merged.map((task) => {
    const place = i * sources.length + sources.indexOf(task);
    const value = sheet.values.values[place * parts.length + part] ?? Number.NaN;
    return { task, value: Number.isFinite(value) ? value : null };
  });
}
