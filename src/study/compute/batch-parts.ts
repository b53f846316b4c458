import type { Batch } from './contract.js';

/** Rows of a batch that go through the model together, padded no wider than they need. */
export interface BatchPart {
  readonly batch: Batch;
  /** Which rows of the whole batch these are, 0-based. */
  readonly places: readonly number[];
}

/** Whether so many rows, padded to these lengths, may go through the model together. */
export type Fits = (rows: number, sourceLength: number, targetLength: number) => boolean;

/**
 * Cuts a batch into parts that fit; a row that does not fit alone is a part of its own. A batch that fits stays as it is. Rows
 * of like length share a part, so that less is padded.
 */
export function cutBatch(batch: Batch, fits: Fits): BatchPart[] {
  const all = batch.rows.map((_, place) => place);
  if (fits(batch.size, batch.sourceLength, batch.targetLength)) return [{ batch, places: all }];
  const lengths = all.map((place) => ({
    place,
    source: usedLength(batch.inputMask, place, batch.sourceLength, (value) => value !== 0),
    target: usedLength(batch.labels, place, batch.targetLength, (label) => label >= 0),
  }));
  lengths.sort((a, b) => b.source - a.source || b.target - a.target || a.place - b.place);
  const parts: { places: number[]; source: number; target: number }[] = [];
  for (const { place, source, target } of lengths) {
    const part = parts.at(-1);
    // The first row of a part is its widest.
    if (part !== undefined && fits(part.places.length + 1, part.source, Math.max(part.target, target))) {
      part.places.push(place);
      part.target = Math.max(part.target, target);
    } else {
      parts.push({ places: [place], source, target });
    }
  }
  return parts.map(({ places, source, target }) => ({
    batch: rowsOf(batch, places, source, target),
    places,
  }));
}

/** Columns up to the last that counts, at least one. */
function usedLength(
  data: Float32Array | Int32Array,
  row: number,
  width: number,
  counts: (value: number) => boolean,
): number {
  let length = width;
  while (length > 1 && !counts(data[row * width + length - 1] ?? 0)) length--;
  return length;
}

function rowsOf(batch: Batch, places: readonly number[], sourceLength: number, targetLength: number): Batch {
  return {
    rows: places.map((place) => batch.rows[place] ?? -1),
    size: places.length,
    sourceLength,
    targetLength,
    inputIds: cutRows(batch.inputIds, places, batch.sourceLength, sourceLength),
    inputMask: cutRows(batch.inputMask, places, batch.sourceLength, sourceLength),
    labels: cutRows(batch.labels, places, batch.targetLength, targetLength),
  };
}

/** The first `width` columns of some rows of a matrix [rows, from]. */
export function cutRows<Data extends Float32Array | Int32Array>(
  data: Data,
  places: readonly number[],
  from: number,
  width: number,
): Data {
  const cut = data.slice(0, places.length * width) as Data;
  places.forEach((place, index) => {
    cut.set(data.subarray(place * from, place * from + width), index * width);
  });
  return cut;
}
