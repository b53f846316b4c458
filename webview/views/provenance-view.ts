import { html, nothing, type TemplateResult } from 'lit';
import type { ProvenanceView } from '../../src/extension/panels/messages.js';
import { latestProvenance, provenanceText, recordedText, shortCommit } from '../models/provenance.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';

/** One line that says what was computed when, by whom, at which commit; the commit can be opened. */
export function provenanceLine(store: Store, provenances: readonly ProvenanceView[]): TemplateResult {
  const latest = latestProvenance(provenances);
  if (latest === null) return html``;
  const commits = new Set(provenances.flatMap(({ commit }) => commit ?? [])).size;
  const { commit, subject, author } = latest;
  return html`<p class="provenance">
    ${provenanceText(latest)}${commits > 1 ? PAGE_STRINGS.provenance.alsoAt(commits - 1) : ''}.
    ${
      // Whose author isn't known is a commit of another repository: there is nothing to open.
      commit === null || author === null ? nothing : commitLink(store, commit, subject ?? '')
    }
  </p>`;
}

/** Where the files on screen stand in git: the commit that brought them, or that they were not committed since. */
export function recordedLine(store: Store): TemplateResult {
  const { history, arrangement } = store;
  const recorded = history === null ? null : recordedText(history, arrangement.shownVersion);
  if (recorded === null) return html``;
  const { text, commit } = recorded;
  return html`<p class="provenance">
    ${text}. ${commit === null ? nothing : commitLink(store, commit.hash, commit.subject)}
  </p>`;
}

/** The same for exports: how it was computed, where it is on record, and the versions of a difference. */
export function provenanceNotes(store: Store, provenances: readonly ProvenanceView[]): string[] {
  const { history, arrangement } = store;
  const latest = latestProvenance(provenances);
  const recorded = history === null ? null : recordedText(history, arrangement.shownVersion);
  return [
    ...(latest === null ? [] : [provenanceText(latest)]),
    ...(recorded === null ? [] : [recorded.text]),
  ];
}

function commitLink(store: Store, commit: string, subject: string): TemplateResult {
  return html`<a
    href="#"
    title=${subject}
    @click=${(event: Event) => {
      event.preventDefault();
      void store.ask('openCommit', { commit });
    }}
    >${PAGE_STRINGS.provenance.open(shortCommit(commit))}</a
  >`;
}
