import type { ScoreSheet } from '../models/heatmap.js';
import { extent, partValues, shortPart } from '../models/heatmap.js';
import { readTheme, watchTheme } from '../theme.js';
import { cellColours } from './heatmap-layout.js';
import { paintBitmap } from './heatmap-picture.js';

/** `<small-multiples>`: every block or layer as a button with its matrix in small; fires `choose` with { part }. */
export class SmallMultiples extends HTMLElement {
  private sheetShown: ScoreSheet | null = null;
  private order: { rows: readonly string[]; columns: readonly string[] } = { rows: [], columns: [] };
  private pressed = 0;
  private drawn = '';

  constructor() {
    super();
    this.addEventListener('click', (event) => {
      const button = (event.target as Element).closest('button');
      const index = button?.dataset['part'];
      if (index !== undefined)
        this.dispatchEvent(new CustomEvent('choose', { detail: { part: Number(index) } }));
    });
  }

  connectedCallback(): void {
    this.setAttribute('role', 'group');
    shown.add(this);
    this.show();
  }

  disconnectedCallback(): void {
    shown.delete(this);
  }

  set model(model: {
    readonly sheet: ScoreSheet;
    readonly part: number;
    readonly rows: readonly string[];
    readonly columns: readonly string[];
  }) {
    const same =
      this.sheetShown === model.sheet &&
      this.order.rows.join() === model.rows.join() &&
      this.order.columns.join() === model.columns.join();
    this.sheetShown = model.sheet;
    this.order = { rows: model.rows, columns: model.columns };
    this.pressed = model.part;
    if (!same) this.drawn = '';
    this.show();
  }

  /** Draws anew only what the sheet, its order or the theme changed; a choice only moves the mark. */
  show(): void {
    const sheet = this.sheetShown;
    if (sheet === null || !this.isConnected) return;
    const theme = readTheme();
    const state = `${sheet.summary.id} ${theme.ground}`;
    if (state !== this.drawn) {
      this.drawn = state;
      this.setAttribute('aria-label', `All ${sheet.summary.parts.length} parts`);
      this.replaceChildren(...sheet.summary.parts.map((name, part) => this.button(sheet, name, part)));
    }
    this.querySelectorAll('button').forEach((button, index) =>
      button.setAttribute('aria-pressed', String(index === this.pressed)),
    );
  }

  private button(sheet: ScoreSheet, name: string, part: number): HTMLButtonElement {
    const { summary } = sheet;
    const { rows, columns } = this.order;
    const plain = partValues(sheet, part);
    const row = new Map(summary.targets.map((task, i) => [task, i]));
    const column = new Map(summary.sources.map((task, j) => [task, j]));
    const values = Float64Array.from(
      rows.flatMap((target) =>
        columns.map(
          (source) =>
            plain[(row.get(target) ?? 0) * summary.sources.length + (column.get(source) ?? 0)] ?? Number.NaN,
        ),
      ),
    );
    const { low, high } = extent(values, rows, columns);
    const colours = cellColours(
      values,
      rows,
      columns,
      {
        low,
        high: high > low ? high : low + 1,
        kind: 'sequential',
        strong: summary.direction === 'lower' ? 'low' : 'high',
        lowLabel: '',
        highLabel: '',
      },
      readTheme().ground,
    );
    const button = document.createElement('button');
    button.type = 'button';
    button.title = name;
    button.dataset['part'] = String(part);
    const picture = paintBitmap(colours, rows.length, columns.length);
    picture.setAttribute('aria-hidden', 'true');
    button.append(picture, shortPart(name));
    return button;
  }
}

const shown = new Set<SmallMultiples>();
watchTheme(() => {
  for (const multiples of shown) multiples.show();
});
