import { DeltaloomError } from '../core/errors.js';
import type { JobProgress } from '../study/jobs.js';

/** Redrawn at most this often, in milliseconds. */
const REDRAW_MS = 100;
/** Without a terminal a line is printed this often, and sooner when something new begins. */
const LINE_MS = 10_000;
const NEW_LINE_MS = 1000;
/** Characters of the bar; on a narrow terminal the words need the room. */
const BAR_WIDTH = 24;
const NARROW_BAR_WIDTH = 8;
const NARROW_COLUMNS = 100;

/**
 * What a command says: its result on stdout (text, or one JSON document), everything else on stderr, so that a pipe gets the
 * result alone.
 */
export class Terminal {
  private lastDrawn = -Infinity;
  private lastLabel = '';
  private barShown = false;
  private started: { readonly at: number; readonly done: number; readonly total: number } | null = null;

  constructor(readonly json: boolean) {}

  result(text: string, value: unknown): void {
    this.clearBar();
    process.stdout.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : `${text.trimEnd()}\n`);
  }

  /** A line for people. */
  say(line: string): void {
    this.clearBar();
    process.stderr.write(`${line}\n`);
  }

  error(error: DeltaloomError): void {
    this.clearBar();
    process.stderr.write(`deltaloom: ${error.line}\n`);
    if (!this.json) return;
    const { code, message, place, remedy } = error;
    process.stdout.write(`${JSON.stringify({ error: { code, message, place, remedy } }, null, 2)}\n`);
  }

  progress(progress: JobProgress): void {
    const now = performance.now();
    if (this.started === null || progress.total !== this.started.total || progress.done < this.started.done) {
      this.started = { at: now, done: progress.done, total: progress.total };
    }
    const isTerminal = process.stderr.isTTY;
    const interval = isTerminal ? REDRAW_MS : progress.label === this.lastLabel ? LINE_MS : NEW_LINE_MS;
    if (now - this.lastDrawn < interval) return;
    this.lastDrawn = now;
    this.lastLabel = progress.label;
    const rate = (progress.done - this.started.done) / ((now - this.started.at) / 1000);
    const line = describeProgress(progress, Number.isFinite(rate) && rate > 0 ? rate : null);
    if (!isTerminal) {
      process.stderr.write(`${line}\n`);
      return;
    }
    const share = progress.total === 0 ? 0 : progress.done / progress.total;
    const { columns } = process.stderr;
    const width = columns < NARROW_COLUMNS ? NARROW_BAR_WIDTH : BAR_WIDTH;
    const filled = Math.round(share * width);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)} `;
    process.stderr.write(`\r\u001b[2K${clip(bar + line, Math.max(20, columns - 1))}`);
    this.barShown = true;
  }

  clearBar(): void {
    if (!this.barShown) return;
    process.stderr.write('\r\u001b[2K');
    this.barShown = false;
  }
}

function clip(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, columns - 1)}…`;
}

/** `12/40 steps, 3.1/s, 0:09 left, loss 0.53: Tuning boolq (...), step 12`: what changes first, since the end may be cut. */
export function describeProgress(
  { label, done, total, unit, secondsLeft, step, loss, metric }: JobProgress,
  rate: number | null,
): string {
  // Of what waits for another process nothing is known yet.
  const parts = total === 0 ? [] : [`${Math.floor(done)}/${total} ${unit}`];
  if (rate !== null) parts.push(`${rate >= 10 ? rate.toFixed(0) : rate.toPrecision(2)}/s`);
  if (secondsLeft !== undefined) parts.push(`${duration(secondsLeft)} left`);
  if (loss !== undefined) parts.push(`loss ${loss.toFixed(3)}`);
  if (metric !== undefined) parts.push(`best dev ${metric.toFixed(3)}`);
  const where = `${label}${step === undefined ? '' : `, step ${step}`}`;
  return parts.length === 0 ? where : `${parts.join(', ')}: ${where}`;
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Rows as aligned columns; numbers to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>((all, row) => {
    row.forEach((cell, j) => (all[j] = Math.max(all[j] ?? 0, cell.length)));
    return all;
  }, []);
  return rows
    .map((row) =>
      row
        .map((cell, j) => {
          const width = widths[j] ?? 0;
          return /^[-+]?[\d.]/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** An error of the system or of ours as one line for people; whatever else it is remains a bug and says so. */
export function asDeltaloomError(error: unknown): DeltaloomError {
  if (error instanceof DeltaloomError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new DeltaloomError('unexpected', `Something unexpected happened: ${message}`, {
    remedy: 'This is a bug; run again with DELTALOOM_DEBUG=1 for the details to report.',
    cause: error,
  });
}
