import { html, nothing, type TemplateResult } from 'lit';
import { GRANULARITIES, SCORE_METHODS, SCORE_METHOD_INFO, type Granularity } from '../../src/core/methods.js';
import type { MatrixSummary, StudyView } from '../../src/extension/panels/messages.js';
import { button, failureNotice, loading, notice, select, selectName } from '../controls.js';
import type { ScoreSheet } from '../models/heatmap.js';
import { shortCommit } from '../models/provenance.js';
import type { Store } from '../store.js';

/** Choosing a score matrix, shared by heatmap and weights. */

export interface ChosenScores {
  readonly study: StudyView;
  readonly summary: MatrixSummary;
  readonly part: number;
  readonly temperature: number;
}

const GRANULARITY_LABELS: Readonly<Record<Granularity, string>> = {
  model: 'Whole model',
  block: 'Blocks',
  layer: 'Layers',
};

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
    ${selectName('Delta', deltas, summary.deltaName, (deltaName) => store.arrange({ deltaName }))}
    ${select(
      'Method',
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
      'Granularity',
      granularities.map((id) => ({ value: id, label: GRANULARITY_LABELS[id] })),
      summary.granularity,
      (granularity) => store.arrange({ granularity, part: null }),
    )}
    ${
      summary.parts.length < 2
        ? nothing
        : selectName('Part', summary.parts, summary.parts[part] ?? null, (name) =>
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
    return failure === undefined ? loading('Reading scores…') : failureNotice(failure);
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
      `These scores did not exist ${comparedVersion === null ? 'in the working tree' : `at ${shortCommit(comparedVersion)}`}: there is nothing to compare with.`,
    );
  }
  return loading('Reading scores to compare with…');
}

export function isTemplate(value: object): value is TemplateResult {
  return '_$litType$' in value;
}

export function noScores(store: Store): TemplateResult {
  return html`<div class="empty">
    <h2>No scores ${store.arrangement.shownVersion === null ? 'yet' : 'in this version'}</h2>
    <p>
      Scores say how related every target is to every source. Compute them once; they are kept with the study.
    </p>
    ${button('Score Tasks…', () => void store.ask('score', {}), { primary: true })}
  </div>`;
}

/** `adapter-loss-block`: what exported files are called. */
export function scoresName(study: StudyView, summary: MatrixSummary): string {
  return `${study.name}-${summary.deltaName}-${summary.method}-${summary.granularity}`;
}
