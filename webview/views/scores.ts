import { html, nothing, type TemplateResult } from 'lit';
import { GRANULARITIES, SCORE_METHODS, SCORE_METHOD_INFO } from '../../src/core/methods.js';
import type { MatrixSummary, StudyView } from '../../src/extension/panels/messages.js';
import { button, failureNotice, loading, notice, select, selectName } from '../controls.js';
import type { ScoreSheet } from '../models/heatmap.js';
import { shortCommit } from '../models/provenance.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';

/** Choosing a score matrix, shared by heatmap and weights. */

export interface ChosenScores {
  readonly study: StudyView;
  readonly summary: MatrixSummary;
  readonly part: number;
  readonly temperature: number;
}

/** The matrix that the arrangement means, or the nearest there is; null when the study has no scores. */
export function chosenScores(store: Store, study: StudyView): ChosenScores | null {
  const { arrangement } = store;
  const byDelta = prefer(study.matrices, ({ deltaName }) => deltaName === arrangement.deltaName);
  const byMethod = prefer(byDelta, ({ method }) => method === arrangement.method);
  const sorted = [...byMethod].sort(
    (a, b) => SCORE_METHODS.indexOf(a.method) - SCORE_METHODS.indexOf(b.method),
  );
  const summary =
    sorted.find(({ granularity }) => granularity === arrangement.granularity) ??
    sorted.find(({ granularity }) => granularity === 'model') ??
    sorted[0];
  if (summary === undefined) return null;
  return {
    study,
    summary,
    part: Math.max(0, summary.parts.indexOf(arrangement.part ?? '')),
    temperature: arrangement.temperature ?? summary.temperature,
  };
}

/** Those that are wanted, or all where none is. */
function prefer<Item>(items: readonly Item[], wanted: (item: Item) => boolean): readonly Item[] {
  const found = items.filter(wanted);
  return found.length > 0 ? found : items;
}

export function scoreControls(store: Store, { study, summary, part }: ChosenScores): TemplateResult {
  const deltas = [...new Set(study.matrices.map(({ deltaName }) => deltaName))];
  const ofDelta = study.matrices.filter(({ deltaName }) => deltaName === summary.deltaName);
  const methods = SCORE_METHODS.filter((id) => ofDelta.some(({ method }) => method === id));
  const granularities = GRANULARITIES.filter((id) =>
    ofDelta.some(({ method, granularity }) => method === summary.method && granularity === id),
  );
  return html`
    ${selectName(PAGE_STRINGS.scores.delta, deltas, summary.deltaName, (deltaName) =>
      store.arrange({ deltaName }),
    )}
    ${select(
      PAGE_STRINGS.common.method,
      methods.map((id) => ({
        value: id,
        label: SCORE_METHOD_INFO[id].title,
        description: SCORE_METHOD_INFO[id].summary,
      })),
      summary.method,
      // Another method's scores have another unit: its own temperature.
      (method) => store.arrange({ method, temperature: null, part: null }),
    )}
    ${select(
      PAGE_STRINGS.scores.granularity,
      granularities.map((id) => ({ value: id, label: PAGE_STRINGS.scores.granularities[id] })),
      summary.granularity,
      (granularity) => store.arrange({ granularity, part: null }),
    )}
    ${
      summary.parts.length < 2
        ? nothing
        : selectName(PAGE_STRINGS.scores.part, summary.parts, summary.parts[part] ?? null, (name) =>
            store.arrange({ part: name }),
          )
    }
  `;
}

/** The sheet of the version shown and of the one it is compared with, or what to show until they are there. */
export function sheets(
  store: Store,
  { summary }: ChosenScores,
): { sheet: ScoreSheet; compared: ScoreSheet | null } | TemplateResult {
  const { shownVersion, comparedVersion } = store.arrangement;
  const sheet = store.sheet(shownVersion, summary.id);
  if (sheet === undefined) {
    const failure = store.failureOf(`matrix ${shownVersion} ${summary.id}`);
    return failure === undefined ? loading(PAGE_STRINGS.scores.reading) : failureNotice(failure);
  }
  if (comparedVersion === undefined) return { sheet, compared: null };
  const compared = store.sheet(comparedVersion, summary.id);
  if (compared !== undefined) return { sheet, compared };
  const then = store.studyAt(comparedVersion);
  const failure =
    store.failureOf(`study ${comparedVersion}`) ?? store.failureOf(`matrix ${comparedVersion} ${summary.id}`);
  if (failure !== undefined) return failureNotice(failure);
  if (then !== undefined && !then.matrices.some(({ id }) => id === summary.id)) {
    return notice(
      'information',
      PAGE_STRINGS.scores.notThere(comparedVersion === null ? null : shortCommit(comparedVersion)),
    );
  }
  return loading(PAGE_STRINGS.scores.readingCompared);
}

export function isTemplate(value: object): value is TemplateResult {
  return '_$litType$' in value;
}

export function noScores(store: Store): TemplateResult {
  return html`<div class="empty">
    <h2>
      ${store.arrangement.shownVersion === null ? PAGE_STRINGS.scores.none : PAGE_STRINGS.scores.noneInVersion}
    </h2>
    <p>${PAGE_STRINGS.scores.purpose}</p>
    ${button(PAGE_STRINGS.scores.compute, () => void store.ask('score', {}), { primary: true })}
  </div>`;
}

/** `adapter-loss-block`: what exported files are called. */
export function scoresName(study: StudyView, summary: MatrixSummary): string {
  return `${study.name}-${summary.deltaName}-${summary.method}-${summary.granularity}`;
}
