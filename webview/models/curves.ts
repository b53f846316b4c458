import type { Arrangement, CurveView, RunView } from '../../src/extension/panels/messages.js';
import { PAGE_STRINGS } from '../strings.js';
import { describeRuns, runKey } from './runs.js';
import type { TableModel } from './table.js';

/** Learning curves of several runs over shared steps. Pure. */

export interface CurvesModel {
  readonly title: string;
  /** What the curves are of. */
  readonly measure: string;
  /** Ascending; every step that any curve has. */
  readonly steps: readonly number[];
  readonly series: readonly {
    readonly label: string;
    readonly running: boolean;
    /** By step; NaN where the curve has no point. */
    readonly values: readonly number[];
  }[];
}

/** @param runs that the curves may belong to; a running one is of none yet and brings its own label */
export function curvesModel(
  curves: readonly CurveView[],
  runs: readonly RunView[],
  which: Arrangement['curve'],
): CurvesModel {
  const points = curves.map(
    (curve) => new Map(curve[which].map(({ step, value }) => [step, value ?? Number.NaN])),
  );
  const steps = [...new Set(points.flatMap((series) => [...series.keys()]))].sort((a, b) => a - b);
  const recorded = runs.filter((run) => curves.some(({ id }) => id === runKey(run)));
  const { common, labels } = describeRuns(recorded);
  const label = new Map(recorded.map((run, i) => [runKey(run), labels[i] ?? '']));
  const measure = PAGE_STRINGS.curves.measures[which];
  return {
    title: PAGE_STRINGS.curves.title(measure, common),
    measure,
    steps,
    series: curves.map((curve, k) => ({
      label: label.get(curve.id) ?? curve.label ?? curve.id,
      running: curve.running,
      values: steps.map((step) => points[k]?.get(step) ?? Number.NaN),
    })),
  };
}

export function curvesTable(model: CurvesModel, notes: readonly string[]): TableModel {
  return {
    caption: model.title,
    columns: [
      { title: PAGE_STRINGS.curves.step, numeric: true },
      ...model.series.map(({ label }) => ({ title: label, numeric: true })),
    ],
    rows: model.steps.map((step, i) => [
      String(step),
      ...model.series.map(({ values }) => {
        const value = values[i] ?? Number.NaN;
        return Number.isNaN(value) ? null : value;
      }),
    ]),
    digits: 4,
    notes,
  };
}
