import type { JobContext, JobProgress } from './jobs.js';

/** Counts the units of a job and tells how long the rest will take, from the pace of what was really computed. */
export class Pace {
  private finished = 0;
  private computed = 0;
  private readonly started = performance.now();

  constructor(
    private readonly context: JobContext,
    private readonly total: number,
    private readonly unit: JobProgress['unit'],
  ) {}

  /** Units that needed no work. */
  skip(units: number): void {
    this.finished += units;
  }

  /** Units of one piece of work that is finished. */
  finish(units: number): void {
    this.finished += units;
    this.computed += units;
  }

  /** @param within units done of the piece in hand */
  report(label: string, within: number, more: Partial<JobProgress> = {}): void {
    const computed = this.computed + within;
    const done = Math.min(this.total, this.finished + within);
    const seconds = (performance.now() - this.started) / 1000;
    this.context.progress({
      label,
      done,
      total: this.total,
      unit: this.unit,
      ...(computed > 0 ? { secondsLeft: (seconds / computed) * Math.max(0, this.total - done) } : {}),
      ...more,
    });
  }
}
