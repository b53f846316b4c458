import type { Theme } from '../theme.js';
import { formatNumber } from '../models/table.js';
import { axisEnd, barText, bestColour, type BarModel } from './bar-picture.js';
import { DASHES, seriesColour, type LineModel } from './line-picture.js';
import { drawing, round, tag, text, textWidth, titleWidth } from './svg.js';

/** Bars and lines as drawings that stand alone, with title and what they were made from. Pure. */

const MARGIN = 12;
const TITLE = 30;
const LINE = 16;

export function barSvg(model: BarModel, theme: Theme): string {
  const bar = 20;
  const labels = Math.max(40, ...model.bars.map(({ label }) => textWidth(label))) + 8;
  const plot = 420;
  const left = MARGIN + labels;
  const top = MARGIN + TITLE;
  const end = axisEnd(model);
  const x = (value: number) => left + (plot * value) / end;
  const bottom = top + bar * model.bars.length;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => share * end);
  const content = [
    heading(model.title),
    ...ticks.flatMap((tick) => [
      tag('line', { x1: x(tick), y1: top, x2: x(tick), y2: bottom, stroke: theme.line }),
      text(
        x(tick),
        bottom + 14,
        `${formatNumber(tick, { digits: end < 0.1 ? 1 : 0, scale: 100 })}${model.unit}`,
        {
          'text-anchor': 'middle',
          fill: theme.muted,
        },
      ),
    ]),
    ...model.bars.flatMap(({ label, value, deviation, earlier, best }, i) => {
      const middle = top + (i + 0.5) * bar;
      const reach = Math.max(value + (deviation ?? 0), earlier ?? 0);
      return [
        text(left - 6, middle + 4, label, { 'text-anchor': 'end' }),
        tag('rect', {
          x: left,
          y: middle - 7,
          width: Math.max(0, x(value) - left),
          height: 14,
          fill: best ? bestColour(theme) : theme.accent,
        }),
        ...(deviation === null
          ? []
          : [
              tag('line', {
                x1: x(value - deviation),
                y1: middle,
                x2: x(value + deviation),
                y2: middle,
                stroke: theme.foreground,
              }),
            ]),
        ...(earlier === undefined
          ? []
          : [
              tag('rect', { x: x(earlier) - 2, y: middle - 9, width: 4, height: 18, fill: theme.background }),
              tag('rect', { x: x(earlier) - 1, y: middle - 9, width: 2, height: 18, fill: theme.foreground }),
            ]),
        text(x(reach) + 6, middle + 4, barText(model, i)),
      ];
    }),
  ];
  return finish(model.title, left + plot + 100, bottom + 26, model.notes, theme, content);
}

export function lineSvg(model: LineModel, theme: Theme): string {
  const [plotWidth, plotHeight] = [640, 260];
  const [left, top] = [MARGIN + 56, MARGIN + TITLE];
  const places = model.positions.map((position, i) => (typeof position === 'number' ? position : i));
  const values = model.series.flatMap(({ values: own }) => own.filter((value) => !Number.isNaN(value)));
  const span = (numbers: readonly number[]) => {
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    return numbers.length === 0 ? [0, 1] : low === high ? [low - 0.5, high + 0.5] : [low, high];
  };
  const [firstX = 0, lastX = 1] = span(places);
  const [lowY = 0, highY = 1] = span(values);
  const x = (place: number) => left + (plotWidth * (place - firstX)) / (lastX - firstX);
  const y = (value: number) => top + plotHeight - (plotHeight * (value - lowY)) / (highY - lowY);
  const bottom = top + plotHeight;
  const stride = Math.max(1, Math.ceil(places.length / 10));
  const content = [
    heading(model.title),
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
      const value = lowY + share * (highY - lowY);
      return [
        tag('line', { x1: left, y1: y(value), x2: left + plotWidth, y2: y(value), stroke: theme.line }),
        text(left - 6, y(value) + 4, String(Number(value.toPrecision(3))), {
          'text-anchor': 'end',
          fill: theme.muted,
        }),
      ];
    }),
    ...places.flatMap((place, i) =>
      i % stride === 0
        ? [
            text(x(place), bottom + 14, String(model.positions[i]), {
              'text-anchor': 'middle',
              fill: theme.muted,
            }),
          ]
        : [],
    ),
    text(left + plotWidth / 2, bottom + 30, model.xTitle, { 'text-anchor': 'middle', fill: theme.muted }),
    ...model.series.flatMap(({ label, values: own }, k) => {
      const points = places.flatMap((place, i) => {
        const value = own[i] ?? Number.NaN;
        return Number.isNaN(value) ? [] : [`${round(x(place))},${round(y(value))}`];
      });
      const stroke = seriesColour(theme, k);
      const dash = (DASHES[Math.floor(k / theme.series.length) % DASHES.length] ?? []).join(' ');
      const legend = bottom + 44 + k * LINE;
      const style = {
        fill: 'none',
        stroke,
        'stroke-width': 1.5,
        ...(dash === '' ? {} : { 'stroke-dasharray': dash }),
      };
      return [
        tag('polyline', { points: points.join(' '), ...style }),
        ...(model.series.length > 1
          ? [
              tag('line', { x1: left, y1: legend, x2: left + 24, y2: legend, ...style }),
              text(left + 30, legend + 4, label),
            ]
          : []),
      ];
    }),
  ];
  const legendHeight = model.series.length > 1 ? model.series.length * LINE : 0;
  return finish(
    model.title,
    left + plotWidth + 2 * MARGIN,
    bottom + 40 + legendHeight,
    model.notes,
    theme,
    content,
  );
}

function heading(title: string): string {
  return text(MARGIN, MARGIN + 12, title, { 'font-size': 14, 'font-weight': 'bold' });
}

function finish(
  title: string,
  width: number,
  bottom: number,
  notes: readonly string[],
  theme: Theme,
  content: readonly string[],
): string {
  const written = notes.map((note, i) => text(MARGIN, bottom + (i + 1) * LINE, note, { fill: theme.muted }));
  return drawing(
    Math.max(width, titleWidth(title) + 2 * MARGIN, ...notes.map((note) => textWidth(note) + 2 * MARGIN)),
    bottom + notes.length * LINE + MARGIN,
    { background: theme.background, foreground: theme.foreground, font: theme.font, title },
    [...content, ...written],
  );
}
