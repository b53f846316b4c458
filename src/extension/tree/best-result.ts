import type { RunRecord } from '../../study/records.js';
import { commonKey, scoreOverSeeds, seedsOf } from './seeds.js';
import type { TaskContents } from './study-index.js';

/** What a task has come to so far. */
export interface BestResult {
  /** One of the runs; over several seeds any of them. */
  readonly run: RunRecord;
  /** 0 to 1, the mean over the seeds. */
  readonly score: number;
  readonly split: 'dev' | 'test';
  readonly seeds: number;
}

/** Asked for by every drawing of the tree. */
const known = new WeakMap<TaskContents, BestResult | null>();

/**
 * The best few-shot result, over seeds, on the test split; on dev where nothing was tested, and of a source where nothing else was
 * tuned: what was measured on different splits or tuned on all the data says nothing beside it. null: nothing was measured.
 */
export function bestResultOf(contents: TaskContents): BestResult | null {
  const present = known.get(contents);
  if (present !== undefined) return present;
  const best = measured(contents).reduce<BestResult | null>(
    (first, second) => (first === null || compare(second, first) > 0 ? second : first),
    null,
  );
  known.set(contents, best);
  return best;
}

function measured(contents: TaskContents): BestResult[] {
  const seeds = seedsOf(contents);
  const alone = contents.checkpoints.filter(
    (checkpoint) => checkpoint.state !== 'failed' && !seeds.has(commonKey(checkpoint) ?? ''),
  );
  return [...seeds.values(), ...alone.map((checkpoint) => [checkpoint])].flatMap((runs): BestResult[] => {
    const [first] = runs;
    const { mean, split, seeds } = scoreOverSeeds(runs);
    return first === undefined || mean === null ? [] : [{ run: first.run, score: mean, split, seeds }];
  });
}

function compare(a: BestResult, b: BestResult): number {
  return rank(a) - rank(b) || a.score - b.score;
}

function rank({ run, split }: BestResult): number {
  return (run.role === 'source' ? 0 : 2) + (split === 'test' ? 1 : 0);
}
