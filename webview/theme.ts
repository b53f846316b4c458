import type { Ground } from './colour.js';

/** What pictures need of the editor's theme. Canvases can't inherit it, so it is read anew when the theme changes. */
export interface Theme {
  readonly ground: Ground;
  readonly background: string;
  readonly foreground: string;
  readonly muted: string;
  readonly line: string;
  readonly focus: string;
  readonly accent: string;
  /** Lines of a chart: told apart by dashes and marks as well. */
  readonly series: readonly string[];
  readonly font: string;
}

export function readTheme(): Theme {
  const { classList } = document.body;
  const style = getComputedStyle(document.body);
  const read = (name: string, fallback: string) =>
    style.getPropertyValue(`--vscode-${name}`).trim() || fallback;
  const light = classList.contains('vscode-light') || classList.contains('vscode-high-contrast-light');
  const highContrast =
    classList.contains('vscode-high-contrast') || classList.contains('vscode-high-contrast-light');
  const foreground = read('editor-foreground', light ? '#222222' : '#dddddd');
  // The theme's own orange is a half-transparent highlight: too dull for a line or a bar.
  const orange = light ? '#b35900' : '#e8a33d';
  const charts = ['green', 'purple', 'red', 'yellow'].map((name) => read(`charts-${name}`, foreground));
  const accent = read('charts-blue', light ? '#1a5fb4' : '#3794ff');
  return {
    ground: light ? 'light' : 'dark',
    background: read('editor-background', light ? '#ffffff' : '#1e1e1e'),
    foreground,
    muted: highContrast ? foreground : read('descriptionForeground', foreground),
    // Of a chart's grid, which in these themes would be as loud as the bars before it.
    line: highContrast
      ? light
        ? '#949494'
        : '#6b6b6b'
      : read('panel-border', light ? '#cccccc' : '#555555'),
    focus: read('focusBorder', '#0078d4'),
    accent,
    series: [accent, orange, ...charts],
    font: read('font-family', 'sans-serif'),
  };
}

/** Calls back after the theme changed; VS Code swaps the body's classes and the root's variables. */
export function watchTheme(changed: () => void): void {
  let scheduled = false;
  const observer = new MutationObserver(() => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      changed();
    });
  });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ['class', 'style', 'data-vscode-theme-id'],
  });
}
