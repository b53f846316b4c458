import type {
  CommitView,
  HistoryView,
  MatrixSummary,
  MatrixValues,
  ProvenanceView,
  RepositoryView,
} from '../../src/extension/panels/messages.js';
import { PAGE_STRINGS } from '../strings.js';
import { once } from './once.js';

/** Where what is on screen came from, in words. Pure. */

export function shortCommit(commit: string): string {
  return commit.slice(0, 7);
}

export function versionName(version: string | null): string {
  return version === null ? PAGE_STRINGS.versions.workingTreeName : shortCommit(version);
}

/** `3 Nov 2026, 14:02` in the person's own time zone. */
export function formatTime(iso: string, timeZone?: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return clock(timeZone).format(date);
}

/** One is slow to make, and a picker writes a thousand dates. */
const clock = once(
  (timeZone: string | undefined) =>
    new Intl.DateTimeFormat('en-GB', {
      dateStyle: 'medium',
      timeStyle: 'short',
      ...(timeZone === undefined ? {} : { timeZone }),
    }),
);

/** `Computed at 1a2b3c4 on main by Ada, 3 Nov 2026, 14:02, on cpu in 3.1 s; the tree had uncommitted changes`. */
export function provenanceText(provenance: ProvenanceView, timeZone?: string): string {
  const { commit, time } = provenance;
  return PAGE_STRINGS.provenance.computed({
    ...provenance,
    commit: commit === null ? null : shortCommit(commit),
    time: formatTime(time, timeZone),
  });
}

/**
 * Where these records stand in git: `On record since 1a2b3c4 by Ada, 3 Nov 2026, 14:02: Score by loss`. Of `commits`, newest
 * first, those count in which they changed themselves; null when the version shown is none of them, so that it isn't known.
 */
export function recordedText(
  { commits, changedHere, repository }: HistoryView,
  shownVersion: string | null,
  timeZone?: string,
): { readonly text: string; readonly commit: CommitView | null } | null {
  if (repository.kind === 'none') return null;
  const last =
    commits.find(({ hash, here }) => here && (shownVersion === null || hash === shownVersion)) ?? null;
  if (last === null) {
    return shownVersion === null ? { text: PAGE_STRINGS.provenance.notCommitted, commit: null } : null;
  }
  const { hash, author, date, subject } = last;
  const where = PAGE_STRINGS.provenance.commit(
    shortCommit(hash),
    author,
    formatTime(date, timeZone),
    subject,
  );
  return shownVersion === null && changedHere
    ? { text: PAGE_STRINGS.provenance.changed(where), commit: last }
    : { text: PAGE_STRINGS.provenance.recorded(where), commit: last };
}

/** The latest of several. */
export function latestProvenance(provenances: readonly ProvenanceView[]): ProvenanceView | null {
  return [...provenances].sort((a, b) => a.time.localeCompare(b.time)).at(-1) ?? null;
}

export function commitLabel({ hash, subject }: CommitView): string {
  return `${shortCommit(hash)} ${subject}`;
}

export function commitDetail({ author, date }: CommitView): string {
  return `${author}, ${formatTime(date)}`;
}

/** What is unusual about the repository, or null. */
export function repositoryNotice(repository: RepositoryView): string | null {
  if (repository.kind === 'none') return `${repository.reason} ${repository.remedy}`.trim();
  const notices: string[] = [];
  if (repository.head === null) notices.push(PAGE_STRINGS.provenance.noCommit);
  else if (repository.branch === null && repository.operation === null) {
    notices.push(PAGE_STRINGS.provenance.detached(shortCommit(repository.head)));
  }
  if (repository.operation !== null) notices.push(PAGE_STRINGS.provenance.inProgress(repository.operation));
  if (repository.shallow) notices.push(PAGE_STRINGS.provenance.shallow);
  return notices.length === 0 ? null : notices.join(' ');
}

/** The provenance of one cell; null when it was not computed. */
export function cellProvenance(
  summary: MatrixSummary,
  values: MatrixValues,
  target: string,
  source: string,
): ProvenanceView | null {
  const place = summary.targets.indexOf(target) * summary.sources.length + summary.sources.indexOf(source);
  return summary.provenances[values.provenance[place] ?? -1] ?? null;
}
