import { readTheme, watchTheme, type Theme } from '../theme.js';

/**
 * A canvas with what canvases lack: a place in the tab order, keys that walk over what is drawn, and a line of text that says
 * what is under the pointer or the cursor, spoken by screen readers. Subclasses draw and know their marks.
 */
export abstract class Picture<Model> extends HTMLElement {
  protected readonly canvas = document.createElement('canvas');
  protected readonly stage = document.createElement('div');
  private readonly area = document.createElement('div');
  private readonly readout = document.createElement('p');
  private shown: Model | null = null;
  private scheduled = false;
  private spoken = false;
  private resized: ResizeObserver | undefined;
  private width = 0;

  /** What a screen reader calls it, and how to walk over it. */
  protected abstract describe(model: Model): {
    readonly name: string;
    readonly keys: string;
    /** Stands in the read-out until something is pointed at. */
    readonly hint: string;
  };
  /** Draws the whole picture, for the first time or after model, size or theme changed. */
  protected abstract draw(model: Model, theme: Theme, width: number): void;
  /** Takes a key; returns what to read out, or null when the key means nothing here. */
  protected abstract key(model: Model, key: string): string | null;
  /** What lies under the pointer, in CSS pixels of the canvas; null for nothing. */
  protected abstract point(model: Model, x: number, y: number): string | null;
  protected choose(_model: Model): void {
    // Most pictures have nothing to choose.
  }

  get model(): Model | null {
    return this.shown;
  }

  set model(model: Model | null) {
    if (model === this.shown) return;
    this.shown = model;
    this.schedule();
  }

  connectedCallback(): void {
    if (this.area.parentElement === null) this.build();
    this.resized = new ResizeObserver(() => {
      const width = this.area.clientWidth;
      if (width !== this.width) this.schedule();
    });
    this.resized.observe(this.area);
    pictures.add(this);
    this.schedule();
  }

  disconnectedCallback(): void {
    this.resized?.disconnect();
    pictures.delete(this);
  }

  /** Draws in the next frame, however often it is asked for before. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      const model = this.shown;
      if (!this.isConnected || model === null) return;
      this.width = this.area.clientWidth;
      if (this.width === 0) return;
      const { name, keys, hint } = this.describe(model);
      if (!this.spoken) this.readout.textContent = hint;
      this.area.setAttribute('aria-label', `${name}. ${keys}`);
      this.draw(model, readTheme(), this.width);
      if (performance.getEntriesByName('first-picture').length === 0) performance.mark('first-picture');
    });
  }

  protected say(text: string | null): void {
    if (text === null) return;
    this.spoken = true;
    this.readout.classList.remove('muted');
    if (this.readout.textContent !== text) this.readout.textContent = text;
  }

  private build(): void {
    this.area.className = 'picture-area';
    this.area.tabIndex = 0;
    this.area.setAttribute('role', 'application');
    this.stage.className = 'picture-stage';
    this.canvas.setAttribute('aria-hidden', 'true');
    this.readout.className = 'readout muted';
    this.readout.setAttribute('role', 'status');
    this.readout.setAttribute('aria-live', 'polite');
    this.stage.append(this.canvas);
    this.area.append(this.stage);
    this.append(this.readout, this.area);
    this.area.addEventListener('keydown', (event) => {
      if (this.shown === null || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'Enter' || event.key === ' ') this.choose(this.shown);
      else {
        const text = this.key(this.shown, event.key);
        if (text === null) return;
        this.say(text);
      }
      event.preventDefault();
    });
    this.area.addEventListener('focus', () => {
      if (this.shown === null || !this.area.matches(':focus-visible')) return;
      this.say(this.key(this.shown, 'focus'));
    });
    const locate = (event: MouseEvent) => {
      if (this.shown === null) return null;
      const box = this.canvas.getBoundingClientRect();
      return this.point(this.shown, event.clientX - box.left, event.clientY - box.top);
    };
    this.stage.addEventListener('pointermove', (event) => {
      const text = locate(event);
      if (text !== null) this.say(text);
    });
    this.stage.addEventListener('click', (event) => {
      const text = locate(event);
      if (text === null || this.shown === null) return;
      this.say(text);
      this.choose(this.shown);
    });
  }
}

const pictures = new Set<Picture<unknown>>();
watchTheme(() => {
  for (const picture of pictures) picture.schedule();
});

/** Moves an index by an arrow, Home or End; null for other keys. `focus` stays. */
export function walk(
  index: number,
  count: number,
  key: string,
  keys: { readonly back: string; readonly on: string },
): number | null {
  const last = count - 1;
  switch (key) {
    case 'focus':
      return Math.min(Math.max(index, 0), last);
    case keys.back:
      return Math.max(0, index - 1);
    case keys.on:
      return Math.min(last, index + 1);
    case 'Home':
      return 0;
    case 'End':
      return last;
    default:
      return null;
  }
}
