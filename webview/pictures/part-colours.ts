import type { Ground, Rgb } from '../colour.js';
import { extent, partValues, type ScoreSheet } from '../models/heatmap.js';
import { cellColours } from './heatmap-layout.js';

export interface MultiplesModel {
  readonly sheet: ScoreSheet;
  /** The chosen part. */
  readonly part: number;
  /** Targets and sources as the large picture orders them. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
}

/** Colours of one part's cells on its own scale, [rows, columns] row-major; null where there is nothing to show. */
export function partColours(
  { sheet, rows, columns }: MultiplesModel,
  part: number,
  ground: Ground,
): (Rgb | null)[] {
  const { targets, sources, direction } = sheet.summary;
  const plain = partValues(sheet, part);
  const row = new Map(targets.map((task, i) => [task, i]));
  const column = new Map(sources.map((task, j) => [task, j]));
  const values = Float64Array.from(
    rows.flatMap((target) =>
      columns.map(
        (source) => plain[(row.get(target) ?? 0) * sources.length + (column.get(source) ?? 0)] ?? Number.NaN,
      ),
    ),
  );
  const { low, high } = extent(values, rows, columns);
  return cellColours(
    values,
    rows,
    columns,
    {
      low,
      high: high > low ? high : low + 1,
      kind: 'sequential',
      strong: direction === 'lower' ? 'low' : 'high',
    },
    ground,
  );
}
