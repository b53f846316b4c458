import { Random } from '../model/random.js';
import type { Batch, TokenisedExample } from './compute/contract.js';
import { padBatch } from './compute/padding.js';

/** Streams of one seed that must not repeat one another. */
const ORDER = 1;
const ANSWERS = 2;

/** Batches that are filled together: rows of like length share a batch, so that little is padded. */
const BATCHES_SORTED_TOGETHER = 8;
/** Lengths within this ratio count as equal, so that the rows that share a batch change from epoch to epoch. */
const LENGTH_RATIO = 1.25;

/**
 * Which rows form the batch of a step, and which of its own answers each row is taught. A function of the seed and the
 * step alone: a training that resumes needs no generator state.
 */
export class TrainingOrder {
  private epoch = -1;
  private batches: readonly (readonly number[])[] = [];

  constructor(
    private readonly examples: readonly TokenisedExample[],
    private readonly options: {
      readonly batchSize: number;
      readonly seed: number;
      /** false: batches are drawn without regard to length, as the reference does. */
      readonly byLength: boolean;
    },
  ) {
    if (examples.length === 0) throw new RangeError('there is nothing to train on');
  }

  /** The batch of a step, which counts from 1. */
  batch(step: number): Batch {
    const perEpoch = Math.ceil(this.examples.length / this.options.batchSize);
    const epoch = Math.floor((step - 1) / perEpoch);
    if (epoch !== this.epoch) {
      this.batches = this.shuffled(epoch);
      this.epoch = epoch;
    }
    const rows = this.batches[(step - 1) % perEpoch] ?? [];
    const answers = new Random(this.options.seed, ANSWERS, step);
    return padBatch(
      rows.map((index) => {
        const example = this.examples[index];
        const label = example?.answers[answers.below(example.answers.length)];
        if (example === undefined || label === undefined) throw new Error(`row ${index} has no answer`);
        return { row: example.row, input: example.input, label };
      }),
    );
  }

  private shuffled(epoch: number): number[][] {
    const { batchSize, seed, byLength } = this.options;
    const random = new Random(seed, ORDER, epoch);
    const order = random.shuffle(this.examples.map((_, index) => index));
    if (!byLength) return cut(order, batchSize);
    const batches = cut(order, batchSize * BATCHES_SORTED_TOGETHER).flatMap((some) =>
      cut(
        // The sort is stable: among equals the shuffled order stays.
        some.sort((a, b) => this.lengthClass(a) - this.lengthClass(b)),
        batchSize,
      ),
    );
    return random.shuffle(batches);
  }

  private lengthClass(index: number): number {
    const length = this.examples[index]?.input.length ?? 1;
    return Math.floor(Math.log(Math.max(1, length)) / Math.log(LENGTH_RATIO));
  }
}

function cut<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
