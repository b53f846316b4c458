import { hasEnded, type JobView } from '../runtime/protocol.js';
import { CONTEXT_KEYS, type ContextKey } from './identifiers.js';
import type { RuntimeState } from './services.js';
import type { Arrangement, IndexedStudy } from './tree/nodes.js';
import { outdatedMerges } from './tree/study-index.js';

/** What the `when` clauses of package.json are decided by. */
export interface Situation {
  readonly folders: number;
  readonly ready: boolean;
  readonly studies: readonly IndexedStudy[];
  readonly backboneFound: (directory: string) => boolean;
  readonly jobs: readonly JobView[];
  readonly state: RuntimeState;
  readonly arrangement: Arrangement;
  readonly checked: number;
  readonly remembersTuning: boolean;
  /** Kinds of the panels that are open. */
  readonly panels: readonly string[];
}

/** The keys by which the walkthrough ticks its steps. */
export const STEP_KEYS: ReadonlySet<string> = new Set<ContextKey>([
  CONTEXT_KEYS.openedOnce,
  CONTEXT_KEYS.tunedOnce,
  CONTEXT_KEYS.scoredOnce,
  CONTEXT_KEYS.mergedOnce,
  CONTEXT_KEYS.heatmapOnce,
  CONTEXT_KEYS.resultsOnce,
]);

/** What was done, by name: kinds of jobs, and kinds of panels that were looked at. */
export function collectSteps({ jobs, panels }: Situation): string[] {
  return [...jobs.filter(({ state }) => state === 'done').map(({ request }) => request.kind), ...panels];
}

type Values = Record<ContextKey, boolean | string>;

/** Every context key from the situation. Pure; the steps of the walkthrough stay true once they were. */
export function collectContext(situation: Situation, stepsDone: ReadonlySet<string>): Values {
  const { folders, ready, studies, jobs, state } = situation;
  const steps = new Set([...stepsDone, ...collectSteps(situation)]);
  const some = (test: (entry: IndexedStudy) => boolean): boolean => studies.some(test);
  return {
    [CONTEXT_KEYS.studies]:
      folders === 0 ? 'no-folder' : !ready ? 'looking' : studies.length === 0 ? 'none' : 'some',
    [CONTEXT_KEYS.backboneMissing]: some(({ study }) => !situation.backboneFound(study.directory)),
    [CONTEXT_KEYS.runtimeBroken]: state.kind === 'broken',
    [CONTEXT_KEYS.jobsRunning]: jobs.some((job) => !hasEnded(job.state)),
    [CONTEXT_KEYS.filtered]: situation.arrangement.filter !== '',
    [CONTEXT_KEYS.anyChecked]: situation.checked > 0,
    [CONTEXT_KEYS.canTuneAgain]: situation.remembersTuning,
    [CONTEXT_KEYS.hasCheckpoints]: some(({ index }) => index.checkpointById.size > 0),
    [CONTEXT_KEYS.hasScores]: some(({ study }) => study.snapshot.matrices.length > 0),
    [CONTEXT_KEYS.hasMerges]: some(({ index }) => index.mergeById.size > 0),
    [CONTEXT_KEYS.canMergeAgain]: some(({ index }) => outdatedMerges(index).length > 0),
    [CONTEXT_KEYS.hasResults]: some(({ study }) =>
      study.snapshot.runs.some((run) => run.role === 'target' && run.status === 'done'),
    ),
    [CONTEXT_KEYS.openedOnce]: studies.length > 0,
    [CONTEXT_KEYS.tunedOnce]: steps.has('tune') || steps.has('run'),
    [CONTEXT_KEYS.scoredOnce]: steps.has('score') || steps.has('run'),
    [CONTEXT_KEYS.mergedOnce]: steps.has('merge') || steps.has('run'),
    [CONTEXT_KEYS.heatmapOnce]: steps.has('heatmap'),
    [CONTEXT_KEYS.resultsOnce]: steps.has('results'),
  };
}
