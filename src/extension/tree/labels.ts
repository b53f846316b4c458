import type { Initialisation, RunRecord } from '../../study/records.js';
import { SCORE_METHOD_INFO, SCORE_METHODS, type ScoreMethod } from '../../core/methods.js';

/** How numbers, ages and settings are written for people, everywhere in the editor. */

/** 0.8125 -> '81.3%'. */
export function formatMetric(value: number | null): string {
  return value === null ? '–' : `${(value * 100).toFixed(1)}%`;
}

/** 'adapter · 16 shots · seed 13': the parts that say something. */
export function joinParts(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' · ');
}

export function formatShots(shots: number | 'full'): string {
  return shots === 'full' ? 'full data' : `${shots} shots`;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** 'now', '5 min', '3 h', '12 d', '4 mo', '2 y': short enough for a row of the tree. */
export function formatAge(time: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (Number.isNaN(seconds)) return '';
  if (seconds < MINUTE) return 'now';
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  if (seconds < 60 * DAY) return `${Math.floor(seconds / DAY)} d`;
  if (seconds < 730 * DAY) return `${Math.floor(seconds / (30 * DAY))} mo`;
  return `${Math.floor(seconds / (365 * DAY))} y`;
}

/** 42 -> '42 s', 200 -> '3 min 20 s', 7000 -> '1 h 56 min'. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) {
    const rest = whole % MINUTE;
    return rest === 0 || whole >= 10 * MINUTE
      ? `${Math.round(whole / MINUTE)} min`
      : `${Math.floor(whole / MINUTE)} min ${rest} s`;
  }
  return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`;
}

export function shortCommit(commit: string | null, dirty: boolean): string {
  return commit === null ? '' : `${commit.slice(0, 7)}${dirty ? '*' : ''}`;
}

/** What merges without scores are weighed by, for people. */
const UNSCORED: Readonly<Record<string, string>> = {
  average: 'plain average',
  group: 'group',
  'best-source': 'best source',
  explicit: 'chosen weights',
};

/** What a merge is weighed by, for people: the title of a score method or one of the others; parts are kept. */
export function formatMergeLabel(label: string): string {
  const [id = '', ...part] = label.split('/');
  const title = isScoreMethod(id) ? SCORE_METHOD_INFO[id].title : (UNSCORED[id] ?? id);
  return part.length === 0 ? title : `${title}, ${part.join('/')}`;
}

/** 'Merge by Loss' */
export function formatMerge({ label }: { readonly label: string }): string {
  return `Merge by ${formatMergeLabel(label)}`;
}

export function isScoreMethod(text: string): text is ScoreMethod {
  return (SCORE_METHODS as readonly string[]).includes(text);
}

export function formatInitialisation(initialisation: Initialisation): string {
  switch (initialisation.kind) {
    case 'random':
      return 'random start';
    case 'none':
      return 'no delta';
    case 'checkpoint':
      return `from ${initialisation.task}`;
    case 'merge':
      return `from merge by ${formatMergeLabel(initialisation.label)}`;
  }
}

/** 'adapter, 16 shots, from merge by Loss': what the run was, without its outcome. */
export function formatRun(run: RunRecord): string {
  if (run.role === 'source') return `${run.deltaName} source, ${formatShots(run.shots)}`;
  return `${run.deltaName}, ${formatShots(run.shots)}, ${formatInitialisation(run.initialisation)}`;
}
