import { html, nothing, type TemplateResult } from 'lit';
import type { StudyView } from '../../src/extension/panels/messages.js';
import { button, select, switcher } from '../controls.js';
import { once } from '../models/once.js';
import {
  describeCell,
  heatmapModel,
  heatmapTable,
  profile,
  shortPart,
  type HeatmapModel,
  type ScoreSheet,
} from '../models/heatmap.js';
import { cellProvenance, versionName } from '../models/provenance.js';
import { cellText, legendColours } from '../pictures/heatmap-layout.js';
import type { HeatmapPictureModel } from '../pictures/heatmap-picture.js';
import type { LineModel } from '../pictures/line-picture.js';
import type { Picture } from '../pictures/picture.js';
import type { Store } from '../store.js';
import { readTheme } from '../theme.js';
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

const model = once(heatmapModel);
const pictureModel = once(
  (
    heatmap: HeatmapModel,
    colour: 'value' | 'rank' | 'weight',
    target: string | null,
    source: string | null,
    notes: string,
  ): HeatmapPictureModel => ({
    heatmap,
    colour,
    chosen: target === null || source === null ? null : { target, source },
    notes: notes === '' ? [] : notes.split('\n'),
  }),
);
const options = once(
  (
    part: number,
    order: ChosenOrder,
    colour: 'value' | 'rank' | 'weight',
    temperature: number,
    groups: StudyView['groups'],
  ) => ({
    part,
    order,
    colour,
    temperature,
    groups,
  }),
);
type ChosenOrder = 'study' | 'group' | 'clustering' | 'value';

export function heatmapView(store: Store, study: StudyView): TemplateResult {
  const chosen = chosenScores(store, study);
  if (chosen === null) return html`${versionBar(store, ['.deltaloom/scores'])}${noScores(store)}`;
  const { summary, part } = chosen;
  const { arrangement } = store;
  const loaded = sheets(store, chosen);
  return html`
    ${versionBar(store, [summary.file])}
    <div class="row">
      ${scoreControls(store, chosen)}
      ${select(
        'Order',
        [
          { value: 'study', label: 'Study' },
          { value: 'group', label: 'Groups' },
          { value: 'clustering', label: 'Clustering' },
          { value: 'value', label: 'Mean value' },
        ],
        arrangement.order,
        (order) => store.arrange({ order }),
      )}
      ${
        arrangement.comparedVersion !== undefined
          ? nothing
          : select(
              'Colour',
              [
                { value: 'value', label: 'Score' },
                { value: 'rank', label: 'Rank' },
                { value: 'weight', label: 'Weight' },
              ],
              arrangement.colour,
              (colour) => store.arrange({ colour }),
            )
      }
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
    ${isTemplate(loaded) ? loaded : body(store, chosen, loaded.sheet, loaded.compared)}
  `;

  function body(at: Store, of: ChosenScores, sheet: ScoreSheet, compared: ScoreSheet | null): TemplateResult {
    const heatmap = model(
      sheet,
      compared,
      options(part, arrangement.order, arrangement.colour, of.temperature, study.groups),
    );
    const notes = [
      ...provenanceNotes(summary.provenances),
      ...(compared === null
        ? []
        : [
            `Difference: ${versionName(arrangement.shownVersion)} minus ${versionName(arrangement.comparedVersion ?? null)}`,
          ]),
    ];
    const shown = pictureModel(
      heatmap,
      arrangement.colour,
      arrangement.target,
      arrangement.source,
      notes.join('\n'),
    );
    const table = () => heatmapTable(heatmap, notes);
    return html`
      <h2>
        ${heatmap.title}${compared === null ? nothing : html` <small>difference of two versions</small>`}
      </h2>
      ${provenanceLine(at, summary.provenances)}
      ${
        arrangement.display === 'table'
          ? tableView(table())
          : html`<heatmap-picture
                id="picture"
                .model=${shown}
                @choose=${(event: CustomEvent<{ target: string; source: string }>) => at.arrange(event.detail)}
              ></heatmap-picture>
              ${legend(heatmap, arrangement.colour)}`
      }
      ${exportBar(at, scoresName(study, summary), table, () =>
        document.querySelector<Picture<unknown> & HTMLElement>('#picture'),
      )}
      ${summary.parts.length < 2 ? nothing : multiples(at, of, sheet, heatmap)}
      ${cell(at, of, sheet, heatmap)}
    `;
  }
}

function legend(heatmap: HeatmapModel, colour: 'value' | 'rank' | 'weight'): TemplateResult {
  const { scale } = heatmap;
  const signed = scale.kind === 'diverging';
  const what = signed ? 'value' : colour;
  return html`<div class="legend" aria-hidden="true">
    <span>${cellText(scale.low, what, signed)} ${scale.lowLabel}</span>
    <legend-strip .colours=${legendColours(scale, readTheme().ground, 96)}></legend-strip>
    <span>${scale.highLabel} ${cellText(scale.high, what, signed)}</span>
    <span class="key"><i class="own"></i> own source, left out</span>
    ${heatmap.missing > 0 ? html`<span class="key"><i class="missing"></i> not computed</span>` : nothing}
  </div>`;
}

function multiples(
  store: Store,
  { summary, part }: ChosenScores,
  sheet: ScoreSheet,
  heatmap: HeatmapModel,
): TemplateResult {
  return html`<section>
    <h3>All ${summary.granularity === 'block' ? 'blocks' : 'layers'}, each on its own scale</h3>
    <small-multiples
      .model=${{ sheet, part, rows: heatmap.rows, columns: heatmap.columns }}
      @choose=${(event: CustomEvent<{ part: number }>) =>
        store.arrange({ part: summary.parts[event.detail.part] ?? null })}
    ></small-multiples>
  </section>`;
}

const profileModel = once((sheet: ScoreSheet, target: string, source: string, part: number): LineModel => ({
  title: `${target} ← ${source} through the model`,
  positions: sheet.summary.parts.map(shortPart),
  xTitle: sheet.summary.granularity === 'block' ? 'Block' : 'Layer',
  yTitle: 'Score',
  series: [{ label: `${target} ← ${source}`, values: profile(sheet, target, source), running: false }],
  marked: part,
  notes: provenanceNotes(sheet.summary.provenances),
}));

/** What the chosen cell was made from, and ways to go there. */
function cell(
  store: Store,
  { summary, part }: ChosenScores,
  sheet: ScoreSheet,
  heatmap: HeatmapModel,
): TemplateResult {
  const { target, source, shownVersion, display } = store.arrangement;
  const [row, column] = [heatmap.rows.indexOf(target ?? ''), heatmap.columns.indexOf(source ?? '')];
  if (target === null || source === null || row < 0 || column < 0) {
    return html`<p class="muted">
      Choose a cell (click, or Enter on the cursor) to see what it was made from.
    </p>`;
  }
  const provenance = cellProvenance(summary, sheet.values, target, source);
  const open = (what: 'checkpoint' | 'record' | 'log' | 'data' | 'scores') => () =>
    void store.ask('openCell', { version: shownVersion, target, source, matrix: summary.id, what });
  const line = profileModel(sheet, target, source, part);
  return html`<section class="cell" aria-label="Chosen cell">
    <h3>${target} ← ${source}</h3>
    <p>${describeCell(heatmap, row, column)}</p>
    ${provenance === null ? nothing : provenanceLine(store, [provenance])}
    <div class="actions">
      ${button('Checkpoint', open('checkpoint'), { title: `The delta of ${source}` })}
      ${button('Run Record', open('record'), { title: `How the delta of ${source} was tuned` })}
      ${button('Log', open('log'), { title: `The log of that tuning` })}
      ${button('Data', open('data'), { title: `The examples of ${target} that the score reads` })}
      ${button('Scores', open('scores'), { title: 'The record of this matrix' })}
      ${button(
        'Averaging Weights',
        () => void store.ask('openPanel', { kind: 'weights', arrangement: store.arrangement }),
      )}
    </div>
    ${
      summary.parts.length < 2
        ? nothing
        : display === 'table'
          ? tableView({
              caption: line.title,
              columns: [
                { title: line.xTitle, numeric: false },
                { title: 'Score', numeric: true },
              ],
              rows: summary.parts.map((name, i) => [name, line.series[0]?.values[i] ?? null]),
              digits: 4,
            })
          : html`<line-picture
              id="profile"
              .model=${line}
              @choose=${(event: CustomEvent<{ index: number }>) =>
                store.arrange({ part: summary.parts[event.detail.index] ?? null })}
            ></line-picture>`
    }
  </section>`;
}
