import { hasEnded, type JobView } from '../runtime/protocol.js';
import { CONTEXT_KEYS, type ContextKey } from './identifiers.js';
import type { RuntimeState } from './services.js';
import type { Arrangement, IndexedStudy } from './tree/nodes.js';

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
}

type Values = Record<ContextKey, boolean | string>;

/** Every context key from the situation. Pure; the steps of the walkthrough stay true once they were. */
export function collectContext(situation: Situation, stepsDone: ReadonlySet<string>): Values {
  const { folders, ready, studies, jobs, state } = situation;
  const ofKind = (kind: string): boolean =>
    jobs.some((job) => job.state === 'done' && job.request.kind === kind) || stepsDone.has(kind);
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
    [CONTEXT_KEYS.hasResults]: some(({ study }) =>
      study.snapshot.runs.some((run) => run.role === 'target' && run.status === 'done'),
    ),
    [CONTEXT_KEYS.tunedOnce]: ofKind('tune') || ofKind('run'),
    [CONTEXT_KEYS.scoredOnce]: ofKind('score') || ofKind('run'),
    [CONTEXT_KEYS.mergedOnce]: ofKind('merge') || ofKind('run'),
  };
}
