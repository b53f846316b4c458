import { weightDirection } from '../../core/averaging-weights.js';
import { isFinishedSource } from '../../study/finished-source.js';
import type { RecordCommit, RecordedStudy } from '../../study/history.js';
import { matrixPath } from '../../study/paths.js';
import type { Provenance, RunRecord, ScoreMatrix } from '../../study/records.js';
import type { StaleRecords } from '../../study/staleness.js';
import { standings } from '../../study/standings.js';
import { initialisationLabel, isTargetTuning } from '../../study/target-results.js';
import { temperatureOf } from '../../study/temperatures.js';
import type {
  CurveView,
  MatrixSummary,
  MatrixValues,
  ProvenanceView,
  RunView,
  StudyView,
  Version,
} from './messages.js';

/** From records to what the pages show. Pure. */

export interface StudyToShow extends RecordedStudy {
  readonly directory: string;
  readonly name: string;
  readonly version: Version;
  /** In the study's order; records of other tasks come after. */
  readonly tasks: readonly string[];
  /** Of the working tree; nothing is known of what a commit holds. */
  readonly stale: StaleRecords;
}

export function collectStudy(study: StudyToShow, authors: ReadonlyMap<string, RecordCommit>): StudyView {
  const view = (provenance: Provenance) => provenanceView(provenance, authors);
  const standing = standings(study, study.tasks, study.stale);
  return {
    directory: study.directory,
    name: study.name,
    version: study.version,
    tasks: [...study.tasks],
    groups: study.configuration?.groups ?? {},
    deltaNames: distinct([
      ...Object.keys(study.configuration?.deltas ?? {}),
      ...study.matrices.map(({ deltaName }) => deltaName),
      ...study.runs.map(({ deltaName }) => deltaName),
    ]),
    matrices: study.matrices.map((matrix) => summary(matrix, study.configuration, view)),
    runs: study.runs.map((run) => runView(run, isTargetTuning(run) ? standing(run) : null, view)),
    problems: study.problems.map(({ message }) => message),
  };
}

export function matrixId(matrix: ScoreMatrix): string {
  return `${matrix.deltaName}/${matrix.method}.${matrix.granularity}`;
}

/** The name of a run within the study. */
export function runKey(run: { readonly task: string; readonly id: string }): string {
  return `${run.task}/${run.id}`;
}

/** The cells as one dense array: what a picture of 65,536 cells can be drawn from at once. */
export function collectMatrix(matrix: ScoreMatrix, version: Version): MatrixValues {
  const [rows, columns, depth] = [matrix.targets.length, matrix.sources.length, matrix.parts.length];
  const values = new Float64Array(rows * columns * depth).fill(Number.NaN);
  const provenance = new Int32Array(rows * columns).fill(-1);
  const row = new Map(matrix.targets.map((task, index) => [task, index]));
  const column = new Map(matrix.sources.map((task, index) => [task, index]));
  for (const cell of matrix.cells) {
    const [i, j] = [row.get(cell.target), column.get(cell.source)];
    if (i === undefined || j === undefined) continue;
    const place = i * columns + j;
    provenance[place] = cell.provenance;
    cell.values.forEach((value, part) => {
      if (part < depth && value !== null) values[place * depth + part] = value;
    });
  }
  return { id: matrixId(matrix), version, values, provenance };
}

export function collectCurve(run: RunRecord): CurveView {
  return {
    id: runKey(run),
    label: null,
    running: false,
    train: run.curve.train.map(({ step, loss }) => ({ step, value: loss })),
    dev: run.curve.dev.map(({ step, metric }) => ({ step, value: metric })),
    metric: run.results.metric,
  };
}

function summary(
  matrix: ScoreMatrix,
  configuration: RecordedStudy['configuration'],
  view: (provenance: Provenance) => ProvenanceView,
): MatrixSummary {
  const named = configuration?.sources.tasks;
  return {
    id: matrixId(matrix),
    file: matrixPath(matrix.deltaName, matrix.method, matrix.granularity),
    deltaName: matrix.deltaName,
    method: matrix.method,
    granularity: matrix.granularity,
    direction: weightDirection(matrix.method, matrix.compatibility),
    compatibility: matrix.compatibility,
    targets: matrix.targets,
    sources: matrix.sources,
    merged: matrix.sources.filter((task) => named?.includes(task) ?? true),
    parts: matrix.parts,
    filled: matrix.cells.length,
    temperature: temperatureOf(matrix, configuration),
    provenances: matrix.provenances.map(view),
  };
}

function runView(
  run: RunRecord,
  standing: RunView['standing'],
  view: (provenance: Provenance) => ProvenanceView,
): RunView {
  return {
    id: run.id,
    kind: run.kind,
    task: run.task,
    deltaName: run.deltaName,
    role: run.role,
    shots: run.shots,
    seed: run.seed,
    initialisation: initialisationLabel(run.initialisation),
    status: run.status,
    metric: run.results.metric,
    dev: run.results.dev,
    test: run.results.test,
    steps: run.results.steps,
    checkpoint: run.checkpoint?.path ?? null,
    standing,
    provenance: view(run.provenance),
  };
}

function provenanceView(provenance: Provenance, authors: ReadonlyMap<string, RecordCommit>): ProvenanceView {
  const { commit, branch, dirty, time, seconds, device } = provenance;
  const known = commit === null ? undefined : authors.get(commit);
  return {
    commit,
    branch,
    dirty,
    time,
    seconds,
    device,
    author: known?.author ?? null,
    subject: known?.subject ?? null,
  };
}

/** Every commit that these records say they were made at. */
export function mentionedCommits(study: RecordedStudy): string[] {
  return distinct(
    [
      ...study.matrices.flatMap(({ provenances }) => provenances),
      ...study.runs.map(({ provenance }) => provenance),
    ].flatMap(({ commit }) => commit ?? []),
  );
}

/**
 * The source delta that a cell's score was computed from: the one of that task and delta whose weights the cell names; the latest
 * finished one where it names none, or where they are not on record any more.
 *
 * @param digest the beginning of the SHA-256 of the weights, as the cell has it
 */
export function sourceRun(
  runs: readonly RunRecord[],
  deltaName: string,
  task: string,
  digest?: string,
): RunRecord | undefined {
  const sources = runs
    .filter((run) => isFinishedSource(run) && run.task === task && run.deltaName === deltaName)
    .sort((a, b) => a.provenance.time.localeCompare(b.provenance.time));
  const named = sources.filter(
    ({ checkpoint }) => digest !== undefined && checkpoint?.sha256.startsWith(digest) === true,
  );
  return (named.length > 0 ? named : sources).at(-1);
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}
