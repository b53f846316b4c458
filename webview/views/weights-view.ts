import { html, nothing, type TemplateResult } from 'lit';
import { guard } from 'lit/directives/guard.js';
import { SCORE_METHODS, SCORE_METHOD_INFO } from '../../src/core/methods.js';
import type { JobStatus, StudyView } from '../../src/extension/panels/messages.js';
import { button, notice, select, switcher } from '../controls.js';
import type { ScoreSheet } from '../models/heatmap.js';
import { once } from '../models/once.js';
import { versionName } from '../models/provenance.js';
import { initialisationTitle, tableKey, tablesOf } from '../models/results.js';
import { formatNumber, type TableModel } from '../models/table.js';
import {
  compareMethods,
  isFailure,
  SLIDER_STEPS,
  sliderPosition,
  sliderTemperature,
  temperatureRange,
  weightsModel,
  weightsTable,
  type MethodComparison,
  type WeightsModel,
} from '../models/weights.js';
import type { BarModel } from '../pictures/bar-picture.js';
import type { Picture } from '../pictures/picture.js';
import type { Store } from '../store.js';
import { exportBar } from './export-bar.js';
import { provenanceLine, provenanceNotes } from './provenance-view.js';
import {
  chosenScores,
  isTemplate,
  noScores,
  scoreControls,
  scoresName,
  sheets,
  type ChosenScores,
} from './scores.js';
import { tableView } from './table-view.js';
import { versionBar } from './version-bar.js';

const weights = once(
  (
    sheet: ScoreSheet,
    target: string,
    part: number,
    temperature: number,
    order: 'study' | 'group' | 'clustering' | 'value',
    groups: StudyView['groups'],
  ) => weightsModel(sheet, target, { part, temperature, order, groups }),
);
const comparison = once(compareMethods);
const resultTables = once(tablesOf);

export function weightsView(store: Store, study: StudyView): TemplateResult {
  const chosen = chosenScores(store, study);
  if (chosen === null) return html`${versionBar(store, ['.deltaloom/scores'])}${noScores(store)}`;
  const { summary } = chosen;
  const { arrangement } = store;
  const target = summary.targets.includes(arrangement.target ?? '')
    ? (arrangement.target ?? '')
    : (summary.targets[0] ?? '');
  const loaded = sheets(store, chosen);
  return html`
    ${versionBar(store, [summary.file, 'deltaloom.json'])}
    <div class="row">
      ${select(
        'Target',
        summary.targets.map((name) => ({ value: name, label: name })),
        target,
        (name) => store.arrange({ target: name }),
        { combobox: summary.targets.length > 12 },
      )}
      ${scoreControls(store, chosen)}
      ${select(
        'Order',
        [
          { value: 'value', label: 'Most similar first' },
          { value: 'group', label: 'Groups' },
          { value: 'study', label: 'Study' },
        ],
        arrangement.order === 'clustering' ? 'value' : arrangement.order,
        (order) => store.arrange({ order }),
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
    </div>
    ${isTemplate(loaded) ? loaded : body(store, study, chosen, target, loaded.sheet, loaded.compared)}
    ${methods(store, study, summary.deltaName, target)}
  `;
}

function body(
  store: Store,
  study: StudyView,
  chosen: ChosenScores,
  target: string,
  sheet: ScoreSheet,
  compared: ScoreSheet | null,
): TemplateResult {
  const { summary, part, temperature } = chosen;
  const { arrangement } = store;
  const method = SCORE_METHOD_INFO[summary.method].title;
  const model = weights(sheet, target, part, temperature, arrangement.order, study.groups);
  const notes = provenanceNotes(summary.provenances);
  const heading = html`<h2>Weights for ${target} by ${method}</h2>
    ${provenanceLine(store, summary.provenances)}`;
  if (isFailure(model)) return html`${heading}${notice('error', `${model.message} ${model.remedy}`)}`;
  // The other version's own temperature, unless the slider was moved: then both are seen at the same.
  const before =
    compared === null
      ? null
      : weightsModel(compared, target, {
          part,
          temperature: arrangement.temperature ?? compared.summary.temperature,
          order: 'study',
          groups: {},
        });
  const earlier =
    before === null || isFailure(before)
      ? null
      : new Map(before.rows.map(({ source, weight }) => [source, weight]));
  const table = () =>
    withEarlier(weightsTable(model, method, notes), model, earlier, arrangement.comparedVersion);
  const bars: BarModel = {
    title: `Averaging weights of ${target} by ${method}, temperature ${model.temperature}`,
    unit: ' %',
    notes,
    bars: model.rows.map(({ source, value, weight }) => {
      const then = earlier?.get(source);
      return {
        label: source,
        value: weight,
        deviation: null,
        detail: [
          `score ${formatNumber(value, { digits: 4 })}`,
          ...(then === undefined
            ? []
            : [
                `${versionName(arrangement.comparedVersion ?? null)} ${formatNumber(then, { digits: 1, scale: 100 })} %, difference ${formatNumber(weight - then, { digits: 1, scale: 100, signed: true })}`,
              ]),
        ].join(' · '),
        best: weight === Math.max(...model.summary.weights),
      };
    }),
  };
  return html`${heading} ${temperatureControl(store, chosen, model)}
    ${model.summary.notice === null ? nothing : notice('warning', model.summary.notice.message)}
    ${
      arrangement.display === 'table'
        ? tableView(table())
        : html`<bar-picture id="picture" .model=${bars}></bar-picture>`
    }
    <div class="row">
      ${mergeControl(store, chosen, target, temperature)}
      ${exportBar(store, `${scoresName(study, summary)}-${target}`, table, () =>
        document.querySelector<Picture<unknown> & HTMLElement>('#picture'),
      )}
    </div>`;
}

function withEarlier(
  table: TableModel,
  model: WeightsModel,
  earlier: ReadonlyMap<string, number> | null,
  version: string | null | undefined,
): TableModel {
  if (earlier === null || version === undefined) return table;
  return {
    ...table,
    columns: [
      ...table.columns,
      { title: `Weight (${versionName(version)})`, numeric: true },
      { title: 'Difference', numeric: true },
    ],
    rows: table.rows.map((row, i) => {
      const { source, weight } = model.rows[i] ?? { source: '', weight: 0 };
      const then = earlier.get(source) ?? null;
      return [...row, then, then === null ? null : weight - then];
    }),
  };
}

function temperatureControl(
  store: Store,
  { summary, temperature }: ChosenScores,
  model: WeightsModel,
): TemplateResult {
  const range = temperatureRange(summary.temperature);
  const { entropy, effectiveSources, sources } = model.summary;
  return html`<div class="temperature">
    <label for="temperature">Temperature</label>
    <input
      id="temperature"
      type="range"
      min="0"
      max=${SLIDER_STEPS}
      step="1"
      .value=${String(sliderPosition(temperature, range))}
      aria-valuetext=${String(temperature)}
      @input=${(event: Event) =>
        store.arrange({
          temperature: sliderTemperature(Number((event.target as HTMLInputElement).value), range),
        })}
    />
    <output for="temperature">${temperature}</output>
    ${button(`Study's (${summary.temperature})`, () => store.arrange({ temperature: null }), {
      disabled: temperature === summary.temperature,
      title: 'Back to the temperature that the study uses',
    })}
    <dl class="figures">
      <div>
        <dt>Effective sources</dt>
        <dd>${formatNumber(effectiveSources, { digits: 2 })} of ${sources.length}</dd>
      </div>
      <div>
        <dt>Entropy</dt>
        <dd>${formatNumber(entropy, { digits: 3 })} nats</dd>
      </div>
    </dl>
  </div>`;
}

function mergeControl(
  store: Store,
  { summary, part }: ChosenScores,
  target: string,
  temperature: number,
): TemplateResult {
  const whole = summary.granularity === 'model';
  const job = [...store.jobs.values()]
    .filter((candidate) => candidate.kind === 'merge' && candidate.target === target)
    .at(-1);
  const busy = job !== undefined && isBusy(job);
  const merge = (named: string | undefined) => () => {
    void store
      .ask('merge', {
        target,
        deltaName: summary.deltaName,
        method: summary.method,
        granularity: summary.granularity,
        temperature,
        ...(named === undefined ? {} : { part: named }),
      })
      .then((started) => {
        if (started !== undefined && !store.jobs.has(started.id)) store.jobs.set(started.id, started);
        store.changed();
      });
  };
  const history = store.arrangement.shownVersion !== null;
  const title = history
    ? 'A merge uses the working tree: show it first'
    : 'Merge the sources into an initialisation';
  return html`<div class="merge">
    ${button('Merge with These Weights', merge(whole ? undefined : summary.parts[part]), {
      primary: true,
      disabled: busy || history,
      title,
    })}
    ${
      whole
        ? nothing
        : button('Merge Each Part by Its Own', merge(undefined), {
            disabled: busy || history,
            title: `Every ${summary.granularity} weighed by its own scores`,
          })
    }
    ${job === undefined ? nothing : jobLine(store, job)}
  </div>`;
}

function isBusy({ state }: JobStatus): boolean {
  return state === 'queued' || state === 'running' || state === 'cancelling';
}

function jobLine(store: Store, job: JobStatus): TemplateResult {
  return html`<span class="job ${job.state}" role="status">
    ${job.state === 'done' ? '✓' : job.state === 'failed' ? '✗' : nothing} ${job.text}
    ${isBusy(job) ? button('Cancel', () => void store.ask('cancel', { job: job.id })) : nothing}
  </span>`;
}

/** The methods side by side for one target: weights, agreement, and whose merge did best. */
function methods(store: Store, study: StudyView, deltaName: string, target: string): TemplateResult {
  const { shownVersion } = store.arrangement;
  const ids = SCORE_METHODS.flatMap((id) =>
    study.matrices.filter(
      (matrix) => matrix.deltaName === deltaName && matrix.method === id && matrix.granularity === 'model',
    ),
  );
  if (ids.length < 2) return html``;
  const loaded = ids.flatMap(({ id }) => store.sheet(shownVersion, id) ?? []);
  if (loaded.length < ids.length) return html`<p class="muted" role="status">Reading the other methods…</p>`;
  const table = resultTables(study, 'test').find((candidate) => candidate.deltaName === deltaName) ?? null;
  const compared = comparison(listOf(...loaded), target, table);
  // Nothing here depends on the temperature slider: its frames must not pay for these tables.
  return html`${guard([compared], () => methodsSection(compared, target, table === null ? '' : tableKey(table)))}`;
}

function methodsSection(compared: MethodComparison, target: string, results: string): TemplateResult {
  const tables = methodTables(compared, target, results);
  return html`<section>
    <h2>Methods side by side for ${target}</h2>
    ${
      compared.winner === null
        ? html`<p class="muted">
            No method's merge has been tuned and tested for this target yet, or only one.
          </p>`
        : html`<p><strong>${compared.winner}</strong> won: the few-shot run from its merge tested best.</p>`
    }
    <div class="tables">${tables.map((model) => tableView(model))}</div>
  </section>`;
}

/** The same list object for the same sheets. */
const listOf = once((...loaded: ScoreSheet[]) => loaded);

function methodTables(compared: MethodComparison, target: string, results: string): TableModel[] {
  const titles = compared.columns.map(({ title }) => ({ title, numeric: true }));
  const percent = (value: number | undefined) =>
    value === undefined ? '–' : `${formatNumber(value, { digits: 1, scale: 100 })} %`;
  const weightRows = compared.sources.map((source) => [
    source,
    ...compared.columns.map(({ weights: own }) =>
      isFailure(own) ? '–' : percent(own.rows.find((row) => row.source === source)?.weight),
    ),
  ]);
  return [
    {
      caption: `Weights of the sources of ${target}, each method at the study's temperature`,
      columns: [{ title: 'Source', numeric: false }, ...titles],
      rows: [
        ...weightRows,
        [
          'Effective sources',
          ...compared.columns.map(({ weights: own }) =>
            isFailure(own) ? '–' : formatNumber(own.summary.effectiveSources, { digits: 2 }),
          ),
        ],
        [
          `Test after tuning${results === '' ? '' : ` (${results})`}`,
          ...compared.columns.map(({ result, won }) =>
            result === null
              ? '–'
              : `${formatNumber(result.mean, { digits: 1, scale: 100 })}${result.deviation === null ? '' : ` ± ${formatNumber(result.deviation, { digits: 1, scale: 100 })}`}${won ? ' ★' : ''}`,
          ),
        ],
      ],
      digits: 1,
    },
    {
      caption: `Rank correlation of the methods over the sources of ${target} (Spearman)`,
      columns: [{ title: 'Method', numeric: false }, ...titles],
      rows: compared.columns.map(({ method }, i) => [
        initialisationTitle(method),
        ...(compared.correlations[i] ?? []).map((value) => value),
      ]),
      digits: 2,
    },
  ];
}
