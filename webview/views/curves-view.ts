import { html, nothing, type TemplateResult } from 'lit';
import type { CurveView, RunView, StudyView } from '../../src/extension/panels/messages.js';
import { button, checkbox, choicesOf, failureNotice, loading, switcher, textfield } from '../controls.js';
import { curvesModel, curvesTable, type CurvesModel } from '../models/curves.js';
import { once } from '../models/once.js';
import { describeRun, inStudyOrder, runKey } from '../models/runs.js';
import { lineSvg } from '../pictures/chart-svg.js';
import type { LineModel } from '../pictures/line-picture.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';
import { readTheme } from '../theme.js';
import { displayControl } from './display-control.js';
import { exportBar } from './export-bar.js';
import { lineLegend } from './line-legend.js';
import { provenanceLine, provenanceNotes, recordedLine } from './provenance-view.js';
import { tableView } from './table-view.js';
import { versionBar } from './version-bar.js';

/** Lines that can still be told apart. */
const MOST_LINES = 24;
const MOST_LISTED = 200;

const model = once(curvesModel);
const lines = once((curves: CurvesModel, notes: string): LineModel => ({
  title: curves.title,
  positions: curves.steps,
  xTitle: PAGE_STRINGS.curves.step,
  yTitle: curves.measure,
  series: curves.series,
  marked: null,
  notes: notes === '' ? [] : notes.split('\n'),
}));

export function curvesView(store: Store, study: StudyView): TemplateResult {
  const { arrangement } = store;
  const tuned = study.runs.filter(({ kind }) => kind === 'tune');
  const chosen = arrangement.runs
    .filter((key) => tuned.some((run) => runKey(run) === key))
    .slice(-MOST_LINES);
  const loaded = store.curves(arrangement.shownVersion, chosen);
  const failure = store.failureOf(store.curvesKey(arrangement.shownVersion, chosen));
  return html`
    ${versionBar(store, ['.deltaloom/runs'], { comparing: false })}
    <div class="row">
      ${switcher(
        PAGE_STRINGS.curves.curve,
        choicesOf(PAGE_STRINGS.curves.measures),
        arrangement.curve,
        (curve) => store.arrange({ curve }),
      )}
      ${displayControl(store)}
    </div>
    ${
      loaded !== undefined
        ? picture(store, study, loaded)
        : failure === undefined
          ? loading(PAGE_STRINGS.curves.reading)
          : failureNotice(failure)
    }
    ${runList(store, tuned, study.tasks, chosen)}
  `;
}

function picture(store: Store, study: StudyView, curves: readonly CurveView[]): TemplateResult {
  if (curves.length === 0) {
    return study.runs.length === 0 ? html`` : html`<p class="muted">${PAGE_STRINGS.curves.choose}</p>`;
  }
  const { curve, display, shownVersion } = store.arrangement;
  const shown = model(curves, study.runs, curve);
  const provenances = study.runs
    .filter((run) => curves.some(({ id }) => id === runKey(run)))
    .map(({ provenance }) => provenance);
  const notes = provenanceNotes(store, provenances);
  const drawn = lines(shown, notes.join('\n'));
  const running = curves.filter((one) => one.running).length;
  const table = () => curvesTable(shown, notes);
  return html`<h2>
      ${shown.title}${running > 0 ? html` <small>${PAGE_STRINGS.curves.stillRunning(running)}</small>` : nothing}
    </h2>
    ${provenanceLine(store, provenances)} ${recordedLine(store)}
    ${
      shown.steps.length === 0
        ? html`<p class="muted" role="status">
            ${shownVersion === null ? PAGE_STRINGS.curves.noPoint : PAGE_STRINGS.curves.noPointInVersion}
          </p>`
        : display === 'table'
          ? tableView(table())
          : html`<line-picture .model=${drawn}></line-picture> ${lineLegend(drawn)}`
    }
    ${exportBar(store, `${study.name}-curves-${curve}`, table, () => lineSvg(drawn, readTheme()))}`;
}

function runList(
  store: Store,
  tuned: readonly RunView[],
  tasks: readonly string[],
  chosen: readonly string[],
): TemplateResult {
  const { filter } = store.arrangement;
  const needle = filter.trim().toLowerCase();
  const listed = tuned
    .filter((run) => describeRun(run).toLowerCase().includes(needle))
    .sort(inStudyOrder(tasks));
  const toggle = (key: string, shown: boolean) =>
    store.arrange({ runs: shown ? [...chosen, key] : chosen.filter((other) => other !== key) });
  return html`<section>
    <h3>
      ${PAGE_STRINGS.curves.runs}
      ${
        chosen.length > 0
          ? html`<small>${PAGE_STRINGS.curves.shown(chosen.length, MOST_LINES)}</small>`
          : nothing
      }
    </h3>
    ${
      tuned.length === 0
        ? html`<p class="muted">${PAGE_STRINGS.curves.nothingTuned}</p>`
        : html`<div class="row">
              ${textfield(
                PAGE_STRINGS.common.filter,
                filter,
                (text) => store.arrange({ filter: text }),
                PAGE_STRINGS.curves.filterExample,
              )}
              <div class="actions">
                ${button(
                  PAGE_STRINGS.curves.showListed(Math.min(listed.length, MOST_LINES)),
                  () => store.arrange({ runs: listed.slice(0, MOST_LINES).map(runKey) }),
                  { disabled: listed.length === 0 },
                )}
                ${button(PAGE_STRINGS.curves.showNone, () => store.arrange({ runs: [] }), {
                  disabled: chosen.length === 0,
                })}
              </div>
            </div>
            <div class="run-list" role="group" aria-label=${PAGE_STRINGS.curves.runs}>
              ${listed
                .slice(0, MOST_LISTED)
                .map((run) =>
                  checkbox(describeRun(run), chosen.includes(runKey(run)), (shown) =>
                    toggle(runKey(run), shown),
                  ),
                )}
              ${
                listed.length > MOST_LISTED
                  ? html`<p class="muted">${PAGE_STRINGS.curves.more(listed.length - MOST_LISTED)}</p>`
                  : nothing
              }
            </div>`
    }
  </section>`;
}
