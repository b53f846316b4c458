/** The few strokes of SVG that the pictures need. Text is escaped; numbers are rounded to a hundredth. */

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

export function tag(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  content = '',
): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeText(value)}"`)
    .join('');
  return content === '' ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

export function text(
  x: number,
  y: number,
  content: string,
  attributes: Readonly<Record<string, string | number>> = {},
): string {
  return tag('text', { x, y, ...attributes }, escapeText(content));
}

export function drawing(
  width: number,
  height: number,
  options: {
    readonly background: string;
    readonly foreground: string;
    readonly font: string;
    readonly title: string;
  },
  content: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}" role="img" font-family="${escapeText(options.font)}" font-size="11" fill="${options.foreground}">`,
    `<title>${escapeText(options.title)}</title>`,
    tag('rect', { width, height, fill: options.background }),
    ...content,
    '</svg>',
    '',
  ].join('\n');
}

/** A canvas can't be asked here: about the average of a sans-serif face at 11 pixels. */
export function textWidth(content: string): number {
  return content.length * 6.1;
}

/** Of a title in bold at 14 pixels. */
export function titleWidth(title: string): number {
  return textWidth(title) * 1.4;
}

function escapeText(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
