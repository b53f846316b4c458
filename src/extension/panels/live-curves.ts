import type { JobView } from '../../runtime/protocol.js';
import { hasEnded } from '../../runtime/protocol.js';
import type { CurveView } from './messages.js';

type Point = CurveView['train'][number];

interface Growing {
  readonly study: string;
  readonly task: string;
  readonly train: Point[];
  readonly dev: Point[];
}

/** Learning curves of tunings that still run, from their progress: their records appear only at the end. */
export class LiveCurves {
  private readonly growing = new Map<string, Growing & { readonly job: string }>();

  /** Takes in a job's news; returns the curve that grew, or null. */
  take(job: JobView): CurveView | null {
    if (hasEnded(job.state)) {
      for (const [id, curve] of this.growing) if (curve.job === job.id) this.growing.delete(id);
      return null;
    }
    const { task, runId, step, loss, metric } = job.progress ?? {};
    if (task === undefined || runId === undefined || step === undefined) return null;
    const id = `${task}/${runId}`;
    let curve = this.growing.get(id);
    if (curve === undefined) {
      // A job that does several tunings does one after the other: the one before is on record now.
      for (const [earlier, { job: of }] of this.growing) if (of === job.id) this.growing.delete(earlier);
      curve = { job: job.id, study: job.study, task, train: [], dev: [] };
      this.growing.set(id, curve);
    }
    const grew = [grow(curve.train, step, loss), grow(curve.dev, step, metric)].some(Boolean);
    return grew ? view(id, curve) : null;
  }

  of(study: string): CurveView[] {
    return [...this.growing]
      .filter(([, curve]) => curve.study === study)
      .map(([id, curve]) => view(id, curve));
  }
}

/** Progress repeats the last known loss and metric with later steps; only what is new at its step is a point. */
function grow(points: Point[], step: number, value: number | undefined): boolean {
  const last = points.at(-1);
  if (value === undefined || last?.value === value || (last !== undefined && last.step >= step)) return false;
  points.push({ step, value });
  return true;
}

function view(id: string, curve: Growing): CurveView {
  return {
    id,
    label: `${id.slice(curve.task.length + 1)} on ${curve.task} (running)`,
    running: true,
    train: [...curve.train],
    dev: [...curve.dev],
    metric: '',
  };
}
