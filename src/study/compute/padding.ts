import type { Batch } from './contract.js';

export interface LabelledRow {
  /** Row of the split, 0-based. */
  readonly row: number;
  readonly input: Int32Array;
  readonly label: Int32Array;
}

/** Pads rows into a batch, as wide as its longest input and label and no wider. At least one row. */
export function padBatch(rows: readonly LabelledRow[]): Batch {
  const sourceLength = Math.max(...rows.map(({ input }) => input.length));
  const targetLength = Math.max(...rows.map(({ label }) => label.length));
  const inputIds = new Int32Array(rows.length * sourceLength);
  const inputMask = new Float32Array(rows.length * sourceLength);
  const labels = new Int32Array(rows.length * targetLength).fill(-100);
  rows.forEach(({ input, label }, i) => {
    inputIds.set(input, i * sourceLength);
    inputMask.fill(1, i * sourceLength, i * sourceLength + input.length);
    labels.set(label, i * targetLength);
  });
  return {
    rows: rows.map(({ row }) => row),
    size: rows.length,
    sourceLength,
    targetLength,
    inputIds,
    inputMask,
    labels,
  };
}
