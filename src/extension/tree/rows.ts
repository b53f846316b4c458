import type { JobView } from '../../runtime/protocol.js';
import { STRINGS } from '../strings.js';
import { collectJobLine } from '../jobs/job-lines.js';
import { formatAge } from '../durations.js';
import {
  firstLines,
  formatInitialisation,
  formatMerge,
  formatMetric,
  formatRun,
  formatShots,
  formatStart,
  joinParts,
  shortCommit,
} from './labels.js';
import {
  checkKey,
  nodeId,
  type CheckpointNode,
  type GroupNode,
  type JobNode,
  type MergeNode,
  type ProblemsNode,
  type SeedsNode,
  type StudyNode,
  type TaskNode,
  type TreeNode,
} from './nodes.js';
import { bestResultOf } from './best-result.js';
import { scoreOverSeeds } from './seeds.js';
import {
  errorsOf,
  isMergeable,
  type Checkpoint,
  type CheckpointState,
  type TaskContents,
} from './study-index.js';

/** A row of the tree as data: what `provider.ts` turns into a TreeItem, and the tests compare. */
export interface Row {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly icon: string;
  /** Id of a theme colour. */
  readonly iconColour?: string;
  /** Read by the `when` clauses of package.json. */
  readonly contextValue: string;
  readonly collapsible: 'no' | 'closed' | 'open';
  readonly checked?: boolean;
  readonly decoration?: 'stale' | 'failed';
  readonly accessibleLabel: string;
}

export interface RowContext {
  readonly now: number;
  readonly jobs: readonly JobView[];
  /** `checkKey`s of the checkpoints whose boxes are checked. */
  readonly checked: ReadonlySet<string>;
}

export function collectRow(node: TreeNode, context: RowContext): Row {
  switch (node.kind) {
    case 'study':
      return studyRow(node);
    case 'problems':
      return problemsRow(node);
    case 'group':
      return groupRow(node);
    case 'task':
      return taskRow(node, context);
    case 'checkpoint':
      return checkpointRow(node, context);
    case 'seeds':
      return seedsRow(node, context);
    case 'merge':
      return mergeRow(node, context);
    case 'probes':
      return row(node, STRINGS.tree.probes, {
        description: String(node.contents.probes.length),
        icon: 'telescope',
        contextValue: 'probes',
        collapsible: 'closed',
      });
    case 'job':
      return jobRow(node);
  }
}

/** What a row says when it is looked at longer, as Markdown; empty where that is nothing. */
export function collectTooltip(node: TreeNode): string {
  switch (node.kind) {
    case 'study':
      return markdownText(node.study.directory);
    case 'problems':
      return problemsTooltip(node);
    case 'task':
      return taskTooltip(node);
    case 'checkpoint':
      return checkpointTooltip(node.checkpoint);
    case 'seeds':
      return seedsTooltip(node);
    case 'merge':
      return mergeTooltip(node);
    case 'job':
      return jobTooltip(node);
    case 'group':
    case 'probes':
      return '';
  }
}

type RowParts = Omit<Row, 'id' | 'label' | 'accessibleLabel'> & { readonly accessibleLabel?: string };

function row(node: TreeNode, label: string, parts: RowParts): Row {
  return {
    id: nodeId(node),
    label,
    accessibleLabel: parts.description === '' ? label : `${label}, ${parts.description}`,
    ...parts,
  };
}

function studyRow(node: StudyNode): Row {
  const { tasks } = node.study.snapshot;
  const wrong = errorsOf(node.study.snapshot).length;
  return row(node, node.study.name, {
    description: wrong > 0 ? STRINGS.tree.problems(wrong) : STRINGS.tree.tasks(tasks.length),
    icon: wrong > 0 ? 'warning' : 'beaker',
    ...(wrong > 0 ? { iconColour: STATE_COLOURS.warning } : {}),
    contextValue: 'study',
    collapsible: 'open',
  });
}

/** Leads to the problem: in a study that can't be understood nothing works until it is mended. */
function problemsRow(node: ProblemsNode): Row {
  const { snapshot } = node.index;
  const errors = errorsOf(snapshot);
  const [first] = errors;
  const place = first?.line === undefined ? '' : STRINGS.tree.line(first.line);
  const broken = snapshot.configuration === null;
  return row(node, broken ? STRINGS.tree.broken : STRINGS.tree.problems(errors.length), {
    description: [broken ? place : '', first?.message ?? ''].filter((part) => part !== '').join(': '),
    icon: broken ? 'error' : 'warning',
    iconColour: broken ? STATE_COLOURS.error : STATE_COLOURS.warning,
    contextValue: 'problems',
    collapsible: 'no',
  });
}

/** More than these are in the Problems panel. */
const TOLD_PROBLEMS = 8;

function problemsTooltip({ index: { snapshot } }: ProblemsNode): string {
  const errors = errorsOf(snapshot);
  const told = errors.map(({ file, line, message, remedy }) => {
    const place = line === undefined ? file : `${file}:${line}`;
    return markdownText(`${place}: ${message} ${remedy}`);
  });
  return paragraphs([
    ...firstLines(told, TOLD_PROBLEMS),
    snapshot.configuration === null ? STRINGS.tree.lastUnderstood : '',
  ]);
}

function groupRow(node: GroupNode): Row {
  return row(node, node.name ?? STRINGS.tree.otherTasks, {
    description: String(node.tasks.length),
    icon: 'symbol-namespace',
    contextValue: 'group',
    collapsible: 'open',
  });
}

function taskRow(node: TaskNode, { jobs }: RowContext): Row {
  const { task } = node.contents;
  const best = bestResultOf(node.contents);
  const shots = collectShots(node.contents);
  const running = jobs.find(
    ({ study, state, progress }) =>
      study === node.study.directory &&
      (state === 'running' || state === 'cancelling') &&
      progress?.task === task.name,
  );
  const description = joinParts([
    // The result first: a narrow side bar cuts off the end.
    best === null ? STRINGS.tree.notRun : STRINGS.tree.best(formatMetric(best.score)),
    task.metric,
    shots === '' ? STRINGS.tree.noTaskData : shots,
  ]);
  return row(node, task.name, {
    description,
    icon: running === undefined ? 'symbol-field' : 'sync~spin',
    contextValue: 'task',
    collapsible: 'closed',
  });
}

function taskTooltip({ contents }: TaskNode): string {
  const { task, checkpoints, merges } = contents;
  const best = bestResultOf(contents);
  return paragraphs([
    `**${markdownText(task.name)}** ${markdownText(task.metric)}`,
    task.groups.length > 0 ? STRINGS.tree.groups(markdownText(task.groups.join(', '))) : '',
    STRINGS.tree.holdings(checkpoints.length, merges.length),
    best === null
      ? ''
      : STRINGS.tree.bestRun(
          formatMetric(best.score),
          STRINGS.tree.measuredOn(best.split, best.seeds),
          markdownText(formatRun(best.run)),
        ),
  ]);
}

/** '16/64/full' */
function collectShots({ task }: TaskContents): string {
  const all = [...new Set(task.data.map(({ shots }) => shots))].sort((a, b) =>
    a === 'full' ? 1 : b === 'full' ? -1 : a - b,
  );
  if (all.length === 0) return '';
  const text = all.join('/');
  return text === 'full' ? STRINGS.labels.fullData : STRINGS.labels.shots(text);
}

/** Those of the Problems panel: `list.errorForeground` and `list.warningForeground` have no value in high contrast. */
export const STATE_COLOURS = {
  done: 'charts.green',
  warning: 'problemsWarningIcon.foreground',
  error: 'problemsErrorIcon.foreground',
} as const;

const STATE_ICONS: Record<CheckpointState, { icon: string; colour?: string }> = {
  done: { icon: 'circle-filled', colour: STATE_COLOURS.done },
  stale: { icon: 'history', colour: STATE_COLOURS.warning },
  failed: { icon: 'error', colour: STATE_COLOURS.error },
  cancelled: { icon: 'circle-slash' },
  absent: { icon: 'cloud' },
};

function checkpointRow(node: CheckpointNode, context: RowContext): Row {
  const { run, state, reason, score, weightsHere, amongSources } = node.checkpoint;
  const { icon, colour } = STATE_ICONS[state];
  // What tells the runs of a task apart comes first: a narrow side bar cuts off the end.
  const seed = run.role === 'source' && !amongSources ? '' : STRINGS.tree.seed(run.seed);
  const start = run.role === 'source' ? STRINGS.tree.source : formatStart(run.initialisation);
  // Below the row of its initialisation only the seed is new.
  const [name, more] = node.amongSeeds === true ? [seed, ''] : [start, seed];
  const label = state === 'failed' ? name : `${formatMetric(score)}  ${name}`;
  const description = joinParts([
    run.deltaName,
    formatShots(run.shots),
    more,
    ...toldStates(state, run.checkpoint === null || weightsHere),
    formatAge(run.provenance.time, context.now),
    shortCommit(run.provenance.commit, run.provenance.dirty),
  ]);
  // Only what can be merged gets a box: a source whose weights are here.
  const mergeable = isMergeable(node.checkpoint);
  return row(node, label, {
    description,
    icon,
    ...(colour === undefined ? {} : { iconColour: colour }),
    contextValue: `checkpoint ${run.role} ${state}${run.provenance.commit === null ? '' : ' commit'}${
      weightsHere ? ' weights' : ''
    }`,
    collapsible: 'no',
    ...(mergeable ? { checked: context.checked.has(checkKey(node)) } : {}),
    ...(state === 'stale' || state === 'failed' ? { decoration: state } : {}),
    ...(reason === null ? {} : { accessibleLabel: `${label}, ${description}. ${reason}` }),
  });
}

/** What a row says of its state, and of its weights where something else is told of it first. */
export function toldStates(state: CheckpointState, complete: boolean): string[] {
  const states = complete || state === 'absent' ? [state] : [state, 'absent' as const];
  return states.flatMap((each) => (each === 'done' ? [] : [STRINGS.tree.states[each].toLowerCase()]));
}

/** What most deserves to be seen first. */
const BY_URGENCY = ['stale', 'absent', 'done'] as const satisfies CheckpointState[];

function seedsRow(node: SeedsNode, { now }: RowContext): Row {
  const { checkpoints } = node;
  const [first] = checkpoints;
  if (first === undefined) throw new Error('A row over seeds has runs.');
  const { deltaName, shots, initialisation } = first.run;
  const { seeds, mean, deviation } = scoreOverSeeds(checkpoints);
  const states = BY_URGENCY.flatMap((state) => {
    const count = checkpoints.filter((one) => one.state === state).length;
    return count === 0 ? [] : [{ state, count }];
  });
  const worst = states[0]?.state ?? 'done';
  const { icon, colour } = STATE_ICONS[worst];
  const told = states.flatMap(({ state, count }) => {
    const word = STRINGS.tree.states[state].toLowerCase();
    return state === 'done' ? [] : [count === checkpoints.length ? word : `${count} ${word}`];
  });
  const commits = new Set(
    checkpoints.map(({ run: { provenance } }) => shortCommit(provenance.commit, provenance.dirty)),
  );
  const newest =
    checkpoints
      .map(({ run }) => run.provenance.time)
      .sort()
      .at(-1) ?? '';
  return row(node, `${formatMetric(mean)}  ${formatStart(initialisation)}`, {
    description: joinParts([
      STRINGS.tree.overSeeds(seeds, deviation),
      deltaName,
      formatShots(shots),
      ...told,
      formatAge(newest, now),
      commits.size === 1 ? [...commits].join('') : '',
    ]),
    icon,
    ...(colour === undefined ? {} : { iconColour: colour }),
    contextValue: 'seeds',
    collapsible: 'closed',
    ...(worst === 'stale' ? { decoration: worst } : {}),
  });
}

function seedsTooltip({ contents, checkpoints }: SeedsNode): string {
  const [first] = checkpoints;
  return paragraphs([
    first === undefined
      ? ''
      : `**${markdownText(contents.task.name)}** ${markdownText(formatRun(first.run))}`,
    [
      `| ${STRINGS.tree.seedsHeads.join(' | ')} |`,
      '|:--|--:|',
      ...checkpoints.map(({ run, score }) => `| ${run.seed} | ${formatMetric(score)} |`),
    ].join('\n'),
  ]);
}

function checkpointTooltip({ run, reason, state, scoreSplit: split }: Checkpoint): string {
  const { results, provenance, tuning, chosen } = run;
  const numbers = [
    results.test === null ? '' : STRINGS.tree.result('test', formatMetric(results.test)),
    results.dev === null ? '' : STRINGS.tree.result('dev', formatMetric(results.dev)),
    results.bestStep === null ? '' : STRINGS.tree.bestStep(results.bestStep, results.steps),
  ].filter((part) => part !== '');
  const settings = [
    formatInitialisation(run.initialisation),
    formatShots(run.shots),
    STRINGS.tree.seed(run.seed),
    chosen === null ? '' : STRINGS.tree.chosen(chosen.learningRate, chosen.batchSize),
    tuning === null ? '' : STRINGS.tree.stepsAtMost(tuning.steps),
  ].filter((part) => part !== '');
  return paragraphs([
    `**${markdownText(run.task)}** ${markdownText(run.deltaName)} ${split === null ? '' : `(${split} ${markdownText(results.metric)})`}`,
    reason === null ? '' : `$(${STATE_ICONS[state].icon}) ${markdownText(reason)}`,
    numbers.join(', '),
    markdownText(settings.join(', ')),
    markdownText(
      STRINGS.tree.made(
        provenance.time.replace('T', ' ').slice(0, 16),
        provenance.device,
        provenance.commit === null
          ? null
          : STRINGS.labels.commit(provenance.commit.slice(0, 7), provenance.branch, provenance.dirty),
      ),
    ),
    `\`${run.id}\``,
  ]);
}

function mergeTooltip({ merge }: MergeNode): string {
  const { record, reason } = merge;
  return paragraphs([
    STRINGS.tree.mergeFor(`**${markdownText(formatMerge(record))}**`, markdownText(record.target)),
    reason === null ? '' : markdownText(reason),
    collectMergeSources(record.sources, record.weights, record.parts).table,
    record.loraRule === null ? '' : STRINGS.tree.loraRule(record.loraRule),
    `\`${record.id}\``,
  ]);
}

function mergeRow(node: MergeNode, { now }: RowContext): Row {
  const { record, state, weightsHere } = node.merge;
  const { provenance } = record;
  const label = formatMerge(record);
  const sources = collectMergeSources(record.sources, record.weights, record.parts);
  const description = joinParts([
    record.deltaName,
    sources.short,
    record.temperature === null ? '' : `τ ${record.temperature}`,
    ...toldStates(state, weightsHere),
    formatAge(provenance.time, now),
    shortCommit(provenance.commit, provenance.dirty),
  ]);
  return row(node, label, {
    description,
    icon: state === 'stale' ? 'history' : state === 'absent' ? 'cloud' : 'git-merge',
    ...(state === 'stale' ? { iconColour: STATE_COLOURS.warning } : {}),
    contextValue: `merge ${state}${provenance.commit === null ? '' : ' commit'}${
      weightsHere ? ' weights' : ''
    }`,
    collapsible: 'no',
    ...(state === 'stale' ? { decoration: 'stale' as const } : {}),
  });
}

/** What a merge was made from: the heaviest in short, all of them as a table. */
export function collectMergeSources(
  sources: readonly { readonly task: string }[],
  weights: readonly (readonly number[])[],
  parts: readonly string[],
): { readonly short: string; readonly table: string } {
  // Over several parts the mean weight says which source matters.
  const mean = sources.map(
    (_source, index) =>
      weights.reduce((sum, part) => sum + (part[index] ?? 0), 0) / Math.max(1, weights.length),
  );
  const order = sources
    .map(({ task }, index) => ({ task, weight: mean[index] ?? 0 }))
    .sort((a, b) => b.weight - a.weight);
  const [first] = order;
  const heaviest = first === undefined ? '' : `${Math.round(first.weight * 100)}% ${first.task}`;
  const others = order.length - 1;
  const rows = order
    .slice(0, 12)
    .map(({ task, weight }) => `| ${markdownText(task)} | ${(weight * 100).toFixed(1)}% |`);
  return {
    short: others > 0 ? `${heaviest} + ${others}` : heaviest,
    table: [
      `| ${STRINGS.tree.sourceHead} | ${STRINGS.tree.weightHead(parts.length)} |`,
      '|:--|--:|',
      ...rows,
    ].join('\n'),
  };
}

function jobTooltip({ job, task }: JobNode): string {
  const { label, percent, description } = collectJobLine(job, task);
  return paragraphs([`**${markdownText(label)}**`, markdownText(joinParts([percent, description]))]);
}

function jobRow(node: JobNode): Row {
  const line = collectJobLine(node.job, node.task);
  // How far it is comes first: a narrow side bar cuts off the end.
  return row(node, line.percent === '' ? line.label : `${line.percent}  ${line.label}`, {
    description: line.description,
    icon: line.icon,
    contextValue: `job ${node.job.state}`,
    collapsible: 'no',
  });
}

function paragraphs(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}

/** Names come from files: what Markdown would read as markup is shown as it is. */
export function markdownText(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!|<>~$]/g, '\\$&');
}
