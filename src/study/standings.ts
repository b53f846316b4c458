import { isDeepStrictEqual } from 'node:util';
import type { Standing } from '../core/results.js';
import { metricNameOf } from './catalogue.js';
import { tuningOf, type StudyConfiguration } from './configuration.js';
import { canonicalJson } from './content-key.js';
import { mergeRecordPath, pathOfRunRecord, runRecordPath } from './paths.js';
import type { Initialisation, MergeRecord, RunRecord } from './records.js';
import { temperatureOf } from './temperatures.js';

/**
 * Which of the targets on record are those that the configuration asks for. Tables are drawn in the extension host, so this
 * compares what records say and reads no file: data, backbone or lengths that changed are for `staleness.ts` to find.
 */

/** What results are chosen from. */
export interface ResultRecords {
  /** null where it can't be understood: nothing is then asked for. */
  readonly configuration: StudyConfiguration | null;
  readonly runs: readonly RunRecord[];
  readonly merges: readonly MergeRecord[];
}

/**
 * @param tasks the study's, by name
 * @returns how a target's run stands among those of its cell
 */
export function standings(
  { configuration, runs, merges }: ResultRecords,
  tasks: readonly string[],
): (run: RunRecord) => Standing {
  const numbers = new Map<string, number>();
  const asked = configuration === null ? null : new AskedFor(configuration, runs, merges, tasks);
  return (run) => {
    const settings = settingsOf(run);
    const number = numbers.get(settings) ?? numbers.size;
    numbers.set(settings, number);
    return { settings: number, asked: asked?.target(run) ?? 0 };
  };
}

/** What the seeds of one cell have in common. Data are no part of it: seeds may have files of their own. */
function settingsOf({ delta, tuning, initialisation, inputs, results }: RunRecord): string {
  return canonicalJson([delta, tuning, initialisation, inputs.backbone, results.metric]);
}

class AskedFor {
  private readonly runs: ReadonlyMap<string, RunRecord>;
  private readonly merges: ReadonlyMap<string, MergeRecord>;
  private readonly sourceTasks: readonly string[];
  private readonly known = new Map<string, boolean>();
  /** By delta: tasks that have a source as it is asked for. */
  private readonly tuned = new Map<string, ReadonlySet<string>>();

  constructor(
    private readonly configuration: StudyConfiguration,
    runs: readonly RunRecord[],
    merges: readonly MergeRecord[],
    tasks: readonly string[],
  ) {
    this.runs = new Map(runs.map((run) => [pathOfRunRecord(run), run]));
    this.merges = new Map(merges.map((merge) => [mergeRecordPath(merge.target, merge.id), merge]));
    this.sourceTasks = configuration.sources.tasks ?? tasks;
  }

  /** Another number of shots is another table, and says nothing against a run. */
  target(run: RunRecord): Standing['asked'] {
    const { targets } = this.configuration;
    const fits =
      this.hasDelta(run) &&
      isDeepStrictEqual(run.tuning, tuningOf(targets, run.deltaName)) &&
      run.results.metric === metricNameOf(run.task, this.configuration) &&
      this.start(run.task, run.initialisation);
    if (!fits) return 0;
    return targets.seeds.includes(run.seed) ? 2 : 1;
  }

  private start(task: string, initialisation: Initialisation): boolean {
    switch (initialisation.kind) {
      case 'none':
        return false;
      case 'random':
        return initialisation.seed === this.configuration.initialisationSeed;
      case 'checkpoint':
        return this.source(runRecordPath(initialisation.task, initialisation.id), initialisation.sha256);
      case 'merge': {
        const path = mergeRecordPath(task, initialisation.id);
        const merge = this.merges.get(path);
        return merge?.checkpoint.sha256 === initialisation.sha256 && this.once(path, () => this.merge(merge));
      }
    }
  }

  private merge(merge: MergeRecord): boolean {
    const { compatibility, weights, merges, scores } = this.configuration;
    const { label, score, temperature, loraRule, target, deltaName, sources } = merge;
    if (!this.hasDelta(merge) || (loraRule !== null && loraRule !== merges.loraRule)) return false;
    if (label === 'best-source' && score !== weights.bestSource) return false;
    if (score !== null && temperature !== null) {
      if (temperature !== temperatureOf({ method: score, deltaName, compatibility }, this.configuration)) {
        return false;
      }
    }
    if (!this.hasSources(merge)) return false;
    return sources.every(({ task, id, sha256 }) => {
      if (score !== 'performance' || label === 'best-source') {
        return this.source(runRecordPath(task, id), sha256);
      }
      // It merges copies of the sources after k steps on the target.
      const copy = this.runs.get(runRecordPath(target, id));
      return (
        copy?.initialisation.kind === 'checkpoint' &&
        copy.tuning?.steps === scores.steps &&
        copy.checkpoint?.sha256 === sha256 &&
        this.start(target, copy.initialisation)
      );
    });
  }

  /** Whether a merge weighs the sources that it would weigh now. A person's own choice is always theirs. */
  private hasSources({ label, score, target, deltaName, sources }: MergeRecord): boolean {
    if (label === 'best-source' || (score === null && label !== 'average' && label !== 'group')) return true;
    const groups = Object.values(this.configuration.groups).filter((members) => members.includes(target));
    const wanted = [...this.tunedTasks(deltaName)].filter(
      (task) => task !== target && (label !== 'group' || groups.some((members) => members.includes(task))),
    );
    const weighed = new Set(sources.map(({ task }) => task));
    return weighed.size === wanted.length && wanted.every((task) => weighed.has(task));
  }

  private tunedTasks(deltaName: string): ReadonlySet<string> {
    const known = this.tuned.get(deltaName);
    if (known !== undefined) return known;
    const own = [...this.runs].filter(
      ([path, run]) =>
        run.deltaName === deltaName && this.sourceTasks.includes(run.task) && this.source(path, null),
    );
    const tuned = new Set(own.map(([, { task }]) => task));
    this.tuned.set(deltaName, tuned);
    return tuned;
  }

  /** @param sha256 of the checkpoint that was used; null for any */
  private source(path: string, sha256: string | null): boolean {
    const run = this.runs.get(path);
    if (run?.checkpoint == null || (sha256 !== null && run.checkpoint.sha256 !== sha256)) return false;
    return this.once(path, () => this.isAskedSource(run));
  }

  private isAskedSource(run: RunRecord): boolean {
    const { sources, initialisationSeed } = this.configuration;
    if (run.role !== 'source' || run.kind !== 'tune' || run.status !== 'done' || !this.hasDelta(run))
      return false;
    // An imported source serves as it is.
    if (run.tuning === null) return true;
    const { initialisation } = run;
    return (
      run.shots === sources.shots &&
      run.seed === sources.seed &&
      (sources.dataSeed === undefined || run.dataSeed === sources.dataSeed) &&
      initialisation.kind === 'random' &&
      initialisation.seed === initialisationSeed &&
      run.results.metric === metricNameOf(run.task, this.configuration) &&
      isDeepStrictEqual(run.tuning, tuningOf(sources, run.deltaName))
    );
  }

  private hasDelta({ deltaName, delta }: Pick<RunRecord, 'deltaName' | 'delta'>): boolean {
    const { deltas } = this.configuration;
    return Object.hasOwn(deltas, deltaName) && isDeepStrictEqual(delta, deltas[deltaName]);
  }

  private once(path: string, judge: () => boolean): boolean {
    const known = this.known.get(path) ?? judge();
    this.known.set(path, known);
    return known;
  }
}
