/** Markup that was escaped already. */
export interface Html {
  readonly markup: string;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

type Part = Html | string | number | null | readonly Part[];

/** Markup with everything put into it escaped, except what is markup itself. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return {
    markup: strings.reduce(
      (all, text, i) => all + text + (i < parts.length ? render(parts[i] ?? null) : ''),
      '',
    ),
  };
}

function render(part: Part): string {
  if (part === null) return '';
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return String(part);
  return 'markup' in part ? part.markup : part.map(render).join('');
}
