import { BarController, BarElement, CategoryScale, Chart, LinearScale, type Plugin } from 'chart.js';
import { formatNumber } from '../models/table.js';
import { PAGE_STRINGS } from '../strings.js';
import type { Theme } from '../theme.js';
import { Picture, walk } from './picture.js';

Chart.register(BarController, BarElement, CategoryScale, LinearScale);

export interface BarModel {
  readonly title: string;
  readonly bars: readonly {
    readonly label: string;
    /** 0 to 1, shown in percent. */
    readonly value: number;
    readonly deviation: number | null;
    /** In the version compared with: a mark across the bar. */
    readonly earlier?: number;
    /** What is read out beside name and value. */
    readonly detail: string;
    readonly best: boolean;
  }[];
  readonly unit: string;
  readonly notes: readonly string[];
}

const BAR = 20;
const AXIS = 28;
export const LABEL_FONT = 11;

/** `<bar-picture>`: lying bars, names on the left. Redraws in place, so that a moving slider stays smooth. */
export class BarPicture extends Picture<BarModel> {
  private chart: Chart<'bar', number[], string> | undefined;
  private drawn: { labels: string; theme: string; width: number } | undefined;
  private current: BarModel | undefined;
  private bar = -1;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.chart?.destroy();
    this.chart = undefined;
    this.drawn = undefined;
  }

  protected describe(model: BarModel) {
    return {
      name: PAGE_STRINGS.pictures.bars(model.title, model.bars.length),
      hint: PAGE_STRINGS.pictures.barsHint,
      keys: PAGE_STRINGS.pictures.barsKeys,
    };
  }

  protected draw(model: BarModel, theme: Theme, width: number): void {
    this.current = model;
    this.bar = Math.min(this.bar, model.bars.length - 1);
    const drawn = {
      labels: model.bars.map(({ label }) => label).join('\n'),
      theme: JSON.stringify(theme),
      width,
    };
    const values = model.bars.map(({ value }) => value);
    const colours = model.bars.map(({ best }, i) =>
      i === this.bar ? theme.focus : best ? bestColour(theme) : theme.accent,
    );
    if (
      this.chart !== undefined &&
      drawn.labels === this.drawn?.labels &&
      drawn.theme === this.drawn.theme &&
      drawn.width === this.drawn.width
    ) {
      const [dataset] = this.chart.data.datasets;
      if (dataset === undefined) return;
      dataset.data = values;
      dataset.backgroundColor = colours;
      const { x } = this.chart.options.scales ?? {};
      if (x !== undefined) x.max = axisEnd(model);
      this.chart.update('none');
      return;
    }
    this.drawn = drawn;
    this.chart?.destroy();
    const height = model.bars.length * BAR + AXIS;
    this.canvas.width = width;
    this.canvas.height = height;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const font = { family: theme.font, size: LABEL_FONT };
    this.chart = new Chart<'bar', number[], string>(this.canvas, {
      type: 'bar',
      data: {
        labels: model.bars.map(({ label }) => label),
        datasets: [{ data: values, backgroundColor: colours, barThickness: BAR - 6, borderWidth: 0 }],
      },
      options: {
        indexAxis: 'y',
        responsive: false,
        animation: false,
        events: [],
        // Room for the numbers at the ends of the bars.
        layout: { padding: { right: 92 } },
        plugins: { legend: { display: false }, tooltip: { enabled: false } },
        scales: {
          x: {
            min: 0,
            max: axisEnd(model),
            grid: { color: theme.line },
            border: { display: false },
            ticks: {
              color: theme.muted,
              font,
              maxRotation: 0,
              callback: (value) => `${formatNumber(Number(value), { digits: 0, scale: 100 })}${model.unit}`,
            },
          },
          y: {
            grid: { display: false },
            border: { color: theme.line },
            ticks: {
              color: theme.foreground,
              font,
              autoSkip: false,
              callback: (_, index) => cut(this.current?.bars[index]?.label ?? '', width < 500 ? 18 : 32),
            },
          },
        },
      },
      plugins: [this.numbers(theme)],
    });
  }

  protected key(model: BarModel, key: string): string | null {
    const bar = walk(this.bar, model.bars.length, key, { back: 'ArrowUp', on: 'ArrowDown' });
    if (bar === null) return null;
    return this.stand(model, bar);
  }

  protected point(model: BarModel, _x: number, y: number): string | null {
    const bar = Math.floor(y / BAR);
    return bar < 0 || bar >= model.bars.length ? null : this.stand(model, bar);
  }

  private stand(model: BarModel, bar: number): string {
    if (bar !== this.bar) {
      this.bar = bar;
      this.schedule();
    }
    const { label, detail } = model.bars[bar] ?? { label: '', detail: '' };
    return `${label}: ${barText(model, bar)}${detail === '' ? '' : ` · ${detail}`}`;
  }

  /** Numbers at the ends of the bars and whiskers for deviations; read from the current model, not the first. */
  private numbers(theme: Theme): Plugin<'bar'> {
    return {
      id: 'numbers',
      afterDatasetsDraw: (chart) => {
        const model = this.current;
        if (model === undefined) return;
        const { ctx } = chart;
        const scale = chart.scales['x'];
        ctx.save();
        ctx.font = `${LABEL_FONT}px ${theme.font}`;
        ctx.textBaseline = 'middle';
        ctx.fillStyle = theme.foreground;
        ctx.strokeStyle = theme.foreground;
        chart.getDatasetMeta(0).data.forEach((element, i) => {
          const { value, deviation, earlier } = model.bars[i] ?? { value: 0, deviation: null };
          let end = element.x;
          if (earlier !== undefined && scale !== undefined) {
            const x = scale.getPixelForValue(earlier);
            // On a seam of the ground's colour, to be seen on the bar as well as beside it.
            ctx.fillStyle = theme.background;
            ctx.fillRect(x - 2, element.y - BAR / 2 + 1, 4, BAR - 2);
            ctx.fillStyle = theme.foreground;
            ctx.fillRect(x - 1, element.y - BAR / 2 + 1, 2, BAR - 2);
            end = Math.max(end, x);
          }
          if (deviation !== null && deviation > 0 && scale !== undefined) {
            const from = scale.getPixelForValue(value - deviation);
            const to = scale.getPixelForValue(value + deviation);
            ctx.beginPath();
            ctx.moveTo(from, element.y);
            ctx.lineTo(to, element.y);
            ctx.moveTo(from, element.y - 3);
            ctx.lineTo(from, element.y + 3);
            ctx.moveTo(to, element.y - 3);
            ctx.lineTo(to, element.y + 3);
            ctx.stroke();
            end = Math.max(end, to);
          }
          ctx.fillText(barText(model, i), end + 6, element.y);
        });
        ctx.restore();
      },
    };
  }
}

export function barText(model: BarModel, bar: number): string {
  const { value, deviation } = model.bars[bar] ?? { value: Number.NaN, deviation: null };
  const digits = { digits: 1, scale: 100 };
  const spread = deviation === null ? '' : ` ± ${formatNumber(deviation, digits)}`;
  return `${formatNumber(value, digits)}${spread}${model.unit}`;
}

/** Few ends, so that the axis does not shiver while the temperature moves. */
export function axisEnd(model: BarModel): number {
  const highest = Math.max(
    0,
    ...model.bars.map(({ value, deviation, earlier }) => Math.max(value + (deviation ?? 0), earlier ?? 0)),
  );
  return [0.02, 0.05, 0.1, 0.2, 0.5].find((end) => highest <= end) ?? 1;
}

export function bestColour(theme: Theme): string {
  return theme.series[1] ?? theme.accent;
}

function cut(label: string, longest: number): string {
  return label.length <= longest ? label : `${label.slice(0, longest - 1)}…`;
}
