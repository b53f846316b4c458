import { SCORE_METHOD_INFO } from '../../src/core/methods.js';
import { css } from '../colour.js';
import { shortPart } from '../models/heatmap.js';
import { PAGE_STRINGS } from '../strings.js';
import type { Theme } from '../theme.js';
import { partColours, type MultiplesModel } from './part-colours.js';
import { drawing, tag, text, textWidth } from './svg.js';

const MARGIN = 12;
const TITLE = 26;
const LINE = 16;
const GAP = 14;
const SIDE = 96;
const PER_ROW = 8;

/** All blocks or layers in small as one drawing that stands alone. Pure. */
export function multiplesSvg(model: MultiplesModel, notes: readonly string[], theme: Theme): string {
  const { parts, method, deltaName } = model.sheet.summary;
  const title = PAGE_STRINGS.heatmap.everyPartTitle(`${SCORE_METHOD_INFO[method].title} (${deltaName})`);
  const [cellWidth, cellHeight] = [SIDE / model.columns.length, SIDE / model.rows.length];
  const content = [text(MARGIN, MARGIN + 12, title, { 'font-size': 14, 'font-weight': 'bold' })];
  parts.forEach((name, part) => {
    const left = MARGIN + (part % PER_ROW) * (SIDE + GAP);
    const top = MARGIN + TITLE + Math.floor(part / PER_ROW) * (SIDE + GAP + LINE);
    partColours(model, part, theme.ground).forEach((colour, cell) => {
      if (colour === null) return;
      const [row, column] = [Math.floor(cell / model.columns.length), cell % model.columns.length];
      const place = { x: left + column * cellWidth, y: top + row * cellHeight };
      content.push(tag('rect', { ...place, width: cellWidth, height: cellHeight, fill: css(colour) }));
    });
    content.push(text(left + SIDE / 2, top + SIDE + 13, shortPart(name), { 'text-anchor': 'middle' }));
  });
  const rows = Math.ceil(parts.length / PER_ROW);
  const bottom = MARGIN + TITLE + rows * (SIDE + GAP + LINE);
  content.push(...notes.map((note, i) => text(MARGIN, bottom + (i + 1) * LINE, note, { fill: theme.muted })));
  const width = 2 * MARGIN + Math.min(parts.length, PER_ROW) * (SIDE + GAP) - GAP;
  return drawing(
    Math.max(width, ...[title, ...notes].map((line) => textWidth(line) + 2 * MARGIN)),
    bottom + notes.length * LINE + MARGIN,
    { background: theme.background, foreground: theme.foreground, font: theme.font, title },
    content,
  );
}
