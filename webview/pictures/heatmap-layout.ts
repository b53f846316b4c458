import { css, divergingScale, sequentialScale, type Ground, type Rgb } from '../colour.js';
import type { ColourDomain, HeatmapModel } from '../models/heatmap.js';
import { formatNumber } from '../models/table.js';
import { PAGE_STRINGS } from '../strings.js';
import type { Theme } from '../theme.js';

/** Sizes, colours and texts of a heatmap's cells, shared by the canvas and the SVG. Pure. */

export interface HeatmapLayout {
  readonly cellWidth: number;
  readonly cellHeight: number;
  readonly labelWidth: number;
  readonly headerHeight: number;
  /** Column names lie when there is room, and stand otherwise. */
  readonly standing: boolean;
  /** Numbers are written into the cells. */
  readonly numbers: boolean;
  readonly width: number;
  readonly height: number;
}

export const LONGEST_LABEL = 170;
const SMALLEST_CELL = 3;
const LARGEST_CELL = { width: 72, height: 30 };

/** @param measure width of a text in the labels' font, in pixels */
export function heatmapLayout(
  model: HeatmapModel,
  width: number,
  measure: (text: string) => number,
  longestLabel = LONGEST_LABEL,
): HeatmapLayout {
  const widest = (names: readonly string[]) =>
    Math.min(longestLabel, Math.max(20, ...names.map(measure))) + 10;
  const labelWidth = Math.ceil(widest(model.rows));
  const room = width - labelWidth - 4;
  const columns = Math.max(1, model.columns.length);
  const cellWidth = Math.max(SMALLEST_CELL, Math.min(LARGEST_CELL.width, Math.floor(room / columns)));
  const cellHeight = Math.max(SMALLEST_CELL, Math.min(LARGEST_CELL.height, cellWidth));
  const columnLabel = widest(model.columns);
  const standing = columnLabel > cellWidth;
  const headerHeight = standing ? Math.ceil(columnLabel) : 22;
  return {
    cellWidth,
    cellHeight,
    labelWidth,
    headerHeight,
    standing,
    numbers: cellWidth >= 36 && cellHeight >= 16,
    width: labelWidth + cellWidth * columns + 2,
    height: headerHeight + cellHeight * Math.max(1, model.rows.length) + 2,
  };
}

/** A line on a seam of the ground's colour: alone it would be lost between cells as dark as itself. */
export function boundaryStrokes(
  { background, foreground }: Pick<Theme, 'background' | 'foreground'>,
  cell: number,
): { stroke: string; width: number }[] {
  const roomy = cell >= 12;
  return [
    { stroke: background, width: roomy ? 5 : 3 },
    { stroke: foreground, width: roomy ? 2 : 1 },
  ];
}

/** Every how many-th name is written so that they don't overlap. */
export function labelStride(cell: number): number {
  return Math.max(1, Math.ceil(12 / cell));
}

/** null: nothing to show (own source, or not computed). */
export function cellColours(
  shown: Float64Array,
  rows: readonly string[],
  columns: readonly string[],
  domain: Pick<ColourDomain, 'low' | 'high' | 'kind' | 'strong'>,
  ground: Ground,
): (Rgb | null)[] {
  const colour = colourOf(domain, ground);
  const reach = domain.high - domain.low || 1;
  return rows.flatMap((target, r) =>
    columns.map((source, c) => {
      const value = shown[r * columns.length + c] ?? Number.NaN;
      if (Number.isNaN(value) || target === source) return null;
      return colour((value - domain.low) / reach);
    }),
  );
}

/** Colour by the position in the domain, 0 at its low end. */
function colourOf(
  { kind, strong }: Pick<ColourDomain, 'kind' | 'strong'>,
  ground: Ground,
): (position: number) => Rgb {
  const scale = kind === 'diverging' ? divergingScale(ground) : sequentialScale(ground);
  const turned = kind === 'sequential' && strong === 'low';
  return (position) => scale.at(turned ? 1 - position : position);
}

/** Colours of the legend's strip from the domain's low to its high end. */
export function legendColours(domain: ColourDomain, ground: Ground, steps: number): string[] {
  const colour = colourOf(domain, ground);
  return Array.from({ length: steps }, (_, i) => css(colour(i / (steps - 1))));
}

/** Three significant digits in at most five characters; weights in percent. */
export function numberText(value: number, of: ColourDomain['of']): string {
  if (Number.isNaN(value)) return '';
  if (of === 'rank') return formatNumber(value, { digits: Number.isInteger(value) ? 0 : 1 });
  if (of === 'weight') return formatNumber(value, { digits: 1, scale: 100 });
  const size = Math.abs(value);
  if (size >= 1e5 || (size > 0 && size < 5e-3)) return value.toExponential(0).replace('e+', 'e');
  return formatNumber(value, { digits: size >= 100 ? 0 : size >= 10 ? 1 : 2, signed: of === 'difference' });
}

/** What stands at the two ends of the legend. */
export function legendTexts({ of, low, high, lowLabel, highLabel }: ColourDomain): [string, string] {
  const unit = of === 'weight' ? PAGE_STRINGS.common.percent : '';
  return [`${numberText(low, of)}${unit} ${lowLabel}`, `${numberText(high, of)}${unit} ${highLabel}`];
}
