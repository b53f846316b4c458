import { mean, standardDeviation } from '../../core/statistics.js';
import type { Checkpoint, TaskContents } from './study-index.js';

/** Runs over several seeds, by what they have in common. */
export type Seeds = ReadonlyMap<string, readonly Checkpoint[]>;

/** Every row over seeds asks for those of its task, and a task may have thousands of runs. */
const known = new WeakMap<TaskContents, Seeds>();

/** The few-shot runs of a task that differ by their seed alone. A run that has no fellow is left out: it stands for itself. */
export function seedsOf(contents: TaskContents): Seeds {
  const present = known.get(contents);
  if (present !== undefined) return present;
  const fellows = new Map<string, Checkpoint[]>();
  for (const checkpoint of contents.checkpoints) {
    const common = commonKey(checkpoint);
    if (common === null) continue;
    const others = fellows.get(common);
    if (others === undefined) fellows.set(common, [checkpoint]);
    else others.push(checkpoint);
  }
  for (const [common, runs] of fellows) {
    if (runs.length < 2) fellows.delete(common);
    else runs.sort((a, b) => a.run.seed - b.run.seed);
  }
  known.set(contents, fellows);
  return fellows;
}

/**
 * What a run shares with those of other seeds: everything that was chosen but the seed. null for a source, and for what failed or
 * was stopped: nobody should have to look for it.
 */
export function commonKey({ run }: Checkpoint): string | null {
  if (run.role !== 'target' || run.status !== 'done') return null;
  return JSON.stringify([run.deltaName, run.delta, run.shots, run.initialisation, run.tuning]);
}

/**
 * Mean and deviation (0 to 1) of what was measured over the seeds: on test where any was, else on dev. What is
 * stale counts only where there is nothing else.
 */
export function scoreOverSeeds(checkpoints: readonly Checkpoint[]): {
  readonly seeds: number;
  readonly split: 'dev' | 'test';
  readonly mean: number | null;
  readonly deviation: number | null;
} {
  const fresh = checkpoints.filter(({ state }) => state !== 'stale');
  const counted = fresh.length > 0 ? fresh : checkpoints;
  const split = counted.some(({ scoreSplit }) => scoreSplit === 'test') ? 'test' : 'dev';
  const scores = counted.flatMap(({ score, scoreSplit }) =>
    score === null || scoreSplit !== split ? [] : [score],
  );
  return {
    seeds: scores.length,
    split,
    mean: scores.length === 0 ? null : mean(scores),
    deviation: standardDeviation(scores),
  };
}
