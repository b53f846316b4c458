import type { TargetResult } from '../core/results.js';
import type { Initialisation, RunRecord } from './records.js';
import type { StaleRecords } from './staleness.js';
import { standings, type ResultRecords } from './standings.js';

/** What names an initialisation in tables: `random`, a merge's label, `from <task>` for a single checkpoint, `none`. */
export function initialisationLabel(initialisation: Initialisation): string {
  switch (initialisation.kind) {
    case 'random':
    case 'none':
      return initialisation.kind;
    case 'merge':
      return initialisation.label;
    case 'checkpoint':
      return `from ${initialisation.task}`;
  }
}

/** A few-shot tuning, whatever came of it: what results tables are made of. */
export function isTargetTuning({ kind, role }: Pick<RunRecord, 'kind' | 'role'>): boolean {
  return kind === 'tune' && role === 'target';
}

/**
 * The finished few-shot runs as rows for `collectResults`, oldest first, each with how it stands to what is asked for.
 *
 * @param tasks the study's, by name
 * @param stale as of {@link standings}
 */
export function targetResults(
  study: ResultRecords,
  tasks: readonly string[],
  stale: StaleRecords,
): TargetResult[] {
  const standing = standings(study, tasks, stale);
  return study.runs
    .filter((run) => isTargetTuning(run) && run.status === 'done')
    .sort((a, b) => a.provenance.time.localeCompare(b.provenance.time))
    .map((run) => ({
      task: run.task,
      deltaName: run.deltaName,
      shots: run.shots,
      initialisation: initialisationLabel(run.initialisation),
      seed: run.seed,
      metric: run.results.metric,
      dev: run.results.dev,
      test: run.results.test,
      ...standing(run),
    }));
}
