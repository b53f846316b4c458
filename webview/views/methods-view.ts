import { html, nothing, type TemplateResult } from 'lit';
import { guard } from 'lit/directives/guard.js';
import { SCORE_METHODS } from '../../src/core/methods.js';
import type { StudyView } from '../../src/extension/panels/messages.js';
import { failureNotice, loading } from '../controls.js';
import type { ScoreSheet } from '../models/heatmap.js';
import { once } from '../models/once.js';
import { tableKey, tablesOf } from '../models/results.js';
import {
  compareMethods,
  correlationTable,
  methodsTable,
  type MethodComparison,
} from '../models/method-comparison.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';
import { exportBar } from './export-bar.js';
import { tableView } from './table-view.js';

const comparison = once(compareMethods);
const resultTables = once(tablesOf);
/** The same list object for the same sheets. */
const listOf = once((...loaded: ScoreSheet[]) => loaded);

/** The methods side by side for one target: weights, agreement, and whose merge did best. */
export function methodsSideBySide(
  store: Store,
  study: StudyView,
  deltaName: string,
  target: string,
): TemplateResult {
  const { shownVersion } = store.arrangement;
  const ids = SCORE_METHODS.flatMap((method) =>
    study.matrices.filter(
      (matrix) =>
        matrix.deltaName === deltaName && matrix.method === method && matrix.granularity === 'model',
    ),
  ).map(({ id }) => id);
  if (ids.length < 2) return html``;
  const loaded = ids.flatMap((id) => store.sheet(shownVersion, id) ?? []);
  if (loaded.length < ids.length) {
    const failure = ids.flatMap((id) => store.failureOf(`matrix ${shownVersion} ${id}`) ?? [])[0];
    return failure === undefined ? loading(PAGE_STRINGS.methods.reading) : failureNotice(failure);
  }
  const results = resultTables(study, 'test').find((table) => table.deltaName === deltaName) ?? null;
  const compared = comparison(listOf(...loaded), target, results);
  const name = `${study.name}-${deltaName}-${target}`;
  // Nothing here depends on the temperature slider: its frames must not pay for these tables.
  return html`${guard([compared], () =>
    section(store, name, compared, target, results === null ? null : tableKey(results)),
  )}`;
}

function section(
  store: Store,
  name: string,
  compared: MethodComparison,
  target: string,
  results: string | null,
): TemplateResult {
  const weights = methodsTable(compared, target, results);
  const agreement = correlationTable(compared, target);
  const { winners } = compared;
  return html`<section>
    <h2>${PAGE_STRINGS.methods.heading(target)}</h2>
    ${
      winners.length === 0
        ? html`<p class="muted">${PAGE_STRINGS.methods.noWinner}</p>`
        : html`<p><strong>${winners.join(', ')}</strong> ${PAGE_STRINGS.methods.won(winners.length)}</p>`
    }
    ${tableView(weights, { footers: results === null ? 2 : 3 })}
    ${exportBar(store, `${name}-methods`, () => weights, null)}
    ${compared.columns.length < 2 ? nothing : tableView(agreement)}
    ${exportBar(store, `${name}-agreement`, () => agreement, null)}
  </section>`;
}
