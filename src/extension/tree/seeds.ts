import { mean, standardDeviation } from '../../core/statistics.js';
import { runKey, type Checkpoint } from './study-index.js';

/**
 * The few-shot runs of a task that differ by their seed alone, by what they have in common. A run that has no fellow is left out:
 * it stands for itself. So does one that failed or was stopped: nobody should have to look for it.
 */
export function collectSeeds(checkpoints: readonly Checkpoint[]): ReadonlyMap<string, readonly Checkpoint[]> {
  const fellows = new Map<string, Checkpoint[]>();
  for (const checkpoint of checkpoints) {
    if (checkpoint.run.role !== 'target' || checkpoint.run.status !== 'done') continue;
    const key = commonKey(checkpoint);
    const known = fellows.get(key);
    if (known === undefined) fellows.set(key, [checkpoint]);
    else known.push(checkpoint);
  }
  return new Map(
    [...fellows].flatMap(([key, runs]) =>
      runs.length < 2 ? [] : [[key, runs.sort((a, b) => a.run.seed - b.run.seed)] as const],
    ),
  );
}

/** What the runs of one row over seeds share: everything that was chosen but the seed. */
function commonKey({ run: { deltaName, delta, shots, initialisation, tuning } }: Checkpoint): string {
  return JSON.stringify([deltaName, delta, shots, initialisation, tuning]);
}

/** The key under which a run stands, by its own key. */
export function seedsByRun(seeds: ReadonlyMap<string, readonly Checkpoint[]>): ReadonlyMap<string, string> {
  return new Map(
    [...seeds].flatMap(([key, runs]) => runs.map(({ run }) => [runKey(run.task, run.id), key] as const)),
  );
}

/**
 * Mean and deviation (0 to 1) of what was measured over the seeds: on test where any was, else on dev. What is
 * stale counts only where there is nothing else.
 */
export function scoreOverSeeds(checkpoints: readonly Checkpoint[]): {
  readonly seeds: number;
  readonly mean: number | null;
  readonly deviation: number | null;
} {
  const whole = checkpoints.filter(({ state }) => state === 'done' || state === 'absent');
  const counted = (whole.length > 0 ? whole : checkpoints).filter(({ score }) => score !== null);
  const split = counted.some(({ scoreSplit }) => scoreSplit === 'test') ? 'test' : 'dev';
  const scores = counted.flatMap(({ score, scoreSplit }) =>
    score === null || scoreSplit !== split ? [] : [score],
  );
  return {
    seeds: scores.length,
    mean: scores.length === 0 ? null : mean(scores),
    deviation: standardDeviation(scores),
  };
}
