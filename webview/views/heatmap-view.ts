import { html, nothing, type TemplateResult } from 'lit';
import type { Arrangement, StudyView } from '../../src/extension/panels/messages.js';
import { button, choicesOf, notice, select } from '../controls.js';
import { once } from '../models/once.js';
import {
  cellFacts,
  heatmapModel,
  heatmapTable,
  profile,
  shortPart,
  type HeatmapModel,
  type ScoreSheet,
} from '../models/heatmap.js';
import { cellProvenance, versionName } from '../models/provenance.js';
import { lineSvg } from '../pictures/chart-svg.js';
import { legendColours, legendTexts } from '../pictures/heatmap-layout.js';
import type { HeatmapPictureModel } from '../pictures/heatmap-picture.js';
import { heatmapSvg } from '../pictures/heatmap-svg.js';
import type { LineModel } from '../pictures/line-picture.js';
import { multiplesSvg } from '../pictures/multiples-svg.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';
import { readTheme } from '../theme.js';
import { displayControl } from './display-control.js';
import { exportBar } from './export-bar.js';
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

const model = once(heatmapModel);
const pictureModel = once(
  (
    heatmap: HeatmapModel,
    target: string | null,
    source: string | null,
    notes: string,
  ): HeatmapPictureModel => ({
    heatmap,
    chosen: target === null || source === null ? null : { target, source },
    notes: notes === '' ? [] : notes.split('\n'),
  }),
);
const options = once(
  (
    part: number,
    order: Arrangement['order'],
    colour: Arrangement['colour'],
    temperature: number,
    groups: StudyView['groups'],
    comparedWith: string,
  ) => ({ part, order, colour, temperature, groups, comparedWith }),
);

export function heatmapView(store: Store, study: StudyView): TemplateResult {
  const chosen = chosenScores(store, study);
  if (chosen === null) return html`${versionBar(store, ['.deltaloom/scores'])}${noScores(store)}`;
  const { arrangement } = store;
  const loaded = sheets(store, chosen);
  return html`
    ${versionBar(store, [chosen.summary.file])}
    <div class="row">
      ${scoreControls(store, chosen)}
      ${select(
        PAGE_STRINGS.common.order,
        choicesOf(PAGE_STRINGS.heatmap.orders),
        arrangement.order,
        (order) => store.arrange({ order }),
      )}
      ${
        arrangement.comparedVersion !== undefined
          ? nothing
          : select(
              PAGE_STRINGS.heatmap.colour,
              choicesOf(PAGE_STRINGS.heatmap.colours),
              arrangement.colour,
              (colour) => store.arrange({ colour }),
            )
      }
      ${displayControl(store)}
    </div>
    ${isTemplate(loaded) ? loaded : body(store, study, chosen, loaded.sheet, loaded.compared)}
  `;
}

function body(
  store: Store,
  study: StudyView,
  chosen: ChosenScores,
  sheet: ScoreSheet,
  compared: ScoreSheet | null,
): TemplateResult {
  const { summary, part, temperature } = chosen;
  const { order, colour, target, source, display, shownVersion, comparedVersion } = store.arrangement;
  const [name, otherName] = [versionName(shownVersion), versionName(comparedVersion ?? null)];
  const heatmap = model(sheet, compared, options(part, order, colour, temperature, study.groups, otherName));
  const notes = [
    ...provenanceNotes(store, summary.provenances),
    ...(compared === null ? [] : [PAGE_STRINGS.versions.differenceNote(name, otherName)]),
  ];
  const shown = pictureModel(heatmap, target, source, notes.join('\n'));
  const table = () => heatmapTable(heatmap, notes);
  const equal = compared !== null && heatmap.shown.every((value) => Number.isNaN(value) || value === 0);
  return html`
    <h2>
      ${heatmap.title}${compared === null ? nothing : html` <small>${PAGE_STRINGS.versions.difference(name, otherName)}</small>`}
    </h2>
    ${provenanceLine(store, summary.provenances)} ${recordedLine(store)}
    ${equal ? notice('information', PAGE_STRINGS.heatmap.noDifference) : nothing}
    ${
      display === 'table'
        ? html`${tableView(table())}
            <p class="muted">${PAGE_STRINGS.heatmap.ownSourceAside}</p>`
        : html`<heatmap-picture
              .model=${shown}
              @choose=${(event: CustomEvent<{ target: string; source: string }>) => store.arrange(event.detail)}
            ></heatmap-picture>
            ${equal ? nothing : legend(heatmap)}`
    }
    ${exportBar(store, scoresName(study, summary), table, () => heatmapSvg(shown, readTheme()))}
    ${summary.parts.length < 2 ? nothing : multiples(store, study, chosen, sheet, heatmap, notes)}
    ${cell(store, study, chosen, sheet, heatmap)}
  `;
}

function legend(heatmap: HeatmapModel): TemplateResult {
  const [low, high] = legendTexts(heatmap.scale);
  return html`<div class="legend" aria-hidden="true">
    <span>${low}</span>
    <legend-strip .colours=${legendColours(heatmap.scale, readTheme().ground, 96)}></legend-strip>
    <span>${high}</span>
    <span class="key"><i class="own"></i> ${PAGE_STRINGS.heatmap.ownSource}</span>
    ${heatmap.missing > 0 ? html`<span class="key"><i class="missing"></i> ${PAGE_STRINGS.heatmap.notComputed}</span>` : nothing}
  </div>`;
}

function multiples(
  store: Store,
  study: StudyView,
  { summary, part }: ChosenScores,
  sheet: ScoreSheet,
  { rows, columns }: HeatmapModel,
  notes: readonly string[],
): TemplateResult {
  const shown = { sheet, part, rows, columns };
  return html`<section>
    <h3>${PAGE_STRINGS.heatmap.allParts(summary.granularity)}</h3>
    <small-multiples
      .model=${shown}
      @choose=${(event: CustomEvent<{ part: number }>) =>
        store.arrange({ part: summary.parts[event.detail.part] ?? null })}
    ></small-multiples>
    ${exportBar(
      store,
      `${scoresName(study, summary)}-all`,
      () => ({
        caption: PAGE_STRINGS.heatmap.everyPart(scoresName(study, summary)),
        columns: [
          { title: PAGE_STRINGS.common.target, numeric: false },
          { title: PAGE_STRINGS.common.source, numeric: false },
          ...summary.parts.map((title) => ({ title, numeric: true })),
        ],
        rows: rows.flatMap((target) =>
          columns.map((source) => [target, source, ...profile(sheet, target, source)]),
        ),
        digits: 4,
        notes,
      }),
      () => multiplesSvg(shown, notes, readTheme()),
    )}
  </section>`;
}

const profileModel = once((sheet: ScoreSheet, target: string, source: string, part: number): LineModel => ({
  title: PAGE_STRINGS.cell.profile(PAGE_STRINGS.cell.name(target, source)),
  positions: sheet.summary.parts.map(shortPart),
  xTitle: PAGE_STRINGS.cell.part(sheet.summary.granularity),
  yTitle: PAGE_STRINGS.common.score,
  series: [
    {
      label: PAGE_STRINGS.cell.name(target, source),
      values: profile(sheet, target, source),
      running: false,
    },
  ],
  marked: part,
  notes: [],
}));

/** What the chosen cell was made from, and ways to go there. */
function cell(
  store: Store,
  study: StudyView,
  { summary, part }: ChosenScores,
  sheet: ScoreSheet,
  heatmap: HeatmapModel,
): TemplateResult {
  const { target, source, shownVersion } = store.arrangement;
  const [row, column] = [heatmap.rows.indexOf(target ?? ''), heatmap.columns.indexOf(source ?? '')];
  if (target === null || source === null || row < 0 || column < 0) {
    return html`<p class="muted">${PAGE_STRINGS.cell.choose}</p>`;
  }
  const provenance = cellProvenance(summary, sheet.values, target, source);
  const open = (what: 'checkpoint' | 'record' | 'log' | 'data' | 'scores') => () =>
    void store.ask('openCell', { version: shownVersion, target, source, matrix: summary.id, what });
  return html`<section class="cell" aria-label=${PAGE_STRINGS.common.chosenCell}>
    <h3>${PAGE_STRINGS.cell.name(target, source)}</h3>
    <p>${cellFacts(heatmap, row, column)}</p>
    ${provenance === null ? nothing : provenanceLine(store, [provenance])}
    <div class="actions">
      ${button(PAGE_STRINGS.common.checkpoint, open('checkpoint'), {
        title: PAGE_STRINGS.cell.checkpointTitle(source),
      })}
      ${button(PAGE_STRINGS.cell.record, open('record'), { title: PAGE_STRINGS.cell.recordTitle(source) })}
      ${button(PAGE_STRINGS.common.log, open('log'), { title: PAGE_STRINGS.cell.logTitle })}
      ${button(PAGE_STRINGS.cell.data, open('data'), { title: PAGE_STRINGS.cell.dataTitle(target) })}
      ${button(PAGE_STRINGS.cell.scores, open('scores'), { title: PAGE_STRINGS.cell.scoresTitle })}
      ${button(PAGE_STRINGS.cell.averagingWeights, () => {
        const { deltaName, method, granularity } = summary;
        const { temperature } = store.arrangement;
        const scores = { deltaName, method, granularity, part: summary.parts[part] ?? null };
        void store.ask('openPanel', {
          kind: 'weights',
          patch: { ...scores, target, temperature, shownVersion },
        });
      })}
    </div>
    ${
      summary.parts.length < 2
        ? nothing
        : profileOf(store, study, summary, profileModel(sheet, target, source, part), provenance)
    }
  </section>`;
}

/** The chosen cell through all blocks or layers. */
function profileOf(
  store: Store,
  study: StudyView,
  summary: ChosenScores['summary'],
  line: LineModel,
  provenance: ReturnType<typeof cellProvenance>,
): TemplateResult {
  const notes = provenanceNotes(store, provenance === null ? [] : [provenance]);
  const table = () => ({
    caption: line.title,
    columns: [
      { title: line.xTitle, numeric: false },
      { title: PAGE_STRINGS.common.score, numeric: true },
    ],
    rows: summary.parts.map((name, i) => [name, line.series[0]?.values[i] ?? null]),
    digits: 4,
    notes,
  });
  return html`${
    store.arrangement.display === 'table'
      ? tableView(table())
      : html`<line-picture
          .model=${line}
          @choose=${(event: CustomEvent<{ index: number }>) =>
            store.arrange({ part: summary.parts[event.detail.index] ?? null })}
        ></line-picture>`
  }
  ${exportBar(store, `${scoresName(study, summary)}-${line.title}`, table, () =>
    lineSvg({ ...line, notes }, readTheme()),
  )}`;
}
