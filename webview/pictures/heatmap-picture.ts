import { CategoryScale, Chart, type Plugin } from 'chart.js';
import { MatrixController, MatrixElement } from 'chartjs-chart-matrix';
import { css, inkOn, type Rgb } from '../colour.js';
import { describeCell, type HeatmapModel } from '../models/heatmap.js';
import { PAGE_STRINGS } from '../strings.js';
import type { Theme } from '../theme.js';
import {
  boundaryStrokes,
  cellColours,
  heatmapLayout,
  labelStride,
  LONGEST_LABEL,
  numberText,
  type HeatmapLayout,
} from './heatmap-layout.js';
import { Picture } from './picture.js';

Chart.register(MatrixController, MatrixElement, CategoryScale);

/** From here on cells are painted as one bitmap: an object per cell would take a second for 256 x 256. */
const MOST_ELEMENTS = 2500;

export interface HeatmapPictureModel {
  readonly heatmap: HeatmapModel;
  readonly chosen: { readonly target: string; readonly source: string } | null;
  readonly notes: readonly string[];
}

/** `<heatmap-picture>`: fires `choose` with { target, source } as detail. */
export class HeatmapPicture extends Picture<HeatmapPictureModel> {
  private chart: HeatmapChart | undefined;
  private layout: HeatmapLayout | undefined;
  private row = 0;
  private column = 0;
  private readonly cursor = marker('cursor');
  private readonly chosen = marker('chosen');

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.chart?.destroy();
    this.chart = undefined;
  }

  protected describe({ heatmap }: HeatmapPictureModel) {
    return {
      name: PAGE_STRINGS.pictures.heatmap(heatmap.title, heatmap.rows.length, heatmap.columns.length),
      hint: PAGE_STRINGS.pictures.heatmapHint,
      keys: PAGE_STRINGS.pictures.heatmapKeys,
    };
  }

  protected draw(model: HeatmapPictureModel, theme: Theme, width: number): void {
    const { heatmap } = model;
    const context = this.canvas.getContext('2d');
    if (context === null) return;
    if (this.cursor.parentElement === null) this.stage.append(this.chosen, this.cursor);
    context.font = `${LABEL_SIZE}px ${theme.font}`;
    const layout = heatmapLayout(heatmap, width, (text) => context.measureText(text).width);
    this.layout = layout;
    this.row = Math.min(this.row, heatmap.rows.length - 1);
    this.column = Math.min(this.column, heatmap.columns.length - 1);
    this.chart?.destroy();
    this.chart = drawHeatmap(this.canvas, model, layout, theme);
    this.stage.style.width = `${layout.width}px`;
    this.stage.style.height = `${layout.height}px`;
    this.cursor.hidden = true;
    const at = model.chosen;
    const [row, column] = [heatmap.rows.indexOf(at?.target ?? ''), heatmap.columns.indexOf(at?.source ?? '')];
    this.chosen.hidden = row < 0 || column < 0;
    if (!this.chosen.hidden) {
      this.place(this.chosen, row, column);
      this.say(describeCell(heatmap, row, column));
    }
  }

  protected key({ heatmap }: HeatmapPictureModel, key: string): string | null {
    const [lastRow, lastColumn] = [heatmap.rows.length - 1, heatmap.columns.length - 1];
    const steps: Readonly<Record<string, [number, number]>> = {
      focus: [0, 0],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      PageUp: [-10, 0],
      PageDown: [10, 0],
      Home: [0, -lastColumn],
      End: [0, lastColumn],
    };
    const step = steps[key];
    if (step === undefined) return null;
    this.row = Math.min(lastRow, Math.max(0, this.row + step[0]));
    this.column = Math.min(lastColumn, Math.max(0, this.column + step[1]));
    return this.stand(heatmap);
  }

  protected point({ heatmap }: HeatmapPictureModel, x: number, y: number): string | null {
    const { layout } = this;
    if (layout === undefined) return null;
    const row = Math.floor((y - layout.headerHeight) / layout.cellHeight);
    const column = Math.floor((x - layout.labelWidth) / layout.cellWidth);
    if (row < 0 || column < 0 || row >= heatmap.rows.length || column >= heatmap.columns.length) {
      this.cursor.hidden = true;
      return null;
    }
    [this.row, this.column] = [row, column];
    return this.stand(heatmap);
  }

  protected override choose({ heatmap }: HeatmapPictureModel): void {
    const [target, source] = [heatmap.rows[this.row], heatmap.columns[this.column]];
    this.dispatchEvent(new CustomEvent('choose', { detail: { target, source } }));
  }

  private stand(heatmap: HeatmapModel): string {
    this.place(this.cursor, this.row, this.column);
    this.cursor.hidden = false;
    if (document.activeElement === this.stage.parentElement)
      this.cursor.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    return describeCell(heatmap, this.row, this.column);
  }

  private place(mark: HTMLElement, row: number, column: number): void {
    if (this.layout === undefined) return;
    const { labelWidth, headerHeight, cellWidth, cellHeight } = this.layout;
    mark.style.transform = `translate(${labelWidth + column * cellWidth}px, ${headerHeight + row * cellHeight}px)`;
    mark.style.width = `${cellWidth}px`;
    mark.style.height = `${cellHeight}px`;
  }
}

const LABEL_SIZE = 11;

type HeatmapChart = Chart<'matrix', { x: string; y: string }[]>;

function drawHeatmap(
  canvas: HTMLCanvasElement,
  model: HeatmapPictureModel,
  layout: HeatmapLayout,
  theme: Theme,
): HeatmapChart {
  const { heatmap } = model;
  const { rows, columns } = heatmap;
  const colours = cellColours(heatmap.shown, rows, columns, heatmap.scale, theme.ground);
  const dense = rows.length * columns.length > MOST_ELEMENTS;
  const gap = layout.cellWidth >= 12 ? 1 : 0;
  // Labels are drawn with the cells: at the middle of each, or of every n-th when they would overlap.
  const bare = {
    type: 'category',
    offset: true,
    grid: { display: false },
    border: { display: false },
    ticks: { display: false },
  } as const;
  // The canvas is exactly as large as its cells need, so that every cell has the same whole number of pixels.
  canvas.width = layout.width;
  canvas.height = layout.height;
  canvas.style.width = `${layout.width}px`;
  canvas.style.height = `${layout.height}px`;
  return new Chart<'matrix', { x: string; y: string }[]>(canvas, {
    type: 'matrix',
    data: {
      datasets: [
        {
          data: dense ? [] : rows.flatMap((target) => columns.map((source) => ({ x: source, y: target }))),
          backgroundColor: ({ dataIndex }) => {
            const colour = colours[dataIndex];
            return colour === null || colour === undefined ? 'transparent' : css(colour);
          },
          width: layout.cellWidth - gap,
          height: layout.cellHeight - gap,
        },
      ],
    },
    options: {
      responsive: false,
      layout: { padding: { right: 2, bottom: 2 } },
      animation: false,
      events: [],
      plugins: { legend: { display: false }, tooltip: { enabled: false } },
      scales: {
        x: {
          ...bare,
          labels: [...columns],
          position: 'top',
          afterFit: (scale) => {
            scale.height = layout.headerHeight;
          },
        },
        y: {
          ...bare,
          labels: [...rows],
          // A category scale runs downwards by itself; the matrix's default would turn it over.
          reverse: false,
          afterFit: (scale) => {
            scale.width = layout.labelWidth;
          },
        },
      },
    },
    plugins: [
      ...(dense ? [bitmap(colours, rows.length, columns.length)] : []),
      overlay(model, layout, theme, colours),
    ],
  });
}

function bitmap(colours: readonly (Rgb | null)[], rows: number, columns: number): Plugin<'matrix'> {
  const picture = paintBitmap(colours, rows, columns);
  return {
    id: 'bitmap',
    beforeDatasetsDraw: ({ ctx, chartArea: { left, top, width, height } }) => {
      ctx.save();
      ctx.imageSmoothingEnabled = false;
      ctx.drawImage(picture, left, top, width, height);
      ctx.restore();
    },
  };
}

/** One pixel per cell, clear where there is nothing to show. */
export function paintBitmap(
  colours: readonly (Rgb | null)[],
  rows: number,
  columns: number,
): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  const { data } = image;
  colours.forEach((colour, cell) => {
    if (colour === null) return;
    const [red, green, blue] = colour;
    // One by one: an array for each of 65,000 cells is felt.
    data[4 * cell] = red;
    data[4 * cell + 1] = green;
    data[4 * cell + 2] = blue;
    data[4 * cell + 3] = 255;
  });
  canvas.getContext('2d')?.putImageData(image, 0, 0);
  return canvas;
}

/** What stands on top of the colours: numbers, the struck-out diagonal, points for what is missing, group boundaries. */
function overlay(
  { heatmap }: HeatmapPictureModel,
  layout: HeatmapLayout,
  theme: Theme,
  colours: readonly (Rgb | null)[],
): Plugin<'matrix'> {
  const { rows, columns } = heatmap;
  const { cellWidth, cellHeight } = layout;
  return {
    id: 'overlay',
    afterDatasetsDraw: ({ ctx, chartArea: { left, top, right, bottom } }) => {
      ctx.save();
      ctx.textAlign = 'center';
      ctx.textBaseline = 'middle';
      ctx.font = `${LABEL_SIZE}px ${theme.font}`;
      ctx.strokeStyle = theme.muted;
      ctx.lineWidth = 1;
      rows.forEach((target, r) => {
        columns.forEach((source, c) => {
          const place = r * columns.length + c;
          const [x, y] = [left + c * cellWidth, top + r * cellHeight];
          const ground = colours[place] ?? null;
          if (target === source) {
            ctx.beginPath();
            ctx.moveTo(x + 1, y + cellHeight - 1);
            ctx.lineTo(x + cellWidth - 1, y + 1);
            ctx.stroke();
          } else if (ground === null) {
            ctx.fillStyle = theme.muted;
            ctx.fillRect(x + cellWidth / 2 - 0.5, y + cellHeight / 2 - 0.5, 1.5, 1.5);
          } else if (layout.numbers) {
            ctx.fillStyle = inkOn(ground);
            ctx.fillText(
              numberText(heatmap.shown[place] ?? Number.NaN, heatmap.scale.of),
              x + cellWidth / 2,
              y + cellHeight / 2,
            );
          }
        });
      });
      drawLabels(ctx, rows, columns, layout, theme);
      ctx.beginPath();
      for (const r of heatmap.rowBoundaries) {
        ctx.moveTo(left, top + r * cellHeight - 0.5);
        ctx.lineTo(right, top + r * cellHeight - 0.5);
      }
      for (const c of heatmap.columnBoundaries) {
        ctx.moveTo(left + c * cellWidth - 0.5, top);
        ctx.lineTo(left + c * cellWidth - 0.5, bottom);
      }
      for (const { stroke, width } of boundaryStrokes(theme, cellWidth)) {
        ctx.strokeStyle = stroke;
        ctx.lineWidth = width;
        ctx.stroke();
      }
      ctx.restore();
    },
  };
}

function drawLabels(
  ctx: CanvasRenderingContext2D,
  rows: readonly string[],
  columns: readonly string[],
  layout: HeatmapLayout,
  theme: Theme,
): void {
  const { cellWidth, cellHeight, labelWidth, headerHeight } = layout;
  ctx.fillStyle = theme.foreground;
  ctx.textAlign = 'right';
  rows.forEach((name, r) => {
    if (r % labelStride(cellHeight) !== 0) return;
    ctx.fillText(shorten(ctx, name), labelWidth - 6, headerHeight + (r + 0.5) * cellHeight);
  });
  ctx.textAlign = layout.standing ? 'left' : 'center';
  columns.forEach((name, c) => {
    if (c % labelStride(cellWidth) !== 0) return;
    ctx.save();
    ctx.translate(labelWidth + (c + 0.5) * cellWidth, headerHeight - (layout.standing ? 6 : 11));
    if (layout.standing) ctx.rotate(-Math.PI / 2);
    ctx.fillText(shorten(ctx, name), 0, 0);
    ctx.restore();
  });
}

function shorten(context: CanvasRenderingContext2D, text: string): string {
  if (context.measureText(text).width <= LONGEST_LABEL) return text;
  let kept = text.length;
  while (kept > 1 && context.measureText(`${text.slice(0, kept)}…`).width > LONGEST_LABEL) kept--;
  return `${text.slice(0, kept)}…`;
}

function marker(name: string): HTMLElement {
  const mark = document.createElement('div');
  mark.className = `mark ${name}`;
  mark.hidden = true;
  return mark;
}
