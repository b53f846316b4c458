import { html, nothing, type TemplateResult } from 'lit';
import type { ResultsTable } from '../../src/core/results.js';
import type { RunView, StudyView } from '../../src/extension/panels/messages.js';
import {
  button,
  checkbox,
  choicesOf,
  failureNotice,
  loading,
  notice,
  select,
  selectName,
  switcher,
  textfield,
} from '../controls.js';
import { once } from '../models/once.js';
import { versionName } from '../models/provenance.js';
import { resultsModel, tableKey, tablesOf, type ResultsModel } from '../models/results.js';
import { initialisationTitle, runKey, start } from '../models/runs.js';
import { formatNumber } from '../models/table.js';
import type { BarModel } from '../pictures/bar-picture.js';
import { barSvg } from '../pictures/chart-svg.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';
import { readTheme } from '../theme.js';
import { exportBar } from './export-bar.js';
import { provenanceLine, provenanceNotes, recordedLine } from './provenance-view.js';
import { tableView } from './table-view.js';
import { versionBar } from './version-bar.js';

const tables = once(tablesOf);
const earlierTables = once(tablesOf);

export function resultsView(store: Store, study: StudyView): TemplateResult {
  const { arrangement } = store;
  const found = tables(study, arrangement.split);
  const table = found.find((candidate) => tableKey(candidate) === arrangement.table) ?? found[0];
  const bar = versionBar(store, ['.deltaloom/runs']);
  const { comparedVersion } = arrangement;
  if (table === undefined) {
    return html`${bar}
      <div class="empty">
        <h2>
          ${PAGE_STRINGS.results.none(
            arrangement.split,
            arrangement.shownVersion === null ? null : versionName(arrangement.shownVersion),
          )}
        </h2>
        <p>${PAGE_STRINGS.results.noneRemedy(arrangement.split)}</p>
        ${
          arrangement.split === 'test'
            ? button(PAGE_STRINGS.results.showDev, () => store.arrange({ split: 'dev' }))
            : button(PAGE_STRINGS.results.showTest, () => store.arrange({ split: 'test' }))
        }
      </div>`;
  }
  const earlier = comparedVersion === undefined ? undefined : store.studyAt(comparedVersion);
  const before =
    earlier === undefined
      ? null
      : (earlierTables(earlier, arrangement.split).find(
          (candidate) => tableKey(candidate) === tableKey(table),
        ) ?? null);
  const waiting = comparedVersion !== undefined && earlier === undefined;
  const failure = comparedVersion === undefined ? undefined : store.failureOf(`study ${comparedVersion}`);
  return html`
    ${bar}
    <div class="row">
      ${selectName(PAGE_STRINGS.results.table, found.map(tableKey), tableKey(table), (key) =>
        store.arrange({ table: key }),
      )}
      ${switcher(
        PAGE_STRINGS.results.split,
        choicesOf(PAGE_STRINGS.results.splits),
        arrangement.split,
        (split) => store.arrange({ split }),
      )}
      ${
        comparedVersion !== undefined
          ? nothing
          : select(
              PAGE_STRINGS.results.figure,
              choicesOf(PAGE_STRINGS.results.figures),
              arrangement.figure,
              (figure) => store.arrange({ figure }),
            )
      }
      ${textfield(
        PAGE_STRINGS.common.filter,
        arrangement.filter,
        (filter) => store.arrange({ filter }),
        PAGE_STRINGS.results.filterExample,
      )}
    </div>
    ${
      failure !== undefined
        ? failureNotice(failure)
        : waiting
          ? loading(PAGE_STRINGS.results.readingCompared)
          : comparedVersion !== undefined && before === null
            ? notice('information', PAGE_STRINGS.results.notThere(versionName(comparedVersion)))
            : body(store, study, table, before)
    }
  `;
}

function body(
  store: Store,
  study: StudyView,
  table: ResultsTable,
  before: ResultsTable | null,
): TemplateResult {
  const { arrangement } = store;
  const runs = study.runs.filter(
    (run) => run.role === 'target' && run.deltaName === table.deltaName && run.shots === table.shots,
  );
  const [name, otherName] = [
    versionName(arrangement.shownVersion),
    versionName(arrangement.comparedVersion ?? null),
  ];
  const notes = [
    ...provenanceNotes(
      store,
      runs.map(({ provenance }) => provenance),
    ),
    ...(before === null ? [] : [PAGE_STRINGS.versions.differenceNote(name, otherName)]),
  ];
  const model = resultsModel(table, before, study.runs, arrangement, notes);
  const row = model.tasks.indexOf(arrangement.target ?? '');
  const column = model.initialisations.indexOf(arrangement.source ?? '');
  const sortBy = (key: string) => {
    const { sort } = arrangement;
    // First the largest numbers, or A first; then the other way round; then the study's order.
    const first = key !== 'task';
    store.arrange({
      sort:
        sort?.column !== key
          ? { column: key, descending: first }
          : sort.descending === first
            ? { column: key, descending: !first }
            : null,
    });
  };
  return html`
    <h2>
      ${PAGE_STRINGS.results.heading(tableKey(table))}${
        before === null ? nothing : html` <small>${PAGE_STRINGS.versions.difference(name, otherName)}</small>`
      }
    </h2>
    ${provenanceLine(
      store,
      runs.map(({ provenance }) => provenance),
    )}
    ${recordedLine(store)} ${columnChoice(store, table)}
    ${
      model.onlyNow.length === 0
        ? nothing
        : notice(
            'information',
            PAGE_STRINGS.results.onlyNow(otherName, model.onlyNow.map(initialisationTitle).join(', ')),
          )
    }
    ${tableView(model.model, {
      sort: { columns: ['task', null, ...model.initialisations], current: arrangement.sort, changed: sortBy },
      choose: (i, j) =>
        store.arrange({ target: model.tasks[i] ?? null, source: model.initialisations[j - 2] ?? null }),
      chosen: row < 0 || column < 0 ? null : { row, column: column + 2 },
      footers: 1,
    })}
    <p class="muted">
      ${before === null ? PAGE_STRINGS.results.bestInBold : nothing} ${PAGE_STRINGS.results.chooseCell}
    </p>
    ${exportBar(store, `${study.name}-results-${tableKey(table)}`, () => model.model, null)}
    ${row < 0 || column < 0 ? nothing : chosenCell(store, model, row, column)}
    ${before === null && arrangement.figure === 'value' ? summaryPicture(store, study, model, notes) : nothing}
  `;
}

function columnChoice(store: Store, table: ResultsTable): TemplateResult {
  const { hidden } = store.arrangement;
  const names = table.columns.map(({ initialisation }) => initialisation);
  const shown = names.filter((name) => !hidden.includes(name)).length;
  return html`<details class="columns">
    <summary>${PAGE_STRINGS.results.columnsShown(shown, names.length)}</summary>
    <div class="choices" role="group" aria-label=${PAGE_STRINGS.results.columns}>
      ${names.map((name) =>
        checkbox(initialisationTitle(name), !hidden.includes(name), (chosen) =>
          store.arrange({
            hidden: chosen ? hidden.filter((other) => other !== name) : [...hidden, name],
          }),
        ),
      )}
    </div>
  </details>`;
}

function chosenCell(store: Store, model: ResultsModel, row: number, column: number): TemplateResult {
  const runs = [...(model.runs[row]?.[column] ?? [])].sort((a, b) => a.seed - b.seed);
  const [task, initialisation] = [model.tasks[row] ?? '', model.initialisations[column] ?? ''];
  const shown = store.arrangement.shownVersion === null;
  const digits = { digits: 1, scale: 100 };
  const open = (run: RunView, what: 'record' | 'checkpoint' | 'log') => () =>
    void store.ask('openRun', { run: runKey(run), what });
  return html`<section aria-label=${PAGE_STRINGS.common.chosenCell}>
    <h3>${task} ${start(initialisation)}</h3>
    <div class="actions">
      ${button(
        PAGE_STRINGS.results.learningCurves,
        () =>
          void store.ask('openPanel', {
            kind: 'curves',
            patch: { shownVersion: store.arrangement.shownVersion, runs: runs.map(runKey) },
          }),
      )}
    </div>
    <ul class="runs">
      ${runs.map(
        (run) =>
          html`<li>
            ${PAGE_STRINGS.results.run(
              run.seed,
              formatNumber(run.test, digits),
              formatNumber(run.dev, digits),
              run.steps,
            )}
            <span class="actions">
              ${button(PAGE_STRINGS.results.record, open(run, 'record'), { disabled: !shown })}
              ${button(PAGE_STRINGS.common.checkpoint, open(run, 'checkpoint'), {
                disabled: !shown || run.checkpoint === null,
              })}
              ${button(PAGE_STRINGS.common.log, open(run, 'log'), { disabled: !shown })}
            </span>
            ${provenanceLine(store, [run.provenance])}
          </li>`,
      )}
    </ul>
  </section>`;
}

const summaryBars = once((model: string): BarModel => JSON.parse(model) as BarModel);

/** The last row of the table as bars. */
function summaryPicture(
  store: Store,
  study: StudyView,
  model: ResultsModel,
  notes: readonly string[],
): TemplateResult {
  const last = model.model.rows.at(-1) ?? [];
  const bars: BarModel = {
    title: PAGE_STRINGS.results.meansTitle(model.tasks.length, model.model.caption),
    unit: '',
    notes,
    bars: model.initialisations.flatMap((initialisation, j) => {
      const cell = last[j + 2];
      if (typeof cell !== 'object' || cell === null) return [];
      const column = model.table.columns.find((candidate) => candidate.initialisation === initialisation);
      const gain = column?.gainOverRandom ?? null;
      return [
        {
          label: initialisationTitle(initialisation),
          value: cell.mean,
          deviation: cell.deviation,
          detail:
            gain === null
              ? ''
              : PAGE_STRINGS.results.gainOverRandom(
                  formatNumber(gain, { digits: 1, scale: 100, signed: true }),
                ),
          best: cell.best,
        },
      ];
    }),
  };
  return html`<section>
    <h3>${PAGE_STRINGS.results.means}</h3>
    <bar-picture .model=${summaryBars(JSON.stringify(bars))}></bar-picture>
    ${exportBar(
      store,
      `${study.name}-means-${tableKey(model.table)}`,
      () => ({
        caption: bars.title,
        columns: [
          { title: PAGE_STRINGS.results.initialisation, numeric: false },
          { title: PAGE_STRINGS.results.mean, numeric: true },
        ],
        rows: bars.bars.map(({ label, value, deviation, best }) => [label, { mean: value, deviation, best }]),
        digits: 1,
        scale: 100,
        notes,
      }),
      () => barSvg(bars, readTheme()),
    )}
  </section>`;
}
