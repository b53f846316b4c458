import type { Initialisation, RunRecord } from '../../study/records.js';
import { SCORE_METHOD_INFO, SCORE_METHODS, type ScoreMethod } from '../../core/methods.js';
import { STRINGS } from '../strings.js';

/** How numbers, settings, merges and runs are written for people, everywhere in the editor. */

/** 0.8125 -> '81.3%'. */
export function formatMetric(value: number | null): string {
  return value === null ? '–' : `${(value * 100).toFixed(1)}%`;
}

/** 'adapter · 16 shots · seed 13': the parts that say something. */
export function joinParts(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' · ');
}

/** The first of many lines, and how many more there are. */
export function firstLines(lines: readonly string[], most: number): string[] {
  const rest = lines.length - most;
  return rest > 0 ? [...lines.slice(0, most), STRINGS.tree.more(rest)] : [...lines];
}

/** 'targetModules' -> 'target modules' */
export function formatSettingName(key: string): string {
  return key.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
}

export function formatShots(shots: number | 'full'): string {
  return shots === 'full' ? STRINGS.labels.fullData : STRINGS.labels.shots(shots);
}

export function shortCommit(commit: string | null, dirty: boolean): string {
  return commit === null ? '' : `${commit.slice(0, 7)}${dirty ? '*' : ''}`;
}

/** What merges without scores are weighed by, for people. */
const UNSCORED: Readonly<Record<string, string>> = STRINGS.labels.unscored;

/** What a merge is weighed by, for people: the title of a score method or one of the others; parts are kept. */
export function formatMergeLabel(label: string): string {
  const [id = '', ...part] = label.split('/');
  const title = isScoreMethod(id) ? SCORE_METHOD_INFO[id].title : (UNSCORED[id] ?? id);
  return part.length === 0 ? title : `${title}, ${part.join('/')}`;
}

/** 'Merge by Loss' */
export function formatMerge({ label }: { readonly label: string }): string {
  return STRINGS.labels.mergeBy(formatMergeLabel(label));
}

export function isScoreMethod(text: string): text is ScoreMethod {
  return (SCORE_METHODS as readonly string[]).includes(text);
}

export function formatInitialisation(initialisation: Initialisation): string {
  switch (initialisation.kind) {
    case 'random':
      return STRINGS.labels.randomStart;
    case 'none':
      return STRINGS.labels.noDelta;
    case 'checkpoint':
      return STRINGS.labels.from(initialisation.task);
    case 'merge':
      return STRINGS.labels.fromMergeBy(formatMergeLabel(initialisation.label));
  }
}

/** 'from Loss', the same for a row that has little room. */
export function formatStart(initialisation: Initialisation): string {
  return initialisation.kind === 'merge'
    ? STRINGS.labels.from(formatMergeLabel(initialisation.label))
    : formatInitialisation(initialisation);
}

/** 'adapter, 16 shots, from merge by Loss': what the run was, without its outcome. */
export function formatRun(run: RunRecord): string {
  if (run.role === 'source') return STRINGS.labels.sourceRun(run.deltaName, formatShots(run.shots));
  return `${run.deltaName}, ${formatShots(run.shots)}, ${formatInitialisation(run.initialisation)}`;
}
