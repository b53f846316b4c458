import { html, nothing, type TemplateResult } from 'lit';
import { SCORE_METHOD_INFO } from '../../src/core/methods.js';
import type { Arrangement, JobStatus, StudyView } from '../../src/extension/panels/messages.js';
import { button, choicesOf, failureNotice, notice, select, selectName } from '../controls.js';
import type { ScoreSheet } from '../models/heatmap.js';
import { once } from '../models/once.js';
import { versionName } from '../models/provenance.js';
import { tableKey, tablesOf } from '../models/results.js';
import { formatNumber, type TableModel } from '../models/table.js';
import {
  isFailure,
  SLIDER_STEPS,
  sliderPosition,
  sliderTemperature,
  temperatureRange,
  weightsModel,
  weightsTable,
  type WeightsModel,
} from '../models/weights.js';
import type { BarModel } from '../pictures/bar-picture.js';
import { barSvg } from '../pictures/chart-svg.js';
import { isBusy, type Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';
import { readTheme } from '../theme.js';
import { displayControl } from './display-control.js';
import { exportBar } from './export-bar.js';
import { methodsSideBySide } from './methods-view.js';
import { provenanceLine, provenanceNotes, recordedLine } from './provenance-view.js';
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
    order: Arrangement['weightOrder'],
    groups: StudyView['groups'],
  ) => weightsModel(sheet, target, { part, temperature, order, groups }),
);

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
    ${versionBar(store, [summary.file, 'deltaloom.json'], { mergedFor: target })}
    <div class="row">
      ${selectName(PAGE_STRINGS.common.target, summary.targets, target, (name) =>
        store.arrange({ target: name }),
      )}
      ${scoreControls(store, chosen)}
      ${select(
        PAGE_STRINGS.common.order,
        choicesOf(PAGE_STRINGS.weights.orders),
        arrangement.weightOrder,
        (weightOrder) => store.arrange({ weightOrder }),
      )}
      ${displayControl(store)}
    </div>
    ${isTemplate(loaded) ? loaded : body(store, study, chosen, target, loaded.sheet, loaded.compared)}
    ${methodsSideBySide(store, study, summary.deltaName, target)}
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
  const model = weights(sheet, target, part, temperature, arrangement.weightOrder, study.groups);
  const where = summary.granularity === 'model' ? '' : `, ${summary.parts[part] ?? ''}`;
  const method = `${SCORE_METHOD_INFO[summary.method].title}${where}`;
  const heading = html`<h2>${PAGE_STRINGS.weights.heading(target, method)}</h2>
    ${provenanceLine(store, summary.provenances)} ${recordedLine(store)}`;
  if (isFailure(model)) return html`${heading}${failureNotice(model)}`;
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
  const otherName = versionName(arrangement.comparedVersion ?? null);
  const notes = [
    ...provenanceNotes(store, summary.provenances),
    ...(earlier === null ? [] : [PAGE_STRINGS.versions.comparedWithVersion(otherName)]),
  ];
  const table = () => withEarlier(weightsTable(model, method, notes), model, earlier, otherName);
  const best = Math.max(...model.summary.weights);
  const percent = { digits: 1, scale: 100 };
  const bars: BarModel = {
    title: PAGE_STRINGS.weights.title(target, method, model.temperature),
    unit: PAGE_STRINGS.common.percent,
    notes,
    bars: model.rows.map(({ source, value, weight }) => {
      const then = earlier?.get(source);
      return {
        label: source,
        value: weight,
        deviation: null,
        ...(then === undefined ? {} : { earlier: then }),
        detail: [
          PAGE_STRINGS.weights.score(formatNumber(value, { digits: 4 })),
          ...(then === undefined
            ? []
            : [
                PAGE_STRINGS.weights.earlier(
                  otherName,
                  formatNumber(then, percent),
                  formatNumber(weight - then, { ...percent, signed: true }),
                ),
              ]),
        ].join(' · '),
        best: weight === best,
      };
    }),
  };
  return html`${heading} ${temperatureControl(store, chosen, model)}
    ${model.summary.notice === null ? nothing : notice('warning', model.summary.notice.message)}
    ${
      arrangement.display === 'table'
        ? tableView(table())
        : html`<bar-picture .model=${bars}></bar-picture> ${
              earlier === null
                ? nothing
                : html`<div class="legend">
                    <span class="key"
                      ><i class="earlier"></i> ${PAGE_STRINGS.weights.earlierKey(otherName)}</span
                    >
                  </div>`
            }`
    }
    <div class="row">
      ${mergeControl(store, study, chosen, target, temperature)}
      ${exportBar(store, `${scoresName(study, summary)}-${target}`, table, () => barSvg(bars, readTheme()))}
    </div>`;
}

function withEarlier(
  table: TableModel,
  model: WeightsModel,
  earlier: ReadonlyMap<string, number> | null,
  otherName: string,
): TableModel {
  if (earlier === null) return table;
  return {
    ...table,
    columns: [
      ...table.columns,
      { title: PAGE_STRINGS.weights.weightIn(otherName), numeric: true },
      { title: PAGE_STRINGS.weights.difference, numeric: true, signed: true },
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
    <label for="temperature">${PAGE_STRINGS.common.temperature}</label>
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
    ${button(
      PAGE_STRINGS.weights.ofTheStudy(summary.temperature),
      () => store.arrange({ temperature: null }),
      {
        disabled: temperature === summary.temperature,
        title: PAGE_STRINGS.weights.ofTheStudyTitle,
      },
    )}
    <dl class="figures">
      <div>
        <dt>${PAGE_STRINGS.common.effectiveSources}</dt>
        <dd>
          ${PAGE_STRINGS.weights.effective(formatNumber(effectiveSources, { digits: 2 }), sources.length)}
        </dd>
      </div>
      <div>
        <dt>${PAGE_STRINGS.weights.entropy}</dt>
        <dd>${PAGE_STRINGS.weights.nats(formatNumber(entropy, { digits: 3 }))}</dd>
      </div>
    </dl>
  </div>`;
}

function mergeControl(
  store: Store,
  study: StudyView,
  { summary, part }: ChosenScores,
  target: string,
  temperature: number,
): TemplateResult {
  const whole = summary.granularity === 'model';
  const jobs = [...store.jobs.values()].filter((candidate) => candidate.target === target);
  const job = jobs.filter(({ kind }) => kind === 'merge').at(-1);
  // Other tunings of the target have nothing to do with what is weighed here.
  const tuning = jobs
    .filter(({ kind, merge: start }) => kind === 'tune' && start !== null && start === job?.merge)
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
  const title = history ? PAGE_STRINGS.weights.mergeOfHistory : PAGE_STRINGS.weights.mergeTitle;
  return html`<div class="merge">
    ${button(PAGE_STRINGS.weights.merge, merge(whole ? undefined : summary.parts[part]), {
      primary: true,
      disabled: busy || history,
      title,
    })}
    ${
      whole
        ? nothing
        : button(PAGE_STRINGS.weights.mergeParts, merge(undefined), {
            disabled: busy || history,
            title: PAGE_STRINGS.weights.mergePartsTitle(summary.granularity),
          })
    }
    ${job === undefined ? nothing : jobLine(store, job)}
    ${
      job === undefined || job.merge === null
        ? nothing
        : button(PAGE_STRINGS.weights.tune, () => void store.ask('tuneFrom', { merge: job.merge ?? '' }), {
            disabled: tuning !== undefined && isBusy(tuning),
            title: PAGE_STRINGS.weights.tuneTitle(target),
          })
    }
    ${job === undefined || tuning === undefined ? nothing : jobLine(store, tuning)}
    ${
      tuning?.state === 'done' && job !== undefined
        ? button(PAGE_STRINGS.weights.showResults, () => {
            const table = tablesOf(study, 'test').find(({ deltaName }) => deltaName === summary.deltaName);
            const patch = { target, ...(table === undefined ? {} : { table: tableKey(table) }) };
            void store.ask('openPanel', { kind: 'results', patch: { ...patch, shownVersion: null } });
          })
        : nothing
    }
  </div>`;
}

function jobLine(store: Store, job: JobStatus): TemplateResult {
  return html`<span class="job ${job.state}" role="status">
    ${job.state === 'done' ? '✓' : job.state === 'failed' ? '✗' : nothing} ${job.text}
    ${isBusy(job) ? button(PAGE_STRINGS.weights.cancel, () => void store.ask('cancel', { job: job.id })) : nothing}
  </span>`;
}
