import { createHash } from 'node:crypto';

/**
 * JSON with sorted keys and without spaces: equal values give equal text, whatever order their properties were written in.
 * Properties that are undefined are left out, as in JSON.stringify.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** SHA-256 of the canonical JSON of all inputs of a piece of work, in hex: the `key` of records and cells. */
export function contentKey(inputs: unknown): string {
  return createHash('sha256').update(canonicalJson(inputs)).digest('hex');
}
