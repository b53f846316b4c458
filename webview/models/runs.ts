import { SCORE_METHODS, SCORE_METHOD_INFO } from '../../src/core/methods.js';
import { LEADING_COLUMNS } from '../../src/core/results.js';
import type { RunView } from '../../src/extension/panels/messages.js';
import { PAGE_STRINGS } from '../strings.js';

/** Runs and what they start from, in words. Pure. */

/** So begins in the records what starts from another task's delta. */
const FROM = 'from ';

/** `loss` is shown as 'Loss', a part's merge as 'GraNd, encoder.block.1', `best-source` as 'Best source'. */
export function initialisationTitle(initialisation: string): string {
  const [head = '', ...rest] = initialisation.split('/');
  const method = SCORE_METHODS.find((id) => id === head);
  const words = head.replaceAll('-', ' ');
  const name =
    method !== undefined
      ? SCORE_METHOD_INFO[method].title
      : // A task's own name stays as it is.
        head.startsWith(FROM)
        ? PAGE_STRINGS.runs.fromTask(head.slice(FROM.length))
        : words.charAt(0).toUpperCase() + words.slice(1);
  return rest.length === 0 ? name : `${name}, ${rest.join('/')}`;
}

/** `from Loss`, `from film_reviews`. */
export function start(initialisation: string): string {
  return PAGE_STRINGS.runs.from(
    initialisation.startsWith(FROM) ? initialisation.slice(FROM.length) : initialisationTitle(initialisation),
  );
}

export function runKey({ task, id }: RunView): string {
  return `${task}/${id}`;
}

/** What a run is, part by part: task, start, delta, data, seed, state. */
function parts({ task, role, initialisation, deltaName, shots, seed, status }: RunView): string[] {
  return [
    task,
    role === 'source'
      ? PAGE_STRINGS.runs.source
      : role === 'step-k'
        ? PAGE_STRINGS.runs.fewSteps(start(initialisation))
        : start(initialisation),
    deltaName,
    PAGE_STRINGS.runs.data(shots),
    PAGE_STRINGS.runs.seed(seed),
    PAGE_STRINGS.runs.states[status],
  ];
}

/**
 * Targets first, which people compare, and the short tunings inside some scores last; then by task, start and seed.
 *
 * @param tasks in the study's order
 */
export function inStudyOrder(tasks: readonly string[]): (a: RunView, b: RunView) => number {
  const roles: readonly RunView['role'][] = ['target', 'source', 'step-k'];
  const place = new Map(tasks.map((task, i) => [task, i]));
  const placeOf = ({ task }: RunView) => place.get(task) ?? tasks.length;
  return (a, b) =>
    roles.indexOf(a.role) - roles.indexOf(b.role) ||
    placeOf(a) - placeOf(b) ||
    startRank(a.initialisation) - startRank(b.initialisation) ||
    a.initialisation.localeCompare(b.initialisation) ||
    a.seed - b.seed;
}

const STARTS: readonly string[] = [...LEADING_COLUMNS, ...SCORE_METHODS];

/** Random and the baselines first, then the methods in the catalogue's order, then whatever else. */
export function startRank(initialisation: string): number {
  const [head = ''] = initialisation.split('/');
  const rank = STARTS.indexOf(head);
  return rank < 0 ? STARTS.length : rank;
}

export function describeRun(run: RunView): string {
  return join(parts(run));
}

/** Several runs told apart by what differs, and what they have in common. */
export function describeRuns(runs: readonly RunView[]): {
  readonly common: string;
  readonly labels: readonly string[];
} {
  const described = runs.map(parts);
  const [first = []] = described;
  if (runs.length < 2) return { common: '', labels: described.map(join) };
  const shared = first.map((part, i) => described.every((other) => other[i] === part));
  const differing = described.map((own) => join(own.filter((_, i) => shared[i] !== true)));
  return {
    common: join(first.filter((_, i) => shared[i] === true)),
    // Runs alike in everything that is said of them: by their own names too.
    labels: differing.map((label, i) => {
      const isAlone = differing.indexOf(label) === i && differing.lastIndexOf(label) === i;
      return label !== '' && isAlone
        ? label
        : [label, runs[i]?.id ?? ''].filter((part) => part !== '').join(', ');
    }),
  };
}

function join([head = '', ...rest]: readonly string[]): string {
  const [second = '', ...others] = rest;
  const named =
    second.startsWith(PAGE_STRINGS.runs.from('')) || second === PAGE_STRINGS.runs.source
      ? `${head} ${second}`
      : [head, second];
  return [named, ...others]
    .flat()
    .filter((part) => part !== '')
    .join(', ');
}
