/** A name as one word of a command line, for remedies that people copy: quoted where it has spaces or worse. */
export function shellWord(name: string): string {
  return /^[\w.,:/@%+-]+$/.test(name) ? name : `"${name.replace(/["\\$`]/g, '\\$&')}"`;
}
