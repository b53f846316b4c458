import type {
  CommitView,
  MatrixSummary,
  MatrixValues,
  ProvenanceView,
  RepositoryView,
} from '../../src/extension/panels/messages.js';

/** Where what is on screen came from, in words. Pure. */

export function shortCommit(commit: string): string {
  return commit.slice(0, 7);
}

export function versionName(version: string | null): string {
  return version === null ? 'working tree' : shortCommit(version);
}

/** `3 Nov 2026, 14:02` in the person's own time zone. */
export function formatTime(iso: string, timeZone?: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return new Intl.DateTimeFormat('en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
    ...(timeZone === undefined ? {} : { timeZone }),
  }).format(date);
}

/** `Computed at 1a2b3c4 on main by Ada, 3 Nov 2026, 14:02, on cpu in 3.1 s; the tree had uncommitted changes`. */
export function provenanceText(provenance: ProvenanceView, timeZone?: string): string {
  const { commit, branch, dirty, author, time, device, seconds } = provenance;
  const where = commit === null ? 'without a commit' : `at ${shortCommit(commit)}`;
  return [
    `Computed ${where}`,
    commit === null || branch === null ? '' : ` on ${branch}`,
    author === null ? '' : ` by ${author}`,
    `, ${formatTime(time, timeZone)}, on ${device}`,
    seconds > 0 ? ` in ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s` : '',
    commit === null || !dirty ? '' : '; the tree had uncommitted changes',
  ].join('');
}

/** The latest of several, with how many there are. */
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
  if (repository.head === null) notices.push('This repository has no commit yet.');
  else if (repository.branch === null && repository.operation === null) {
    notices.push(`HEAD is detached at ${shortCommit(repository.head)}: a commit made now is on no branch.`);
  }
  if (repository.operation !== null) {
    notices.push(`A ${repository.operation} is in progress: results can be committed when it has ended.`);
  }
  if (repository.shallow)
    notices.push('This is a shallow clone: older commits are missing (git fetch --unshallow).');
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
