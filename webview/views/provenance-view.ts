import { html, nothing, type TemplateResult } from 'lit';
import type { ProvenanceView } from '../../src/extension/panels/messages.js';
import { latestProvenance, provenanceText, shortCommit } from '../models/provenance.js';
import type { Store } from '../store.js';

/** One line that says what was computed when, by whom, at which commit; the commit can be opened. */
export function provenanceLine(
  store: Store,
  provenances: readonly ProvenanceView[],
  what = '',
): TemplateResult {
  const latest = latestProvenance(provenances);
  if (latest === null) return html``;
  const commits = new Set(provenances.flatMap(({ commit }) => commit ?? [])).size;
  const { commit } = latest;
  return html`<p class="provenance">
    ${what === '' ? nothing : html`<b>${what}</b> `}${provenanceText(latest)}${
      commits > 1 ? `; parts of it at ${commits - 1} other ${commits === 2 ? 'commit' : 'commits'}` : ''
    }.
    ${
      commit === null
        ? nothing
        : html`<a
            href="#"
            title=${latest.subject ?? ''}
            @click=${(event: Event) => {
              event.preventDefault();
              void store.ask('openCommit', { commit });
            }}
            >Open ${shortCommit(commit)}</a
          >`
    }
  </p>`;
}

/** The same for exports. */
export function provenanceNotes(provenances: readonly ProvenanceView[]): string[] {
  const latest = latestProvenance(provenances);
  return latest === null ? [] : [provenanceText(latest)];
}
