import type { TargetResult } from '../core/results.js';
import type { Initialisation, RunRecord } from './records.js';

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

/** The finished few-shot runs as rows for `collectResults`, oldest first: of two runs of a seed the later counts. */
export function targetResults(runs: readonly RunRecord[]): TargetResult[] {
  return runs
    .filter(({ kind, role, status }) => kind === 'tune' && role === 'target' && status === 'done')
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
    }));
}
