import { existsSync } from 'node:fs';
import path from 'node:path';
import { listCrossFitTasks, readCrossFitFile } from '../src/formats/crossfit.js';
import { encodeWithEos, openTokenizer } from '../src/formats/tokenizer.js';
import type { Batch } from '../src/study/compute/contract.js';
import { padBatch, type LabelledRow } from '../src/study/compute/padding.js';

/** A small generator, so that every run measures the same batches. */
export function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomRow(row: number, source: number, target: number, vocabulary: number): LabelledRow {
  const draw = generator(row + 1);
  const ids = (length: number): Int32Array => Int32Array.from({ length }, () => 3 + draw(vocabulary - 3));
  return { row, input: ids(source), label: ids(target) };
}

export function fixedBatch(batch: number, source: number, target: number, vocabulary: number): Batch {
  return padBatch(Array.from({ length: batch }, (_, row) => randomRow(row, source, target, vocabulary)));
}

/** Tokens of lines of the shared tasks, in an order drawn by a fixed seed; a sentence where they are absent. */
export async function realRows(shared: string, count: number): Promise<LabelledRow[] | string> {
  const [tasks, tokenizerFolder] = [path.join(shared, 'tasks'), path.join(shared, 'models', 't5-tokenizer')];
  if (!existsSync(tasks) || !existsSync(tokenizerFolder)) {
    return `No real length distribution: ${shared} has no tasks or no t5-tokenizer.`;
  }
  const tokenizer = await openTokenizer(tokenizerFolder);
  const files = (await listCrossFitTasks(tasks)).flatMap(({ samplings }) =>
    samplings.flatMap(({ files: { dev } }) => (dev === undefined ? [] : [dev])),
  );
  const rows: LabelledRow[] = [];
  for (const file of files) {
    const { examples } = await readCrossFitFile(file);
    for (const { input, answers } of examples.slice(0, 16)) {
      rows.push({
        row: rows.length,
        input: encodeWithEos(tokenizer, input, 512),
        label: encodeWithEos(tokenizer, answers[0] ?? '', 64),
      });
    }
  }
  const draw = generator(7);
  for (let index = rows.length - 1; index > 0; index--) {
    const other = draw(index + 1);
    const [a, b] = [rows[index], rows[other]];
    if (a !== undefined && b !== undefined) [rows[index], rows[other]] = [b, a];
  }
  return rows.slice(0, count);
}

export function cutIntoBatches(rows: readonly LabelledRow[], size: number): Batch[] {
  const batches: Batch[] = [];
  for (let start = 0; start < rows.length; start += size) {
    batches.push(padBatch(rows.slice(start, start + size)));
  }
  return batches;
}

/** Rows of like length together: what training does where the order is free. */
export function byLength(rows: readonly LabelledRow[]): LabelledRow[] {
  return [...rows].sort((a, b) => a.input.length - b.input.length || a.label.length - b.label.length);
}

/** A batch as the PyTorch peer reads it. */
export function peerBatch({ size, sourceLength, targetLength, inputIds, inputMask, labels }: Batch): object {
  const rowsOf = (data: Int32Array | Float32Array, width: number): number[][] =>
    Array.from({ length: size }, (_, row) => [...data.subarray(row * width, (row + 1) * width)]);
  return {
    ids: rowsOf(inputIds, sourceLength),
    mask: rowsOf(inputMask, sourceLength),
    labels: rowsOf(labels, targetLength),
  };
}
