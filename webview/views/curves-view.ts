import { html, nothing, type TemplateResult } from 'lit';
import type { CurveView, RunView, StudyView } from '../../src/extension/panels/messages.js';
import { checkbox, switcher, textfield, button } from '../controls.js';
import { curvesModel, curvesTable } from '../models/curves.js';
import { once } from '../models/once.js';
import { initialisationTitle } from '../models/results.js';
import type { LineModel } from '../pictures/line-picture.js';
import type { Picture } from '../pictures/picture.js';
import type { Store } from '../store.js';
import { exportBar } from './export-bar.js';
import { loading } from './scores.js';
import { provenanceNotes, provenanceLine } from './provenance-view.js';
import { tableView } from './table-view.js';
import { versionBar } from './version-bar.js';

/** Lines that can still be told apart. */
const MOST_LINES = 24;
const MOST_LISTED = 200;

const model = once(curvesModel);
const lines = once((curves: ReturnType<typeof curvesModel>, notes: string): LineModel => ({
  title: curves.title,
  positions: curves.steps,
  xTitle: 'Step',
  yTitle: curves.title.split(' by ')[0] ?? '',
  series: curves.series,
  marked: null,
  notes: notes === '' ? [] : [notes],
}));

export function curvesView(store: Store, study: StudyView): TemplateResult {
  const { arrangement } = store;
  const tuned = study.runs.filter(({ kind }) => kind === 'tune');
  const chosen = arrangement.runs
    .filter((key) => tuned.some((run) => keyOf(run) === key))
    .slice(0, MOST_LINES);
  const loaded = store.curves(arrangement.shownVersion, chosen);
  const needle = arrangement.filter.trim().toLowerCase();
  const listed = tuned.filter((run) => describeRun(run).toLowerCase().includes(needle));
  const toggle = (key: string, shown: boolean) =>
    store.arrange({ runs: shown ? [...chosen, key] : chosen.filter((other) => other !== key) });
  return html`
    ${versionBar(store, ['.deltaloom/runs'])}
    <div class="row">
      ${switcher(
        'Curve',
        [
          { value: 'train', label: 'Training loss' },
          { value: 'dev', label: 'Dev metric' },
        ],
        arrangement.curve,
        (curve) => store.arrange({ curve }),
      )}
      ${switcher(
        'Show as',
        [
          { value: 'picture', label: 'Picture' },
          { value: 'table', label: 'Table' },
        ],
        arrangement.display,
        (display) => store.arrange({ display }),
      )}
      ${textfield('Filter runs', arrangement.filter, (filter) => store.arrange({ filter }), 'task, method or seed')}
    </div>
    ${loaded === undefined ? loading('Reading curves…') : picture(store, study, loaded)}
    <section>
      <h3>
        Runs
        ${chosen.length > 0 ? html`<small>${chosen.length} of at most ${MOST_LINES} shown</small>` : nothing}
      </h3>
      ${
        tuned.length === 0
          ? html`<p class="muted">Nothing has been tuned yet. A running tuning appears here by itself.</p>`
          : nothing
      }
      <div class="actions">
        ${button(
          `Show ${Math.min(listed.length, MOST_LINES)} Listed`,
          () => store.arrange({ runs: listed.slice(0, MOST_LINES).map(keyOf) }),
          { disabled: listed.length === 0 },
        )}
        ${button('Show None', () => store.arrange({ runs: [] }), { disabled: chosen.length === 0 })}
      </div>
      <div class="run-list" role="group" aria-label="Runs">
        ${listed
          .slice(0, MOST_LISTED)
          .map((run) =>
            checkbox(describeRun(run), chosen.includes(keyOf(run)), (shown) => toggle(keyOf(run), shown)),
          )}
        ${
          listed.length > MOST_LISTED
            ? html`<p class="muted">${listed.length - MOST_LISTED} more: filter to see them.</p>`
            : nothing
        }
      </div>
    </section>
  `;
}

function picture(store: Store, study: StudyView, curves: readonly CurveView[]): TemplateResult {
  if (curves.length === 0) return html`<p class="muted">Choose runs below to see their curves.</p>`;
  const { curve, display, shownVersion } = store.arrangement;
  const curvesShown = model(curves, curve);
  const of = study.runs.filter((run) => curves.some(({ id }) => id === keyOf(run)));
  const provenances = of.map(({ provenance }) => provenance);
  const shown = lines(curvesShown, provenanceNotes(provenances).join(' '));
  const running = curves.filter((one) => one.running).length;
  return html`<h2>
      ${curvesShown.title}${running > 0 ? html` <small>${running} still running</small>` : nothing}
    </h2>
    ${provenanceLine(store, provenances)}
    ${
      curvesShown.steps.length === 0
        ? html`<p class="muted" role="status">
            No point measured yet${shownVersion === null ? '' : ' in this version'}.
          </p>`
        : display === 'table'
          ? tableView(curvesTable(curvesShown))
          : html`<line-picture id="picture" .model=${shown}></line-picture>`
    }
    ${exportBar(
      store,
      `${study.name}-curves-${curve}`,
      () => curvesTable(curvesShown),
      () => document.querySelector<Picture<unknown> & HTMLElement>('#picture'),
    )}`;
}

function keyOf({ task, id }: RunView): string {
  return `${task}/${id}`;
}

function describeRun(run: RunView): string {
  const data = run.shots === 'full' ? 'full data' : `${run.shots} shots`;
  const what = run.role === 'source' ? 'source' : `from ${initialisationTitle(run.initialisation)}`;
  const state = run.status === 'done' ? '' : `, ${run.status}`;
  return `${run.task} ${what}, ${run.deltaName}, ${data}, seed ${run.seed}${state}`;
}
