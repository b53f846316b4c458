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
 * Cuts a batch into parts that fit, as few as it takes and of about as many rows each: few rows multiply slowly. A row that does
 * not fit alone is a part of its own, a batch that fits stays as it is. Rows of like length share a part, so that less is padded.
 */
export function cutBatch(batch: Batch, fits: Fits): BatchPart[] {
  const all = batch.rows.map((_, place) => place);
  if (fits(batch.size, batch.sourceLength, batch.targetLength)) return [{ batch, places: all }];
  const rows = all.map((place) => ({
    place,
    source: usedLength(batch.inputMask, place, batch.sourceLength, (value) => value !== 0),
    target: usedLength(batch.labels, place, batch.targetLength, (label) => label >= 0),
  }));
  rows.sort((a, b) => b.source - a.source || b.target - a.target || a.place - b.place);
  return evenRuns(rows, fits).map((run) => {
    const places = run.map(({ place }) => place);
    const { source, target } = widest(run);
    return { batch: rowsOf(batch, places, source, target), places };
  });
}

interface RowLengths {
  readonly place: number;
  readonly source: number;
  readonly target: number;
}

/** Of the ways to cut rows into the fewest runs that fit, the one whose longest run is shortest. */
function evenRuns(rows: readonly RowLengths[], fits: Fits): RowLengths[][] {
  const fewest = runs(rows, fits, rows.length);
  for (let most = Math.ceil(rows.length / fewest.length); most < rows.length; most++) {
    const even = runs(rows, fits, most);
    if (even.length === fewest.length) return even;
  }
  return fewest;
}

/** Cuts rows into runs that fit and have at most so many rows. */
function runs(rows: readonly RowLengths[], fits: Fits, most: number): RowLengths[][] {
  const cut: RowLengths[][] = [];
  for (const row of rows) {
    const last = cut.at(-1);
    if (last !== undefined && last.length < most && fit([...last, row], fits)) last.push(row);
    else cut.push([row]);
  }
  return cut;
}

function fit(run: readonly RowLengths[], fits: Fits): boolean {
  const { source, target } = widest(run);
  return fits(run.length, source, target);
}

function widest(run: readonly RowLengths[]): { source: number; target: number } {
  return {
    source: Math.max(...run.map(({ source }) => source)),
    target: Math.max(...run.map(({ target }) => target)),
  };
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
