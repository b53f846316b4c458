import type { Arrangement, CurveView } from '../../src/extension/panels/messages.js';
import type { TableModel } from './table.js';

/** Learning curves of several runs over shared steps. Pure. */

export interface CurvesModel {
  readonly title: string;
  /** Ascending; every step that any curve has. */
  readonly steps: readonly number[];
  readonly series: readonly {
    readonly label: string;
    readonly running: boolean;
    /** By step; NaN where the curve has no point. */
    readonly values: readonly number[];
  }[];
}

export function curvesModel(curves: readonly CurveView[], which: Arrangement['curve']): CurvesModel {
  const points = curves.map(
    (curve) => new Map(curve[which].map(({ step, value }) => [step, value ?? Number.NaN])),
  );
  const steps = [...new Set(points.flatMap((series) => [...series.keys()]))].sort((a, b) => a - b);
  return {
    title: which === 'train' ? 'Training loss by step' : 'Dev metric by step',
    steps,
    series: curves.map(({ label, running }, k) => ({
      label,
      running,
      values: steps.map((step) => points[k]?.get(step) ?? Number.NaN),
    })),
  };
}

export function curvesTable(model: CurvesModel): TableModel {
  return {
    caption: model.title,
    columns: [
      { title: 'Step', numeric: true },
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
  };
}
