import { Chart, LinearScale, LineController, LineElement, PointElement, CategoryScale } from 'chart.js';
import { formatNumber } from '../models/table.js';
import { PAGE_STRINGS } from '../strings.js';
import type { Theme } from '../theme.js';
import { LABEL_FONT } from './bar-picture.js';
import { Picture, walk } from './picture.js';

Chart.register(LineController, LineElement, PointElement, LinearScale, CategoryScale);

export interface LineModel {
  readonly title: string;
  /** Numbers are placed by their size, names side by side. */
  readonly positions: readonly (number | string)[];
  readonly xTitle: string;
  readonly yTitle: string;
  readonly series: readonly {
    readonly label: string;
    /** One per position; NaN: no point, the line goes on. */
    readonly values: readonly number[];
    readonly running: boolean;
  }[];
  /** Marks one position. */
  readonly marked: number | null;
  readonly notes: readonly string[];
}

const HEIGHT = 300;
const LOW_HEIGHT = 180;
/** Told apart without colour as well. */
export const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [9, 3, 2, 3]];
export const MARKS = ['circle', 'triangle', 'rect', 'rectRot'] as const;

/** `<line-picture>`: a learning curve or a profile over blocks; fires `choose` with { index }. */
export class LinePicture extends Picture<LineModel> {
  private chart: Chart<'line', { x: number | string; y: number }[]> | undefined;
  private at = 0;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.chart?.destroy();
    this.chart = undefined;
  }

  protected describe(model: LineModel) {
    return {
      name: PAGE_STRINGS.pictures.lines(model.title, model.series.length),
      hint: PAGE_STRINGS.pictures.linesHint,
      keys: PAGE_STRINGS.pictures.linesKeys,
    };
  }

  protected draw(model: LineModel, theme: Theme, width: number): void {
    this.at = model.marked ?? Math.min(this.at, Math.max(0, model.positions.length - 1));
    this.chart?.destroy();
    const height = model.series.length > 1 || typeof model.positions[0] === 'number' ? HEIGHT : LOW_HEIGHT;
    this.canvas.width = width;
    this.canvas.height = height;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const font = { family: theme.font, size: LABEL_FONT };
    const numeric = model.positions.every((position) => typeof position === 'number');
    const few = model.positions.length <= 60;
    const axis = (title: string) => ({
      grid: { color: theme.line },
      border: { color: theme.line },
      ticks: { color: theme.muted, font },
      title: { display: true, text: title, color: theme.muted, font },
    });
    this.chart = new Chart<'line', { x: number | string; y: number }[]>(this.canvas, {
      type: 'line',
      data: {
        ...(numeric ? {} : { labels: model.positions as string[] }),
        datasets: model.series.map(({ label, values, running }, k) => {
          const colour = seriesColour(theme, k);
          return {
            label,
            data: model.positions.flatMap((x, i) => {
              const y = values[i] ?? Number.NaN;
              return Number.isNaN(y) ? [] : [{ x, y }];
            }),
            borderColor: colour,
            backgroundColor: colour,
            borderWidth: running ? 2.5 : 1.5,
            borderDash: [...(DASHES[Math.floor(k / theme.series.length) % DASHES.length] ?? [])],
            pointStyle: MARKS[k % MARKS.length] ?? 'circle',
            pointRadius: few ? 2.5 : 0,
          };
        }),
      },
      options: {
        responsive: false,
        animation: false,
        events: [],
        plugins: { tooltip: { enabled: false }, legend: { display: false } },
        scales: {
          x: { type: numeric ? 'linear' : 'category', ...axis(model.xTitle) },
          y: axis(model.yTitle),
        },
      },
      plugins: [
        {
          id: 'cursor',
          afterDatasetsDraw: ({ ctx, chartArea: { top, bottom }, scales }) => {
            const x = scales['x']?.getPixelForValue(this.place(model));
            if (
              x === undefined ||
              (model.marked === null && document.activeElement !== this.canvas.closest('.picture-area'))
            )
              return;
            ctx.save();
            ctx.strokeStyle = theme.focus;
            ctx.beginPath();
            ctx.moveTo(x, top);
            ctx.lineTo(x, bottom);
            ctx.stroke();
            ctx.restore();
          },
        },
      ],
    });
  }

  protected key(model: LineModel, key: string): string | null {
    const at = walk(this.at, model.positions.length, key, { back: 'ArrowLeft', on: 'ArrowRight' });
    return at === null ? null : this.stand(model, at);
  }

  protected point(model: LineModel, x: number): string | null {
    const value = this.chart?.scales['x']?.getValueForPixel(x);
    if (value === undefined || model.positions.length === 0) return null;
    const distances = model.positions.map((position, i) =>
      Math.abs((typeof position === 'number' ? position : i) - value),
    );
    return this.stand(model, distances.indexOf(Math.min(...distances)));
  }

  protected override choose(): void {
    this.dispatchEvent(new CustomEvent('choose', { detail: { index: this.at } }));
  }

  private stand(model: LineModel, at: number): string {
    this.at = at;
    this.chart?.draw();
    const values = model.series.map(({ label, values: all }) => {
      const value = formatNumber(all[at], { digits: 4 });
      return model.series.length === 1 ? value : `${label} ${value}`;
    });
    return `${model.xTitle} ${model.positions[at] ?? ''}: ${values.join(' · ')}`;
  }

  private place(model: LineModel): number {
    const position = model.positions[this.at];
    return typeof position === 'number' ? position : this.at;
  }
}

export function seriesColour(theme: Theme, index: number): string {
  return theme.series[index % theme.series.length] ?? theme.foreground;
}
