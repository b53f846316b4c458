import { DeltaloomError } from './errors.js';

/**
 * The reference's `result.tsv` files: per target a line with its name, then one `source,value` line per source (the
 * target's own included). GraNd's file lacks the target lines and repeats every source instead: `source`, then
 * `source,value`, so that its targets follow from the order of the study's tasks only.
 */

export interface ReferenceMatrix {
  readonly targets: readonly string[];
  readonly sources: readonly string[];
  /** values[target][source][field]; a score has one field, a tuning two: best dev, then test. */
  readonly values: readonly (readonly (readonly number[])[])[];
}

/**
 * @param options.targets needed for GraNd's layout: the targets in the order in which they were scored (default: the sources)
 * @throws DeltaloomError `reference-results-*` with file and line
 */
export function parseReferenceResults(
  text: string,
  options: { file?: string; targets?: readonly string[] } = {},
): ReferenceMatrix {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((content, index) => ({ content: content.trim(), line: index + 1 }))
    .filter(({ content }) => content !== '');
  const fail = (code: string, message: string, line?: number): never => {
    const place = {
      ...(options.file === undefined ? {} : { file: options.file }),
      ...(line === undefined ? {} : { line }),
    };
    throw new DeltaloomError(`reference-results-${code}`, message, {
      place,
      remedy: "Give a result.tsv as the reference's get_similarity or tune_all_ckpt scripts write it.",
    });
  };
  if (lines.length === 0) fail('empty', 'The file is empty.');

  const rows: { target: string | null; entries: { source: string; values: number[] }[] }[] = [];
  let header: { content: string; line: number } | null = null;
  const repeats = layoutOfGraNd(lines.map(({ content }) => content));
  for (const { content, line } of lines) {
    if (!content.includes(',')) {
      if (header !== null) fail('two-names', `'${header.content}' has no value.`, header.line);
      header = { content, line };
      if (!repeats) {
        rows.push({ target: content, entries: [] });
        header = null;
      }
      continue;
    }
    const [source = '', ...fields] = splitEntry(content);
    const values = fields.map(parsePythonNumber);
    if (values.length === 0 || values.some((value) => value === null)) {
      fail('not-a-number', `'${content}' is no 'source,value'.`, line);
    }
    if (repeats && (rows.length === 0 || rows.at(-1)?.entries[0]?.source === source)) {
      rows.push({ target: null, entries: [] });
    }
    header = null;
    const row = rows.at(-1);
    if (row === undefined) fail('no-target', 'A value comes before the first target.', line);
    row?.entries.push({ source, values: values.map((value) => value ?? Number.NaN) });
  }

  const sources = rows[0]?.entries.map(({ source }) => source) ?? [];
  const targets = repeats
    ? (options.targets ?? sources).slice(0, rows.length)
    : rows.map(({ target }) => target ?? '');
  if (targets.length !== rows.length) {
    fail('targets', `The file has ${rows.length} targets, but ${targets.length} are known.`);
  }
  for (const [index, { entries }] of rows.entries()) {
    if (entries.map(({ source }) => source).join('\n') !== sources.join('\n')) {
      fail('ragged', `The target '${targets[index]}' does not have the same sources as the first.`);
    }
  }
  return { targets, sources, values: rows.map(({ entries }) => entries.map(({ values }) => values)) };
}

/** `zero_result_dev.tsv`: one number per line, the sources of the first target, then of the second, ... */
export function parseZeroShotResults(
  text: string,
  sources: number,
  options: { file?: string } = {},
): number[][] {
  const place = options.file === undefined ? {} : { file: options.file };
  const values = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .flatMap((content, index) => {
      if (content.trim() === '') return [];
      const value = parsePythonNumber(content.trim());
      if (value === null) {
        throw new DeltaloomError('zero-results-not-a-number', `'${content.trim()}' is no number.`, {
          place: { ...place, line: index + 1 },
          remedy: 'Give a zero_result_dev.tsv with one number per line.',
        });
      }
      return [value];
    });
  if (values.length === 0 || values.length % sources !== 0) {
    throw new DeltaloomError(
      'zero-results-length',
      `The file has ${values.length} values, which is no multiple of the ${sources} sources.`,
      { place, remedy: 'Give a zero_result_dev.tsv of the same tasks.' },
    );
  }
  return Array.from({ length: values.length / sources }, (_, row) =>
    values.slice(row * sources, (row + 1) * sources),
  );
}

/** Writes the reference's layout, for comparison with its own files. */
export function formatReferenceResults(matrix: ReferenceMatrix, layout: 'scores' | 'grand-dev'): string {
  const lines = matrix.targets.flatMap((target, i) => [
    ...(layout === 'scores' ? [target] : []),
    ...matrix.sources.flatMap((source, j) => [
      ...(layout === 'grand-dev' ? [source] : []),
      [source, ...(matrix.values[i]?.[j] ?? []).map(formatPythonNumber)].join(','),
    ]),
  ]);
  return `${lines.join('\n')}\n`;
}

/** GraNd's layout: every value line is preceded by a line with the same source. */
function layoutOfGraNd(lines: readonly string[]): boolean {
  return (
    lines.length >= 4 &&
    lines.length % 2 === 0 &&
    lines.every((line, i) => (i % 2 === 0 ? (lines[i + 1] ?? '').startsWith(`${line},`) : line.includes(',')))
  );
}

/** A task's name has no comma; its values may be `tensor(0.5)`-free Python floats. */
function splitEntry(content: string): string[] {
  return content.split(',').map((field) => field.trim());
}

function parsePythonNumber(text: string): number | null {
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  const infinite = /^([+-]?)inf(inity)?$/i.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : null;
}

/** Python's repr of a float: shortest digits that read back, with `.0` for whole numbers and exponents below 1e-4. */
function formatPythonNumber(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const magnitude = Math.abs(value);
  if (value !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  return Number.isInteger(value) ? `${value.toFixed(0)}.0` : String(value);
}
