import {
  arrangementSchema,
  type Arrangement,
  type CurveView,
  type Failure,
  type HistoryView,
  type HostMessage,
  type JobStatus,
  type MatrixSummary,
  type RequestKind,
  type Parameters,
  type Answer,
  type StudyView,
  type Version,
} from '../src/extension/panels/messages.js';
import { Host, RequestFailed } from './host.js';
import type { ScoreSheet } from './models/heatmap.js';
import { once } from './models/once.js';
import { runKey } from './models/runs.js';

/** How soon the extension is told what was arranged; a slider moves sixty times a second. */
const TELL_MS = 150;

interface Loaded {
  /** The last that came: shown until newer comes. */
  value: unknown;
  failure: Failure | undefined;
  /** Generation of the working tree that was asked for last. */
  asked: number;
}

/**
 * Everything a page knows. The arrangement is kept by VS Code; data is fetched when a view first asks for it and again
 * when the working tree changes, the old shown meanwhile.
 */
export class Store {
  arrangement: Arrangement;
  /** undefined: not told yet; null: there is no study. */
  study: StudyView | null | undefined;
  history: HistoryView | null = null;
  /** Of the last thing that was tried; shown until dismissed. */
  failure: Failure | null = null;
  readonly jobs = new Map<string, JobStatus>();
  private readonly host: Host;
  private readonly loads = new Map<string, Loaded>();
  /** Of tunings that run: what came last of each. Another list whenever one grows. */
  private running: readonly CurveView[] = [];
  /** Tunings that were watched and are not on record yet. */
  private readonly watched = new Set<string>();
  /** Raised when the working tree changes: what was fetched before is old. */
  private generation = 1;
  private historyWanted: Parameters<'history'> | null = null;
  private rendering = false;
  /** What was arranged since the extension was told, for a moment after it was. */
  private telling: Arrangement | null = null;

  constructor(private readonly render: () => void) {
    this.host = new Host((message) => this.take(message));
    const kept = arrangementSchema.safeParse(this.host.state);
    this.arrangement = kept.data ?? arrangementSchema.parse({ version: 1 });
    this.host.post({ type: 'ready' });
    // What this page's predecessor had no time to tell before it was hidden.
    if (kept.success) this.tell();
  }

  arrange(patch: Partial<Arrangement>): void {
    this.arrangement = { ...this.arrangement, ...patch };
    this.host.state = this.arrangement;
    this.tell();
    this.changed();
  }

  /** At once, and again once the changes that follow closely have ended: a page may be gone a moment later. */
  private tell(): void {
    if (this.telling !== null) {
      this.telling = this.arrangement;
      return;
    }
    const told = this.arrangement;
    this.telling = told;
    this.host.post({ type: 'arranged', arrangement: told });
    setTimeout(() => {
      const latest = this.telling;
      this.telling = null;
      if (latest !== null && latest !== told) this.tell();
    }, TELL_MS);
  }

  /** The study in a version; undefined while it is on its way. */
  studyAt(version: Version): StudyView | undefined {
    if (version === null) return this.study ?? undefined;
    return this.load(`study ${version}`, 'study', { version });
  }

  sheet(version: Version, id: string): ScoreSheet | undefined {
    const summary = this.summary(version, id);
    if (summary === undefined) return undefined;
    const values = this.load(`matrix ${version} ${id}`, 'matrix', { version, id });
    const expected = summary.targets.length * summary.sources.length * summary.parts.length;
    // After a change the summary may be newer than the values for a moment.
    return values?.values.length === expected ? { summary, values } : undefined;
  }

  summary(version: Version, id: string): MatrixSummary | undefined {
    return this.studyAt(version)?.matrices.find((matrix) => matrix.id === id);
  }

  /** Of these runs and, in the working tree, of tunings that run now; undefined while they are on their way. */
  curves(version: Version, runs: readonly string[]): readonly CurveView[] | undefined {
    const answer = this.load(this.curvesKey(version, runs), 'curves', { version, runs: [...runs] });
    return answer === undefined || version !== null ? answer : withRunning(answer, this.running);
  }

  curvesKey(version: Version, runs: readonly string[]): string {
    return `curves ${version} ${runs.join()}`;
  }

  /** Why something that was asked for did not come. */
  failureOf(key: string): Failure | undefined {
    return this.loads.get(key)?.failure;
  }

  /** Which commits the picker offers: those that touched these files or merges of the target, and the chosen ones. */
  watchHistory(paths: readonly string[], target: string | null): void {
    const { shownVersion, comparedVersion } = this.arrangement;
    const wanted = {
      paths: [...paths],
      target,
      hashes: [shownVersion, comparedVersion].filter((version) => typeof version === 'string'),
    };
    if (JSON.stringify(wanted) === JSON.stringify(this.historyWanted)) return;
    this.historyWanted = wanted;
    void this.refreshHistory();
  }

  /** Does something and shows why it failed; undefined then. */
  async ask<Kind extends RequestKind>(
    kind: Kind,
    parameters: Parameters<Kind>,
  ): Promise<Answer<Kind> | undefined> {
    try {
      const answer = await this.host.request(kind, parameters);
      this.failure = null;
      this.changed();
      return answer;
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  /** Shows why something did not work. */
  fail(error: unknown): void {
    this.failure = failureFrom(error);
    this.changed();
  }

  dismiss(): void {
    this.failure = null;
    this.changed();
  }

  /** Renders once in the next frame, however much has changed. */
  changed(): void {
    if (this.rendering) return;
    this.rendering = true;
    requestAnimationFrame(() => {
      this.rendering = false;
      this.render();
    });
  }

  private take(message: Exclude<HostMessage, { type: 'answer' }>): void {
    switch (message.type) {
      case 'study':
        // For bench/panels: from here to the first picture is the page's own time.
        if (this.study === undefined) performance.mark('records-arrived');
        this.study = message.study;
        this.generation++;
        if (message.study !== null && this.arrangement.study !== message.study.directory) {
          this.arrange({ study: message.study.directory });
        }
        this.keepEnded();
        void this.refreshHistory();
        break;
      case 'job':
        this.jobs.set(message.job.id, message.job);
        // One job is at work at a time: with it ends whatever it tuned.
        if (!isBusy(message.job)) this.running = [];
        break;
      case 'curve':
        if (this.study?.runs.some((run) => runKey(run) === message.curve.id) !== true) {
          this.running = [...this.running.filter(({ id }) => id !== message.curve.id), message.curve];
          this.watched.add(message.curve.id);
        }
        break;
      case 'arrange': {
        const arrangement = arrangementSchema.safeParse({ ...this.arrangement, ...message.patch });
        if (arrangement.success) this.arrange(arrangement.data);
        break;
      }
      case 'restore':
        this.arrangement = message.arrangement;
        this.arrange({});
        break;
    }
    this.changed();
  }

  /** A tuning that was watched stays on screen when it is on record. */
  private keepEnded(): void {
    const recorded = new Set((this.study?.runs ?? []).map(runKey));
    const ended = [...this.watched].filter((id) => recorded.has(id));
    if (ended.length === 0) return;
    for (const id of ended) this.watched.delete(id);
    this.running = this.running.filter(({ id }) => !recorded.has(id));
    const others = this.arrangement.runs.filter((key) => !ended.includes(key));
    this.arrange({ runs: [...others, ...ended] });
  }

  private async refreshHistory(): Promise<void> {
    const wanted = this.historyWanted;
    // Of a study that is gone there is nothing to ask; should it come back, it is asked then.
    if (wanted === null || this.study === null) return;
    try {
      const history = await this.host.request('history', wanted);
      if (wanted !== this.historyWanted) return;
      this.history = history;
      this.changed();
    } catch (error) {
      this.fail(error);
    }
  }

  private load<Kind extends RequestKind>(
    key: string,
    kind: Kind,
    parameters: Parameters<Kind> & { readonly version: Version },
  ): Answer<Kind> | undefined {
    const loaded = this.loads.get(key) ?? { value: undefined, failure: undefined, asked: 0 };
    this.loads.set(key, loaded);
    // A commit never changes, but why it could not be read may be mended.
    const isSettled = parameters.version !== null && loaded.failure === undefined;
    const wanted = isSettled ? 1 : this.generation;
    if (loaded.asked < wanted) {
      loaded.asked = wanted;
      void this.fetch(loaded, wanted, kind, parameters);
    }
    return loaded.value as Answer<Kind> | undefined;
  }

  private async fetch<Kind extends RequestKind>(
    loaded: Loaded,
    generation: number,
    kind: Kind,
    parameters: Parameters<Kind>,
  ): Promise<void> {
    try {
      const value = await this.host.request(kind, parameters);
      if (loaded.asked === generation) Object.assign(loaded, { value, failure: undefined });
    } catch (error) {
      if (loaded.asked === generation) loaded.failure = failureFrom(error);
    }
    this.changed();
  }
}

/** The answer may know of running tunings that have not been heard of since this page was opened. */
const withRunning = once(
  (answer: readonly CurveView[], running: readonly CurveView[]): readonly CurveView[] => [
    ...answer.filter(({ id }) => running.every((curve) => curve.id !== id)),
    ...running,
  ],
);

export function isBusy({ state }: JobStatus): boolean {
  return state === 'queued' || state === 'running' || state === 'cancelling';
}

function failureFrom(error: unknown): Failure {
  if (error instanceof RequestFailed) return error.failure;
  return { code: 'unexpected', message: error instanceof Error ? error.message : String(error) };
}
