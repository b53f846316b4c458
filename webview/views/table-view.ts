import { html, nothing, type TemplateResult } from 'lit';
import { classMap } from 'lit/directives/class-map.js';
import { cellText, isMeasured, type Column, type TableModel } from '../models/table.js';
import { PAGE_STRINGS } from '../strings.js';

export interface TableOptions {
  /** Clicks on a column's head sort by it. */
  readonly sort?: {
    readonly columns: readonly (string | null)[];
    readonly current: { readonly column: string; readonly descending: boolean } | null;
    readonly changed: (column: string) => void;
  };
  /** Clicks and Enter on a cell. */
  readonly choose?: (row: number, column: number) => void;
  readonly chosen?: { readonly row: number; readonly column: number } | null;
  /** So many of the last rows are a summary. */
  readonly footers?: number;
}

/** A table that scrolls within itself, its heads standing still. */
export function tableView(table: TableModel, options: TableOptions = {}): TemplateResult {
  const footer = table.rows.length - (options.footers ?? 0);
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label=${table.caption}>
    <table>
      <caption>
        ${table.caption}
      </caption>
      <thead>
        <tr>
          ${table.columns.map((column, j) => head(column, j, options))}
        </tr>
      </thead>
      <tbody>
        ${table.rows.map(
          (row, i) =>
            html`<tr class=${i === footer ? 'summary' : ''}>
              ${row.map((cell, j) => {
                const text = cellText(table, i, j);
                if (j === 0) return html`<th scope="row">${text}</th>`;
                const numeric = table.columns[j]?.numeric === true;
                const best = isMeasured(cell) && cell.best;
                const aside = table.aside?.(i, j) === true;
                const chosen = options.chosen?.row === i && options.chosen.column === j;
                const shown = best ? html`<strong>${text}</strong>` : text;
                return html`<td class=${classMap({ numeric, chosen, aside })}>
                  ${
                    options.choose !== undefined && numeric && cell !== null && i < footer
                      ? html`<button
                          type="button"
                          aria-pressed=${chosen}
                          @click=${() => options.choose?.(i, j)}
                        >
                          ${shown}
                        </button>`
                      : shown
                  }
                </td>`;
              })}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function head(column: Column, index: number, { sort }: TableOptions): TemplateResult {
  const key = sort?.columns[index] ?? null;
  if (sort === undefined || key === null) {
    return html`<th scope="col" class=${column.numeric ? 'numeric' : ''}><span>${column.title}</span></th>`;
  }
  const active = sort.current?.column === key;
  const direction = sort.current?.descending === true ? 'descending' : 'ascending';
  return html`<th
    scope="col"
    class=${column.numeric ? 'numeric' : ''}
    aria-sort=${active ? direction : 'none'}
  >
    <button type="button" title=${PAGE_STRINGS.table.sortBy(column.title)} @click=${() => sort.changed(key)}>
      ${column.title}${active ? html` <span aria-hidden="true">${direction === 'descending' ? '▼' : '▲'}</span>` : nothing}
    </button>
  </th>`;
}
