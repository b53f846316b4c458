import { html, nothing, type TemplateResult } from 'lit';
import type { ResultsTable } from '../../src/core/results.js';
import type { RunView, StudyView } from '../../src/extension/panels/messages.js';
import {
  button,
  checkbox,
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
          No results
          ${arrangement.split === 'test' ? 'on the test split ' : ''}${
            arrangement.shownVersion === null ? 'yet' : `in ${versionName(arrangement.shownVersion)}`
          }
        </h2>
        <p>
          Tune targets from random and from merged initialisations; their scores on the ${arrangement.split}
          split are compared here.
        </p>
        ${
          arrangement.split === 'test'
            ? button('Show the Dev Split', () => store.arrange({ split: 'dev' }))
            : button('Show the Test Split', () => store.arrange({ split: 'test' }))
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
      ${selectName('Table', found.map(tableKey), tableKey(table), (key) => store.arrange({ table: key }))}
      ${switcher(
        'Split',
        [
          { value: 'test', label: 'Test' },
          { value: 'dev', label: 'Dev' },
        ],
        arrangement.split,
        (split) => store.arrange({ split }),
      )}
      ${
        comparedVersion !== undefined
          ? nothing
          : select(
              'Figure',
              [
                { value: 'value', label: 'Mean ± sd' },
                { value: 'gain-random', label: 'Gain over random' },
                { value: 'gain-average', label: 'Gain over average' },
              ],
              arrangement.figure,
              (figure) => store.arrange({ figure }),
            )
      }
      ${textfield('Filter', arrangement.filter, (filter) => store.arrange({ filter }), 'part of a task name')}
    </div>
    ${
      failure !== undefined
        ? failureNotice(failure)
        : waiting
          ? loading('Reading the results to compare with…')
          : comparedVersion !== undefined && before === null
            ? notice(
                'information',
                `There were no such results in ${versionName(comparedVersion)}: nothing to compare with.`,
              )
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
  const notes = [
    ...provenanceNotes(
      store,
      runs.map(({ provenance }) => provenance),
    ),
    ...(before === null
      ? []
      : [
          `Difference: ${versionName(arrangement.shownVersion)} minus ${versionName(arrangement.comparedVersion ?? null)}`,
        ]),
  ];
  const model = resultsModel(table, before, study.runs, arrangement, notes);
  const row = model.tasks.indexOf(arrangement.target ?? '');
  const column = model.initialisations.indexOf(arrangement.source ?? '');
  const sortBy = (name: string) => {
    const { sort } = arrangement;
    // First the largest numbers, or A first; then the other way round; then the study's order.
    const first = name !== 'task';
    store.arrange({
      sort:
        sort?.column !== name
          ? { column: name, descending: first }
          : sort.descending === first
            ? { column: name, descending: !first }
            : null,
    });
  };
  return html`
    <h2>
      Results:
      ${tableKey(table)}${
        before === null
          ? nothing
          : html` <small
              >difference: ${versionName(arrangement.shownVersion)} minus
              ${versionName(arrangement.comparedVersion ?? null)}</small
            >`
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
            `Not in ${versionName(arrangement.comparedVersion ?? null)}, so without a difference: ${model.onlyNow.map(initialisationTitle).join(', ')}.`,
          )
    }
    ${tableView(model.model, {
      sort: { columns: ['task', null, ...model.initialisations], current: arrangement.sort, changed: sortBy },
      choose: (i, j) =>
        store.arrange({ target: model.tasks[i] ?? null, source: model.initialisations[j - 2] ?? null }),
      chosen: row < 0 || column < 0 ? null : { row, column: column + 2 },
      footers: 1,
    })}
    <p class="muted">${before === null ? 'Best of each row in bold. ' : ''}Choose a cell to see its runs.</p>
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
    <summary>
      Columns: ${shown === names.length ? `all ${shown}` : `${shown} of ${names.length}`} shown
    </summary>
    <div class="choices" role="group" aria-label="Columns">
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
  return html`<section aria-label="Chosen cell">
    <h3>${task} ${start(initialisation)}</h3>
    <div class="actions">
      ${button(
        'Learning Curves',
        () =>
          void store.ask('openPanel', {
            kind: 'curves',
            arrangement: { ...store.arrangement, runs: runs.map(runKey) },
          }),
      )}
    </div>
    <ul class="runs">
      ${runs.map(
        (run) =>
          html`<li>
            seed ${run.seed}: test ${formatNumber(run.test, digits)}, dev ${formatNumber(run.dev, digits)},
            ${run.steps} steps
            <span class="actions">
              ${button('Record', open(run, 'record'), { disabled: !shown })}
              ${button('Checkpoint', open(run, 'checkpoint'), { disabled: !shown || run.checkpoint === null })}
              ${button('Log', open(run, 'log'), { disabled: !shown })}
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
    title: `Mean over ${model.tasks.length} tasks, ${model.model.caption}`,
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
              : `gain over random ${formatNumber(gain, { digits: 1, scale: 100, signed: true })}`,
          best: cell.best,
        },
      ];
    }),
  };
  return html`<section>
    <h3>Mean over tasks by initialisation</h3>
    <bar-picture .model=${summaryBars(JSON.stringify(bars))}></bar-picture>
    ${exportBar(
      store,
      `${study.name}-means-${tableKey(model.table)}`,
      () => ({
        caption: bars.title,
        columns: [
          { title: 'Initialisation', numeric: false },
          { title: 'Mean', numeric: true },
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
