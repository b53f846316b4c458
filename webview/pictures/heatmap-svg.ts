import { css, inkOn } from '../colour.js';
import type { Theme } from '../theme.js';
import {
  boundaryStrokes,
  cellColours,
  heatmapLayout,
  labelStride,
  legendColours,
  legendTexts,
  numberText,
} from './heatmap-layout.js';
import type { HeatmapPictureModel } from './heatmap-picture.js';
import { drawing, tag, text, textWidth, titleWidth } from './svg.js';

const MARGIN = 12;
const TITLE = 24;
const LINE = 16;
/** Up to so many sources a cell has room for its number; beyond, the drawing would outgrow any page. */
const MOST_NUMBERED = 64;

/** The heatmap with title, legend and what it was made from. Pure. */
export function heatmapSvg({ heatmap, notes }: HeatmapPictureModel, theme: Theme): string {
  const { rows, columns, scale } = heatmap;
  const cell = columns.length <= MOST_NUMBERED ? 44 : 14;
  // Names are written whole: a drawing has no tooltip to say the rest.
  const names = Math.max(...rows.map(textWidth), 0);
  const layout = heatmapLayout(
    heatmap,
    Math.max(480, columns.length * cell + names + 20),
    textWidth,
    Infinity,
  );
  const colours = cellColours(heatmap.shown, rows, columns, scale, theme.ground);
  const { cellWidth, cellHeight, labelWidth, headerHeight } = layout;
  const [left, top] = [MARGIN + labelWidth, MARGIN + TITLE + headerHeight];
  const content = [text(MARGIN, MARGIN + 12, heatmap.title, { 'font-size': 14, 'font-weight': 'bold' })];
  rows.forEach((name, r) => {
    if (r % labelStride(cellHeight) !== 0) return;
    content.push(text(left - 5, top + (r + 0.5) * cellHeight + 4, name, { 'text-anchor': 'end' }));
  });
  columns.forEach((name, c) => {
    if (c % labelStride(cellWidth) !== 0) return;
    const x = left + (c + 0.5) * cellWidth;
    content.push(
      layout.standing
        ? text(0, 0, name, { transform: `translate(${x + 4} ${top - 5}) rotate(-90)` })
        : text(x, top - 6, name, { 'text-anchor': 'middle' }),
    );
  });
  rows.forEach((target, r) => {
    columns.forEach((source, c) => {
      const place = r * columns.length + c;
      const [x, y] = [left + c * cellWidth, top + r * cellHeight];
      const fill = colours[place] ?? null;
      if (target === source) {
        content.push(
          tag('line', { x1: x, y1: y + cellHeight, x2: x + cellWidth, y2: y, stroke: theme.muted }),
        );
      }
      if (fill === null) return;
      content.push(
        tag('rect', {
          x,
          y,
          width: cellWidth,
          height: cellHeight,
          fill: css(fill),
          'shape-rendering': 'crispEdges',
        }),
      );
      if (!layout.numbers) return;
      content.push(
        text(
          x + cellWidth / 2,
          y + cellHeight / 2 + 4,
          numberText(heatmap.shown[place] ?? Number.NaN, scale.of),
          { 'text-anchor': 'middle', fill: inkOn(fill) },
        ),
      );
    });
  });
  const [right, bottom] = [left + cellWidth * columns.length, top + cellHeight * rows.length];
  const line = (x1: number, y1: number, x2: number, y2: number) =>
    boundaryStrokes(theme, cellWidth)
      .map(({ stroke, width }) => tag('line', { x1, y1, x2, y2, stroke, 'stroke-width': width }))
      .join('');
  content.push(
    ...heatmap.rowBoundaries.map((r) => line(left, top + r * cellHeight, right, top + r * cellHeight)),
    ...heatmap.columnBoundaries.map((c) => line(left + c * cellWidth, top, left + c * cellWidth, bottom)),
  );
  const strip = legendColours(scale, theme.ground, 64);
  const [low, high] = legendTexts(scale);
  const legend = bottom + 14;
  strip.forEach((fill, i) =>
    content.push(tag('rect', { x: MARGIN + i * 3, y: legend, width: 3.5, height: 10, fill })),
  );
  content.push(
    text(MARGIN, legend + 24, low),
    // Beside the first rather than under the strip's end: both may be longer than half the strip.
    text(MARGIN + Math.max(192 - textWidth(high), textWidth(low) + 24), legend + 24, high),
    ...notes.map((note, i) => text(MARGIN, legend + 24 + (i + 1) * LINE, note, { fill: theme.muted })),
  );
  const width = Math.max(
    right + MARGIN,
    titleWidth(heatmap.title) + 2 * MARGIN,
    ...notes.map((note) => textWidth(note) + 2 * MARGIN),
  );
  return drawing(
    width,
    legend + 36 + notes.length * LINE,
    { background: theme.background, foreground: theme.foreground, font: theme.font, title: heatmap.title },
    content,
  );
}
