import { PAGE_STRINGS } from '../strings.js';

/** A table as people see it, the alternative to every picture, and what leaves the panel as text. Pure. */

export interface Measured {
  readonly mean: number;
  /** Over seeds; null for a single one. */
  readonly deviation: number | null;
  readonly best: boolean;
}
export type TableCell = string | number | null | Measured;

export interface Column {
  readonly title: string;
  readonly numeric: boolean;
  /** Its numbers carry their sign, those of other columns don't. */
  readonly signed?: boolean;
}

export interface TableModel {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly TableCell[])[];
  /** Digits after the point on screen, in Markdown and in LaTeX; CSV and JSON keep every digit. */
  readonly digits: number;
  /** Multiplies numbers on screen, in Markdown and in LaTeX: 100 for percent. */
  readonly scale?: number;
  /** Gains and differences carry their sign. */
  readonly signed?: boolean;
  /** Cells that stand back on screen. */
  readonly aside?: (row: number, column: number) => boolean;
  /** Lines under the table: what it was made from. */
  readonly notes?: readonly string[];
}

export const TABLE_FORMATS = ['csv', 'json', 'markdown', 'latex'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

export function isMeasured(cell: TableCell | undefined): cell is Measured {
  return typeof cell === 'object' && cell !== null;
}

/** A number for people; an en dash where there is none. */
export function formatNumber(
  value: number | null | undefined,
  { digits, scale = 1, signed = false }: { digits: number; scale?: number; signed?: boolean },
): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  const text = (value * scale).toFixed(digits);
  return signed && value > 0 ? `+${text}` : text;
}

/** A cell's text on screen. */
export function cellText(table: TableModel, row: number, column: number): string {
  const cell = table.rows[row]?.[column];
  if (typeof cell === 'string') return cell;
  if (isMeasured(cell)) {
    const deviation =
      cell.deviation === null
        ? ''
        : ` ± ${formatNumber(cell.deviation, { digits: table.digits, scale: table.scale ?? 1 })}`;
    return `${formatNumber(cell.mean, table)}${deviation}`;
  }
  const signed = table.columns[column]?.signed ?? table.signed ?? false;
  return formatNumber(cell, { ...table, signed });
}

export function writeTable(table: TableModel, format: TableFormat): string {
  switch (format) {
    case 'csv':
      return writeCsv(table);
    case 'json':
      return writeJson(table);
    case 'markdown':
      return writeMarkdown(table);
    case 'latex':
      return writeLatex(table);
  }
}

/** Deviations get a column of their own. */
function spread(table: TableModel): { titles: string[]; rows: (string | number | null)[][] } {
  const deviating = table.columns.map((_, j) =>
    table.rows.some((row) => {
      const cell = row[j];
      return isMeasured(cell) && cell.deviation !== null;
    }),
  );
  const titles = table.columns.flatMap(({ title }, j) =>
    deviating[j] === true ? [title, PAGE_STRINGS.table.deviation(title)] : [title],
  );
  const rows = table.rows.map((row) =>
    row.flatMap((cell, j) => {
      const value = isMeasured(cell) ? cell.mean : cell;
      const known = typeof value === 'number' && Number.isNaN(value) ? null : value;
      return deviating[j] === true ? [known, isMeasured(cell) ? cell.deviation : null] : [known];
    }),
  );
  return { titles, rows };
}

function writeCsv(table: TableModel): string {
  const { titles, rows } = spread(table);
  const quote = (value: string | number | null) => {
    const text = value === null ? '' : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[titles, ...rows].map((row) => row.map(quote).join(',')).join('\r\n')}\r\n`;
}

function writeJson(table: TableModel): string {
  const { titles, rows } = spread(table);
  const objects = rows.map((row) =>
    Object.fromEntries(titles.map((title, j) => [title, row[j] ?? null] as const)),
  );
  return `${JSON.stringify({ caption: table.caption, rows: objects, notes: table.notes ?? [] }, null, 2)}\n`;
}

function writeMarkdown(table: TableModel): string {
  const escape = (text: string) => text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rows = table.rows.map((row, i) =>
    line(
      table.columns.map((_, j) => {
        const text = escape(cellText(table, i, j));
        const cell = row[j];
        return isMeasured(cell) && cell.best ? `**${text}**` : text;
      }),
    ),
  );
  return [
    line(table.columns.map(({ title }) => escape(title))),
    line(table.columns.map(({ numeric }) => (numeric ? '---:' : '---'))),
    ...rows,
    '',
    escape(table.caption),
    ...(table.notes ?? []).map(escape),
    '',
  ].join('\n');
}

function writeLatex(table: TableModel): string {
  const special: Readonly<Record<string, string>> = {
    '\\': String.raw`\textbackslash{}`,
    '~': String.raw`\textasciitilde{}`,
    '^': String.raw`\textasciicircum{}`,
    '±': String.raw`$\pm$`,
    '–': '--',
    '−': '$-$',
    '←': String.raw`$\leftarrow$`,
    '★': String.raw`$\star$`,
  };
  const escape = (text: string) =>
    text.replace(/[\\~^±–−←★]|[&%$#_{}]/g, (character) => special[character] ?? `\\${character}`);
  const rows = table.rows.map((row, i) => {
    const cells = table.columns.map((_, j) => {
      const cell = row[j];
      const text = escape(cellText(table, i, j));
      return isMeasured(cell) && cell.best ? String.raw`\textbf{${text}}` : text;
    });
    return String.raw`${cells.join(' & ')} \\`;
  });
  return [
    ...(table.notes ?? []).map((note) => `% ${note.replaceAll('\n', ' ')}`),
    String.raw`\begin{table}`,
    String.raw`\centering`,
    String.raw`\caption{${escape(table.caption)}}`,
    String.raw`\begin{tabular}{${table.columns.map(({ numeric }) => (numeric ? 'r' : 'l')).join('')}}`,
    String.raw`\hline`,
    String.raw`${table.columns.map(({ title }) => escape(title)).join(' & ')} \\`,
    String.raw`\hline`,
    ...rows,
    String.raw`\hline`,
    String.raw`\end{tabular}`,
    String.raw`\end{table}`,
    '',
  ].join('\n');
}
