import {
  averagingWeights,
  bestSourceWeights,
  defaultTemperature,
  describeWeights,
  equalWeights,
  weightDirection,
  weightPrecision,
  type AveragingWeights,
} from '../../core/averaging-weights.js';
import { DeltaloomError } from '../../core/errors.js';
import { SCORE_METHOD_INFO, type ScoreMethod } from '../../core/methods.js';
import type { StudyConfiguration } from '../../study/configuration.js';
import { isFinishedSource } from '../../study/finished-source.js';
import type { JobRequest } from '../../study/jobs.js';
import type { ScoreMatrix } from '../../study/records.js';
import type { StudySnapshot } from '../../study/snapshot.js';
import { temperatureOf } from '../../study/temperatures.js';
import { STRINGS } from '../strings.js';
import { checkKey, type CheckpointNode, type MergeNode, type TreeNode } from '../tree/nodes.js';
import { isMergeable, runKey, type StudyIndex } from '../tree/study-index.js';
import { collectDeltas, type Choice } from './tune-choices.js';

export type MergeRequest = Extract<JobRequest, { kind: 'merge' }>;
export type MergeBy = MergeRequest['by'];

/** The row of a score matrix that a merge is weighed by. */
export interface ScoreRow {
  readonly method: ScoreMethod;
  readonly matrix: ScoreMatrix;
  readonly row: readonly { readonly task: string; readonly value: number | null }[];
}

/** One value per source: the whole-model scores of a target, limited to some sources if given, else to those of the study. */
export function findScoreRow(
  snapshot: StudySnapshot,
  method: ScoreMethod,
  target: string,
  deltaName: string,
  sources?: readonly string[],
): ScoreRow | undefined {
  const matrix = snapshot.matrices.find(
    (candidate) =>
      candidate.method === method && candidate.deltaName === deltaName && candidate.granularity === 'model',
  );
  if (matrix === undefined) return undefined;
  const wanted = sources ?? snapshot.configuration?.sources.tasks;
  const row = matrix.cells
    .filter(({ target: of, source }) => of === target && source !== target)
    .filter(({ source }) => wanted === undefined || wanted.includes(source))
    .map(({ source, values }) => ({ task: source, value: values[0] ?? null }));
  const complete = sources === undefined ? row.length > 0 : row.length === sources.length;
  return complete ? { method, matrix, row } : undefined;
}

/** Exactly what the merge will use: the same functions, the same precision. */
export function weightsOf(row: ScoreRow, target: string, temperature: number): AveragingWeights {
  const { method, matrix } = row;
  return averagingWeights(target, row.row, {
    direction: weightDirection(method, matrix.compatibility),
    precision: weightPrecision(method, matrix.compatibility),
    temperature,
  });
}

/** '62% boolq · 21% qnli · 9% cola + 3, 2.1 effective sources' */
export function previewWeights({ sources, weights, effectiveSources, notice }: AveragingWeights): string {
  const order = sources
    .map((task, index) => ({ task, weight: weights[index] ?? 0 }))
    .sort((a, b) => b.weight - a.weight);
  // What rounds to nothing is only counted.
  const shown = order
    .slice(0, 4)
    .map(({ task, weight }) => ({ task, percent: Math.round(weight * 100) }))
    .filter(({ percent }) => percent > 0)
    .map(({ task, percent }) => `${percent}% ${task}`);
  const more = order.length > shown.length ? ` + ${order.length - shown.length}` : '';
  const warning = notice === null ? '' : `$(warning) ${notice.kind} · `;
  return `${warning}${shown.join(' · ')}${more} · ${STRINGS.merge.effective(effectiveSources)}`;
}

export type MergeRule =
  | { readonly kind: 'score'; readonly row: ScoreRow }
  | { readonly kind: 'parts'; readonly method: ScoreMethod; readonly granularity: 'block' | 'layer' }
  | { readonly kind: 'average' }
  | { readonly kind: 'group' }
  | { readonly kind: 'best-source'; readonly row: ScoreRow };

/** Every way in which the sources can be weighed for this target, with what it would give. */
export function collectMergeRules(
  index: StudyIndex,
  target: string,
  deltaName: string,
  selected?: readonly string[],
): Choice<MergeRule>[] {
  const { snapshot } = index;
  const { configuration } = snapshot;
  const choices: Choice<MergeRule>[] = [];
  for (const info of Object.values(SCORE_METHOD_INFO)) {
    const row = findScoreRow(snapshot, info.id, target, deltaName, selected);
    if (row === undefined) continue;
    const temperature = temperatureOf(row.matrix, configuration);
    choices.push({
      label: info.title,
      description: `τ ${temperature}`,
      detail: preview(() => weightsOf(row, target, temperature)),
      value: { kind: 'score', row },
    });
  }
  for (const granularity of ['block', 'layer'] as const) {
    if (selected !== undefined) break;
    for (const matrix of snapshot.matrices) {
      if (matrix.granularity !== granularity || matrix.deltaName !== deltaName) continue;
      if (!matrix.cells.some((cell) => cell.target === target)) continue;
      choices.push({
        label: STRINGS.merge.perPart(SCORE_METHOD_INFO[matrix.method].title, granularity),
        description: STRINGS.merge.parts(matrix.parts.length),
        detail: STRINGS.merge.perPartDetail(granularity),
        value: { kind: 'parts', method: matrix.method, granularity },
      });
    }
  }
  const sources = selected ?? sourceTasks(index, deltaName);
  choices.push({
    label: STRINGS.merge.average,
    description: selected === undefined ? STRINGS.merge.averageDetail : STRINGS.merge.selectedAverageDetail,
    detail: preview(() => equalWeights(target, sources)),
    value: { kind: 'average' },
  });
  if (selected === undefined) {
    const groups = Object.values(configuration?.groups ?? {});
    if (groups.some((members) => members.includes(target))) {
      choices.push({
        label: STRINGS.merge.group,
        description: STRINGS.merge.groupDetail,
        detail: preview(() => equalWeights(target, sources, groups)),
        value: { kind: 'group' },
      });
    }
    const method = configuration?.weights.bestSource ?? 'loss';
    const row = findScoreRow(snapshot, method, target, deltaName);
    if (row !== undefined) {
      const direction = weightDirection(method, row.matrix.compatibility);
      choices.push({
        label: STRINGS.merge.bestSource(SCORE_METHOD_INFO[method].title),
        description: STRINGS.merge.bestSourceDetail,
        detail: preview(() => bestSourceWeights(target, row.row, direction)),
        value: { kind: 'best-source', row },
      });
    }
  }
  return choices;
}

/** The tasks with a finished source of this delta. */
export function sourceTasks(index: StudyIndex, deltaName: string): string[] {
  return [...index.tasks.values()]
    .filter(({ checkpoints }) =>
      checkpoints.some(({ run }) => isFinishedSource(run) && run.deltaName === deltaName),
    )
    .map(({ task }) => task.name);
}

/** The deltas by which something can be merged for a task: another one has a source of them. */
export function sourceDeltas(
  index: StudyIndex,
  target: string,
  configuration: StudyConfiguration,
): Choice<string>[] {
  return collectDeltas(configuration).filter(({ value }) =>
    sourceTasks(index, value).some((task) => task !== target),
  );
}

/** Checks that the chosen checkpoints can be merged with one another. */
export function agreeingSources(chosen: readonly CheckpointNode[]): {
  readonly directory: string;
  readonly deltaName: string;
  readonly tasks: readonly string[];
  readonly nodes: readonly CheckpointNode[];
} {
  // A task in two groups has two rows for the same checkpoint.
  const nodes = [...new Map(chosen.map((node) => [checkKey(node), node])).values()];
  const [first] = nodes;
  if (first === undefined || nodes.length < 2)
    throw new DeltaloomError('too-few-sources', STRINGS.merge.tooFew);
  const { directory } = first.study;
  const deltas = new Set(nodes.map(({ checkpoint }) => checkpoint.run.deltaName));
  if (deltas.size > 1) {
    throw new DeltaloomError('several-deltas', STRINGS.merge.severalDeltas([...deltas].join(', ')));
  }
  const tasks: string[] = [];
  for (const { study, checkpoint } of nodes) {
    const { task, role, status } = checkpoint.run;
    if (study.directory !== directory)
      throw new DeltaloomError('several-studies', STRINGS.merge.severalStudies);
    if (role !== 'source') throw new DeltaloomError('not-a-source', STRINGS.merge.onlyCurrentSources(task));
    if (status !== 'done') throw new DeltaloomError('not-finished', STRINGS.merge.notFinished(task));
    if (tasks.includes(task)) throw new DeltaloomError('duplicate-task', STRINGS.merge.duplicateTasks(task));
    tasks.push(task);
  }
  return { directory, deltaName: first.checkpoint.run.deltaName, tasks, nodes };
}

/**
 * Refuses a chosen source that the merge would not take: a request names tasks, and which of a task's sources is meant is for
 * the study to say.
 *
 * @param taken ids of the runs that a merge takes, by task
 */
export function demandSourcesInUse(
  index: StudyIndex,
  chosen: readonly CheckpointNode[],
  taken: ReadonlyMap<string, string>,
): void {
  for (const { checkpoint } of chosen) {
    const { task, id, seed } = checkpoint.run;
    const other = taken.get(task);
    if (other === undefined || other === id) continue;
    const run = index.checkpointById.get(runKey(task, other))?.run;
    const { sourceName, otherSource } = STRINGS.merge;
    throw new DeltaloomError(
      'other-source',
      otherSource(task, sourceName(seed, id), run === undefined ? other : sourceName(run.seed, run.id)),
    );
  }
}

/** Whether a row dropped on another one can join that merge: a source of another task and of the same delta. */
export function canJoinMerge(dragged: TreeNode, target: TreeNode): target is MergeNode {
  if (dragged.kind !== 'checkpoint' || target.kind !== 'merge') return false;
  const { run } = dragged.checkpoint;
  const { record } = target.merge;
  return isMergeable(dragged.checkpoint) && run.task !== record.target && run.deltaName === record.deltaName;
}

/** Temperatures from sharp to flat around the method's own, each with the weights it gives. */
export function collectTemperatures(
  row: ScoreRow,
  target: string,
  configured: number | undefined,
): Choice<number>[] {
  const centre = configured ?? defaultTemperature(row.method, row.matrix.compatibility);
  const factors = [1, 0.1, 0.25, 0.5, 2, 4, 10];
  const temperatures = factors.map((factor) => Number((centre * factor).toPrecision(3)));
  return temperatures.map((temperature, position) => ({
    label: `τ ${temperature}`,
    ...(position === 0
      ? { description: configured === undefined ? STRINGS.merge.methodDefault : STRINGS.merge.configured }
      : {}),
    detail: preview(() => weightsOf(row, target, temperature)),
    value: temperature,
  }));
}

/** The row for a temperature that is being typed; undefined while it is none. */
export function typedTemperature(text: string, row: ScoreRow, target: string): Choice<number> | undefined {
  const temperature = Number(text.trim().replace(',', '.'));
  if (text.trim() === '' || !Number.isFinite(temperature) || temperature <= 0) return undefined;
  return {
    label: `τ ${temperature}`,
    detail: preview(() => weightsOf(row, target, temperature)),
    value: temperature,
  };
}

/** The request for all sources of the study. */
export function mergeByRule(rule: MergeRule, temperature: number | undefined): MergeBy {
  switch (rule.kind) {
    case 'score':
      return {
        kind: 'score',
        method: rule.row.method,
        granularity: 'model',
        ...(temperature === undefined ? {} : { temperature }),
      };
    case 'parts':
      return { kind: 'score', method: rule.method, granularity: rule.granularity };
    case 'best-source':
      return { kind: 'best-source', method: rule.row.method };
    case 'average':
    case 'group':
      return { kind: rule.kind };
  }
}

/** The request for chosen sources: their weights, written out. */
export function mergeSelectedByRule(
  rule: MergeRule,
  target: string,
  selected: readonly string[],
  temperature: number,
): MergeBy {
  const { sources, weights } =
    rule.kind === 'score'
      ? weightsOf(rule.row, target, temperature)
      : describeWeights(
          selected,
          selected.map(() => 1 / selected.length),
        );
  return {
    kind: 'explicit',
    weights: Object.fromEntries(sources.map((task, position) => [task, weights[position] ?? 0])),
  };
}

function preview(compute: () => AveragingWeights): string {
  try {
    return previewWeights(compute());
  } catch (error) {
    if (error instanceof DeltaloomError) return `$(warning) ${error.message}`;
    throw error;
  }
}
