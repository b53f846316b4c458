import type { Compatibility } from '../../core/averaging-weights.js';
import { DeltaloomError } from '../../core/errors.js';
import type { DeltaTensors } from '../../core/tensor.js';
import type { Batch, Model, Teacher } from '../compute/contract.js';
import { probeBatches } from './batches.js';
import type { ScoredTarget } from './contract.js';

/** Memory that the teachers of one target may hold, in bytes; those beyond it are computed for every source again. */
const TEACHER_BUDGET = 2 ** 30;
/** An upper estimate of T5's width: the model's own is not part of its contract. */
const WIDEST_HIDDEN_STATE = 1024;

/** A target's probe while its row is scored: batches made once, teachers computed once per batch. */
export class TargetProbe {
  private readonly teachers = new Map<number, Teacher>();
  private held = 0;

  private constructor(
    private readonly model: Model,
    private readonly delta: DeltaTensors | null,
    readonly batches: readonly Batch[],
  ) {}

  /**
   * @param delta the target's own few-shot delta, where a method needs a teacher
   * @throws DeltaloomError `probe-empty`
   */
  static async open(
    model: Model,
    target: ScoredTarget,
    options: { batchSize: number; compatibility: Compatibility; delta: DeltaTensors | null },
  ): Promise<TargetProbe> {
    const batches = probeBatches(await target.examples(), options.batchSize, options.compatibility);
    if (batches.length === 0) {
      throw new DeltaloomError('probe-empty', `The probe of '${target.task}' has no example to score on.`, {
        remedy: "Fill the task's dev file, or choose another split in deltaloom.json ('scores.probe').",
      });
    }
    return new TargetProbe(model, options.delta, batches);
  }

  /** Lends the teacher of a batch to `use`; null when the target's delta is not needed. */
  async withTeacher<Result>(
    index: number,
    use: (batch: Batch, teacher: Teacher | null) => Promise<Result>,
  ): Promise<Result> {
    const batch = this.batches[index];
    if (batch === undefined) throw new RangeError(`no batch ${index}`);
    if (this.delta === null) return use(batch, null);
    const known = this.teachers.get(index);
    if (known !== undefined) return use(batch, known);
    const teacher = await this.model.teach(this.delta, batch);
    const bytes = teacherBytes(this.model, batch);
    const keep = this.held + bytes <= TEACHER_BUDGET;
    if (keep) {
      this.teachers.set(index, teacher);
      this.held += bytes;
    }
    try {
      return await use(batch, teacher);
    } finally {
      if (!keep) teacher.dispose();
    }
  }

  dispose(): void {
    for (const teacher of this.teachers.values()) teacher.dispose();
    this.teachers.clear();
  }
}

function teacherBytes(model: Model, { size, sourceLength, targetLength }: Batch): number {
  const distribution = targetLength * model.backbone.vocabularySize;
  const states =
    (sourceLength * model.backbone.encoderBlocks + targetLength * model.backbone.decoderBlocks) *
    WIDEST_HIDDEN_STATE;
  return 4 * size * (distribution + states);
}
