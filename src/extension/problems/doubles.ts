/** A diagnostic as far as it matters here: whole lines, 0-based. */
export interface Placed {
  readonly range: { readonly start: { readonly line: number }; readonly end: { readonly line: number } };
}

/** What the editor's JSON support finds by the schema as well, while the file is open. */
const SCHEMA_CODES: ReadonlySet<unknown> = new Set([
  'study-not-json',
  'study-property-unknown',
  'study-property-missing',
  'study-property-invalid',
]);

/**
 * Our findings without those that others report already: what breaks the schema is said once per line, as it is typed by the
 * editor's JSON support while the file is open, and by us when it is not.
 *
 * @param others diagnostics of the same file from other sources
 */
export function withoutDoubles<T extends Placed & { readonly code?: unknown }>(
  ours: readonly T[],
  others: readonly Placed[],
): T[] {
  return ours.filter(
    ({ code, range }) =>
      !SCHEMA_CODES.has(code) ||
      !others.some(
        (other) => other.range.start.line <= range.end.line && other.range.end.line >= range.start.line,
      ),
  );
}
