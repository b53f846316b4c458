import './panel.css';
import { html, nothing, render } from 'lit';
import { PANEL_KINDS, type PanelKind, type StudyView } from '../src/extension/panels/messages.js';
import { button, failureNotice, loading } from './controls.js';
import { BarPicture } from './pictures/bar-picture.js';
import { HeatmapPicture } from './pictures/heatmap-picture.js';
import { LegendStrip } from './pictures/legend-strip.js';
import { LinePicture } from './pictures/line-picture.js';
import { SmallMultiples } from './pictures/small-multiples.js';
import { Store } from './store.js';
import { PAGE_STRINGS } from './strings.js';
import { watchTheme } from './theme.js';
import { curvesView } from './views/curves-view.js';
import { heatmapView } from './views/heatmap-view.js';
import { resultsView } from './views/results-view.js';
import { weightsView } from './views/weights-view.js';

customElements.define('heatmap-picture', HeatmapPicture);
customElements.define('bar-picture', BarPicture);
customElements.define('line-picture', LinePicture);
customElements.define('small-multiples', SmallMultiples);
customElements.define('legend-strip', LegendStrip);

const VIEWS: Readonly<Record<PanelKind, (store: Store, study: StudyView) => unknown>> = {
  heatmap: heatmapView,
  weights: weightsView,
  results: resultsView,
  curves: curvesView,
};

const kind = PANEL_KINDS.find((candidate) => candidate === document.body.dataset['panel']) ?? 'heatmap';
const root = document.getElementById('panel') ?? document.body;
const store: Store = new Store(draw);
// The legend's colours belong to the theme.
watchTheme(() => store.changed());
draw();

function draw(): void {
  render(page(), root);
}

function page(): unknown {
  const { failure } = store;
  const problem =
    failure === null
      ? nothing
      : failureNotice(
          failure,
          button(PAGE_STRINGS.page.dismiss, () => store.dismiss()),
        );
  if (store.study === undefined) return loading(PAGE_STRINGS.page.reading);
  if (store.study === null) {
    return html`<div class="empty">
      <h2>${PAGE_STRINGS.page.noStudy}</h2>
      <p>${PAGE_STRINGS.page.noStudyRemedy}</p>
    </div>`;
  }
  return html`${problem} ${content()}`;
}

function content(): unknown {
  const { shownVersion } = store.arrangement;
  const study = store.studyAt(shownVersion);
  if (study !== undefined) return VIEWS[kind](store, study);
  const failure = store.failureOf(`study ${shownVersion}`);
  if (failure === undefined) return loading(PAGE_STRINGS.page.readingVersion);
  return failureNotice(
    failure,
    button(PAGE_STRINGS.page.showWorkingTree, () => store.arrange({ shownVersion: null })),
  );
}
