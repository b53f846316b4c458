import type { DeviceReport } from '../../engine/contract.js';
import { hasEnded, type JobView } from '../../runtime/protocol.js';
import type { RuntimeState } from '../services.js';
import { STRINGS } from '../strings.js';
import { formatMetric, joinParts } from '../tree/labels.js';

/** How a job looks as one line, in the tree and in the list of jobs. */
export interface JobLine {
  readonly label: string;
  /** How far it is: '42%', or that it starts; empty while it waits. */
  readonly percent: string;
  readonly description: string;
  readonly icon: string;
}

/** 0 to 100; null while the amount of work is not known. */
export function percentOf({ progress }: JobView): number | null {
  if (progress === null || progress.total <= 0) return null;
  return Math.min(100, Math.floor((progress.done / progress.total) * 100));
}

/** @param task the row's task: another one's step and loss are not shown below it */
export function collectJobLine(job: JobView, task?: string): JobLine {
  const { state, progress } = job;
  if (state === 'queued') {
    return { label: job.title, percent: '', description: STRINGS.jobs.queued, icon: 'clock' };
  }
  const here = task === undefined || progress?.task === undefined || progress.task === task;
  const { percent, left, loss, dev, attempt } = collectDetails(job);
  const cancelling = state === 'cancelling' ? STRINGS.jobs.cancelling : '';
  return {
    label: here ? (progress?.label ?? job.title) : job.title,
    percent: here ? percent : '',
    description: joinParts(here ? [cancelling, left, loss, dev, attempt] : [cancelling, STRINGS.jobs.queued]),
    icon: here ? 'sync~spin' : 'clock',
  };
}

/** The parts of a running job's line; empty where they are not known. */
function collectDetails(
  job: JobView,
): Record<'percent' | 'step' | 'loss' | 'dev' | 'left' | 'attempt', string> {
  const { progress } = job;
  const percent = percentOf(job);
  const { starting, step, loss, dev, left, attempt } = STRINGS.jobs;
  return {
    percent: percent === null ? starting : `${percent}%`,
    step: progress?.step === undefined ? '' : step(progress.step),
    loss: progress?.loss === undefined ? '' : loss(progress.loss),
    dev: progress?.metric === undefined ? '' : dev(formatMetric(progress.metric)),
    left: progress?.secondsLeft === undefined ? '' : left(progress.secondsLeft),
    attempt: job.attempts > 1 ? attempt(job.attempts) : '',
  };
}

export interface StatusView {
  readonly text: string;
  /** Markdown with command links. */
  readonly tooltip: string;
  readonly health: 'ok' | 'warning' | 'error';
  readonly accessibleLabel: string;
}

/** What the status item shows: the running job first, then what is wrong, then the device. */
export function collectStatus(
  jobs: readonly JobView[],
  state: RuntimeState,
  device: DeviceReport | null,
  trusted: boolean,
  commands: Readonly<Record<keyof typeof STRINGS.status.links, string>>,
): StatusView {
  const running = jobs.find((job) => job.state === 'running' || job.state === 'cancelling');
  const waiting = jobs.filter((job) => job.state === 'queued').length;
  const links = Object.entries(STRINGS.status.links)
    .filter(([name]) => name !== 'cancelAll' || running !== undefined || waiting > 0)
    .map(([name, title]) => `[${title}](command:${commands[name as keyof typeof commands]})`)
    .join(' | ');
  const deviceLine =
    device !== null
      ? STRINGS.status.device(device.title)
      : state.kind === 'absent'
        ? STRINGS.status.notStarted
        : STRINGS.status.deviceUnknown;
  const tooltip = (lines: readonly string[]): string =>
    [...lines, trusted ? deviceLine : STRINGS.status.untrusted, trusted ? links : '']
      .filter((line) => line !== '')
      .join('\n\n');
  if (state.kind === 'broken') {
    const text = `$(error) ${STRINGS.status.broken}`;
    return {
      text,
      tooltip: tooltip([state.reason]),
      health: 'error',
      accessibleLabel: STRINGS.status.broken,
    };
  }
  if (state.kind === 'restarting') {
    const label = STRINGS.status.restarting(state.attempt);
    return {
      text: `$(sync~spin) ${label}`,
      tooltip: tooltip([state.reason]),
      health: 'warning',
      accessibleLabel: label,
    };
  }
  if (running !== undefined) {
    const line = collectJobLine(running);
    const { step, loss, left } = collectDetails(running);
    const more = waiting > 0 ? STRINGS.jobs.waiting(waiting) : '';
    const doing = running.state === 'cancelling' ? STRINGS.jobs.cancelling : line.percent;
    const progress = joinParts([line.percent, line.description]);
    const short = joinParts([`${shortTitle(running)} ${doing}`, step, loss, left, device?.id ?? '']);
    return {
      text: `$(sync~spin) ${short}`,
      tooltip: tooltip([`**${line.label}**`, joinParts([progress, step, more])]),
      health: 'ok',
      accessibleLabel: `${STRINGS.status.accessible}: ${line.label}, ${progress}`,
    };
  }
  if (state.kind === 'starting') {
    const text = `$(sync~spin) ${STRINGS.status.starting}`;
    return { text, tooltip: tooltip([]), health: 'ok', accessibleLabel: STRINGS.status.starting };
  }
  const failed = jobs.filter((job) => hasEnded(job.state)).at(-1)?.state === 'failed';
  return {
    text: `$(${failed ? 'warning' : 'beaker'}) ${STRINGS.status.idle}`,
    tooltip: tooltip([]),
    health: 'ok',
    accessibleLabel: STRINGS.status.accessible,
  };
}

/** The task at work, or the job's title: the status bar is narrow. */
function shortTitle(job: JobView): string {
  return job.progress?.task ?? job.title;
}
