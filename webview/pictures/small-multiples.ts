import { shortPart } from '../models/heatmap.js';
import { PAGE_STRINGS } from '../strings.js';
import { readTheme, watchTheme } from '../theme.js';
import { paintBitmap } from './heatmap-picture.js';
import { partColours, type MultiplesModel } from './part-colours.js';

/** `<small-multiples>`: every block or layer as a button with its matrix in small; fires `choose` with { part }. */
export class SmallMultiples extends HTMLElement {
  private shown: MultiplesModel | null = null;
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
    connected.add(this);
    this.show();
  }

  disconnectedCallback(): void {
    connected.delete(this);
  }

  set model(model: MultiplesModel) {
    const { shown } = this;
    const same =
      shown?.sheet === model.sheet &&
      shown.rows.join() === model.rows.join() &&
      shown.columns.join() === model.columns.join();
    this.shown = model;
    if (!same) this.drawn = '';
    this.show();
  }

  /** Draws anew only what the sheet, its order or the theme changed; a choice only moves the mark. */
  show(): void {
    const { shown } = this;
    if (shown === null || !this.isConnected) return;
    const { id, parts } = shown.sheet.summary;
    const { ground } = readTheme();
    const state = `${id} ${ground}`;
    if (state !== this.drawn) {
      this.drawn = state;
      this.setAttribute('aria-label', PAGE_STRINGS.pictures.parts(parts.length));
      this.replaceChildren(
        ...parts.map((name, part) => {
          const picture = paintBitmap(
            partColours(shown, part, ground),
            shown.rows.length,
            shown.columns.length,
          );
          return partButton(name, part, picture);
        }),
      );
    }
    this.querySelectorAll('button').forEach((button, index) =>
      button.setAttribute('aria-pressed', String(index === shown.part)),
    );
  }
}

function partButton(name: string, part: number, picture: HTMLCanvasElement): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.title = name;
  button.setAttribute('aria-label', name);
  button.dataset['part'] = String(part);
  picture.setAttribute('aria-hidden', 'true');
  button.append(picture, shortPart(name));
  return button;
}

const connected = new Set<SmallMultiples>();
watchTheme(() => {
  for (const multiples of connected) multiples.show();
});
