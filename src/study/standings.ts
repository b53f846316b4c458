import { isDeepStrictEqual } from 'node:util';
import { DeltaloomError } from '../core/errors.js';
import type { Standing } from '../core/results.js';
import { metricNameOf } from './catalogue.js';
import { tuningOf, type StudyConfiguration } from './configuration.js';
import { canonicalJson } from './content-key.js';
import { isFinishedSource } from './finished-source.js';
import { mergeAsRecorded } from './merge-choices.js';
import { chooseWeights } from './merging/index.js';
import { mergeRecordPath, pathOfRunRecord, runRecordPath } from './paths.js';
import type { StaleRecords } from './staleness.js';
import type { Initialisation, MergeRecord, RunRecord, ScoreMatrix } from './records.js';
import { configuredTemperatures, temperatureOf } from './temperatures.js';

/**
 * Which of the targets on record are those that the configuration asks for. Tables are drawn in the extension host, so this
 * compares what records say and reads no file: that data, backbone or lengths changed is told by who has judged it.
 */

/** What results are chosen from. */
export interface ResultRecords {
  /** null where it can't be understood: nothing is then asked for. */
  readonly configuration: StudyConfiguration | null;
  readonly runs: readonly RunRecord[];
  readonly merges: readonly MergeRecord[];
  readonly matrices: readonly ScoreMatrix[];
}

/**
 * @param tasks the study's, by name
 * @param stale as `staleness.ts` judges them; empty where nobody did
 * @returns how a target's run stands among those of its cell
 */
export function standings(
  { configuration, ...records }: ResultRecords,
  tasks: readonly string[],
  stale: StaleRecords,
): (run: RunRecord) => Standing {
  const numbers = new Map<string, number>();
  const asked = configuration === null ? null : new AskedFor(configuration, records, tasks);
  return (run) => {
    const settings = settingsOf(run);
    const number = numbers.get(settings) ?? numbers.size;
    numbers.set(settings, number);
    return { settings: number, asked: asked?.target(run) ?? 0, stale: stale.has(pathOfRunRecord(run)) };
  };
}

/** What the seeds of one cell have in common. Data are no part of it: seeds may have files of their own. */
function settingsOf({ delta, tuning, initialisation, inputs, results }: RunRecord): string {
  return canonicalJson([delta, tuning, initialisation, inputs.backbone, results.metric]);
}

class AskedFor {
  private readonly runs: ReadonlyMap<string, RunRecord>;
  private readonly merges: ReadonlyMap<string, MergeRecord>;
  private readonly matrices: readonly ScoreMatrix[];
  private readonly sourceTasks: readonly string[];
  /** How many merges on record would be called the same in a table. */
  private readonly namesakes = new Map<string, number>();
  private readonly known = new Map<string, boolean>();
  /** By delta: tasks that have a source as it is asked for. */
  private readonly tuned = new Map<string, ReadonlySet<string>>();

  constructor(
    private readonly configuration: StudyConfiguration,
    { runs, merges, matrices }: Omit<ResultRecords, 'configuration'>,
    tasks: readonly string[],
  ) {
    this.matrices = matrices;
    this.runs = new Map(runs.map((run) => [pathOfRunRecord(run), run]));
    this.merges = new Map(merges.map((merge) => [mergeRecordPath(merge.target, merge.id), merge]));
    this.sourceTasks = configuration.sources.tasks ?? tasks;
    for (const merge of merges) {
      const name = nameOf(merge);
      this.namesakes.set(name, (this.namesakes.get(name) ?? 0) + 1);
    }
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
    if (!this.hasSources(merge) || !this.hasWeights(merge)) return false;
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

  /**
   * Whether the scores on record give a merge's weights: they depend on what no record of a merge says, the probe for one.
   * Asked only where that decides between several merges; scores that are missing decide nothing.
   */
  private hasWeights(merge: MergeRecord): boolean {
    const { score, target, deltaName, label, sources, weights } = merge;
    if (score === null || (this.namesakes.get(nameOf(merge)) ?? 0) < 2) return true;
    const matrix = this.matrices.find(
      ({ deltaName: own, method, granularity }) =>
        own === deltaName && method === score && granularity === merge.granularity,
    );
    if (matrix === undefined) return true;
    try {
      const chosen = chooseWeights({
        target,
        deltaName,
        by: mergeAsRecorded(merge),
        compatibility: this.configuration.compatibility,
        sources: label === 'best-source' ? [...this.tunedTasks(deltaName)] : sources.map(({ task }) => task),
        groups: this.configuration.groups,
        temperatures: configuredTemperatures(this.configuration, deltaName),
        matrix: { ...matrix, cells: matrix.cells.filter((cell) => cell.target === target) },
      });
      const now = chosen.weights.map((row) => row.weights);
      return (
        isDeepStrictEqual(
          chosen.sources,
          sources.map(({ task }) => task),
        ) && weights.every((row, i) => row.every((weight, j) => Math.abs(weight - (now[i]?.[j] ?? 0)) < 1e-6))
      );
    } catch (error) {
      if (error instanceof DeltaloomError) return true;
      throw error;
    }
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
    if (!isFinishedSource(run) || !this.hasDelta(run)) return false;
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

function nameOf({ target, deltaName, label }: MergeRecord): string {
  return JSON.stringify([target, deltaName, label]);
}
