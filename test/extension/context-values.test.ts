import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { collectContext, type Situation } from '../../src/extension/context-values.js';
import type { Study } from '../../src/extension/services.js';
import { DEFAULT_ARRANGEMENT, type IndexedStudy } from '../../src/extension/tree/nodes.js';
import { collectStudyIndex } from '../../src/extension/tree/study-index.js';
import type { JobView } from '../../src/runtime/protocol.js';
import { makeRecords, makeSnapshot, TASKS, weightsOnDisk, type MadeStudy } from './make-study.js';

/** What people are offered in each situation: the `when` clauses of package.json over the values that the code sets. */

interface Manifest {
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly enablement?: string }[];
    readonly menus: {
      readonly commandPalette: readonly { readonly command: string; readonly when: string }[];
    };
    readonly views: Readonly<Record<string, readonly { readonly id: string; readonly when?: string }[]>>;
    readonly viewsWelcome: readonly {
      readonly view: string;
      readonly contents: string;
      readonly when: string;
    }[];
    readonly walkthroughs: readonly {
      readonly steps: readonly { readonly id: string; readonly completionEvents: readonly string[] }[];
    }[];
  };
}
const file = path.resolve(import.meta.dirname, '..', '..', 'package.json');
const { contributes } = JSON.parse(readFileSync(file, 'utf8')) as Manifest;

const EMPTY: MadeStudy = { tasks: TASKS, runs: [], merges: [], matrices: [] };

/** @param onDisk those whose weights are there */
function indexed(records: MadeStudy, directory = '/study', onDisk = records): IndexedStudy {
  const snapshot = makeSnapshot(records, directory);
  const study = { directory, name: 'Two families', snapshot } as unknown as Study;
  return { study, index: collectStudyIndex(snapshot, weightsOnDisk(onDisk)) };
}

interface Case extends Partial<Situation> {
  readonly trusted?: boolean;
  readonly steps?: readonly string[];
}

type Values = Readonly<Record<string, boolean | string>>;

function valuesOf({ trusted = true, steps = [], ...over }: Case): Values {
  const situation: Situation = {
    folders: 1,
    ready: true,
    studies: [],
    backboneFound: () => true,
    jobs: [],
    state: { kind: 'absent' },
    arrangement: DEFAULT_ARRANGEMENT,
    checked: 0,
    remembersTuning: false,
    panels: [],
    ...over,
  };
  return { ...collectContext(situation, new Set(steps)), isWorkspaceTrusted: trusted };
}

/** VS Code's `when` clauses, as far as package.json uses them outside menus of rows. */
function holds(clause: string, values: Values): boolean {
  const value = (text: string): boolean => {
    const term = text.trim();
    if (term.startsWith('!')) return !value(term.slice(1));
    const [, key, operator, right] = /^([\w.]+)(?: (==|!=) ([\w-]+))?$/.exec(term) ?? [];
    if (key === undefined) throw new Error(`This test does not understand '${clause}'.`);
    if (!(key in values)) throw new Error(`Nobody sets '${key}'.`);
    if (operator === undefined) return values[key] === true;
    return (values[key] === right) === (operator === '==');
  };
  // Parentheses first, from the inside out.
  const inner = /\(([^()]*)\)/.exec(clause);
  if (inner !== null) {
    const decided = holds(inner[1] ?? '', values) ? 'yes' : 'no';
    const rest = clause.replace(inner[0], decided);
    return holds(rest, { ...values, yes: true, no: false });
  }
  return clause.split('||').some((all) => all.split('&&').every(value));
}

function welcomes(given: Case): string[] {
  const values = valuesOf(given);
  const shown = new Set(
    (contributes.views['deltaloom'] ?? [])
      .filter(({ when }) => when === undefined || holds(when, values))
      .map(({ id }) => id),
  );
  return contributes.viewsWelcome
    .filter(({ view, when }) => shown.has(view) && holds(when, values))
    .map(({ contents }) => contents);
}

function palette(given: Case): string[] {
  const values = valuesOf(given);
  const when = new Map(contributes.menus.commandPalette.map((entry) => [entry.command, entry.when]));
  return contributes.commands
    .filter(({ command, enablement }) => {
      const clauses = [when.get(command), enablement].filter((clause) => clause !== undefined);
      return clauses.every((clause) => holds(clause, values));
    })
    .map(({ command }) => command.replace('deltaloom.', ''));
}

function stepsDone(given: Case): string[] {
  const values = valuesOf(given);
  return (contributes.walkthroughs[0]?.steps ?? [])
    .filter(({ completionEvents }) =>
      completionEvents.some((event) => event.startsWith('onContext:') && holds(event.slice(10), values)),
    )
    .map(({ id }) => id);
}

const full = [indexed(makeRecords())];
const fresh = [indexed(EMPTY)];

describe('welcome texts', () => {
  it.each<[string, Case, RegExp]>([
    ['no folder', { folders: 0 }, /command:vscode\.openFolder.*command:deltaloom\.openSample/s],
    ['no study', {}, /command:deltaloom\.createStudy.*command:deltaloom\.openSample/s],
    ['no study, untrusted', { trusted: false }, /command:workbench\.trust\.manage/],
    ['a study, untrusted', { trusted: false, studies: full }, /command:workbench\.trust\.manage/],
    ['no backbone', { studies: full, backboneFound: () => false }, /command:deltaloom\.chooseBackbone/],
    [
      'no runtime',
      { studies: full, state: { kind: 'broken', reason: '' } },
      /command:deltaloom\.restartRuntime/,
    ],
  ])('offer the next step: %s', (_name, situation, expected) => {
    const shown = welcomes(situation);
    expect(shown).toHaveLength(1);
    expect(shown[0]).toMatch(expected);
  });

  it('say nothing while the workspace is looked through, and where all is well', () => {
    expect(welcomes({ ready: false })).toEqual([]);
    expect(welcomes({ studies: full })).toEqual([]);
  });

  it('say both when backbone and runtime are missing, and only trust where that is missing', () => {
    const broken: Case = {
      studies: full,
      backboneFound: () => false,
      state: { kind: 'broken', reason: '' },
    };
    expect(welcomes(broken)).toHaveLength(2);
    expect(welcomes({ ...broken, trusted: false })).toHaveLength(1);
  });
});

describe('the command palette', () => {
  it('offers without a study only what does not need one', () => {
    const always = ['openSample', 'showJobs', 'showLog', 'showDevices', 'restartRuntime'];
    expect(palette({ folders: 0 }).sort()).toEqual([...always].sort());
    expect(palette({}).sort()).toEqual([...always, 'createStudy'].sort());
  });

  it('offers no step before what it needs exists', () => {
    const offered = palette({ studies: fresh });
    for (const early of ['tune', 'evaluate', 'checkStudy', 'runStudy']) expect(offered).toContain(early);
    const later = [
      'score',
      'merge',
      'mergeSelected',
      'compare',
      'showHeatmap',
      'showResults',
      'deleteCheckpoint',
    ];
    expect(offered.filter((command) => later.includes(command))).toEqual([]);
    const all = palette({ studies: full, checked: 2 });
    expect(later.filter((command) => !all.includes(command))).toEqual([]);
  });

  it('offers repeating, cancelling and clearing only where there is something to repeat, cancel or clear', () => {
    const some = ['tuneAgain', 'cancelJob', 'cancelAll', 'clearFilter', 'clearChecked'];
    expect(palette({ studies: full }).filter((command) => some.includes(command))).toEqual([]);
    const running = { state: 'running', request: { kind: 'tune' } } as unknown as JobView;
    const busy = palette({
      studies: full,
      jobs: [running],
      remembersTuning: true,
      checked: 1,
      arrangement: { filter: 'x', sort: 'name' },
    });
    expect(some.filter((command) => !busy.includes(command))).toEqual([]);
  });

  it('offers to merge again only where the weights of a merge are gone or it is stale', () => {
    const records = makeRecords();
    expect(palette({ studies: [indexed(records)] })).not.toContain('mergeAgain');
    const [merge] = records.merges;
    if (merge === undefined) throw new Error('There are no merges.');
    const gone = { ...merge, checkpoint: { ...merge.checkpoint, path: 'gone' } };
    const studies = [indexed({ ...records, merges: [gone] }, '/study', records)];
    expect(palette({ studies })).toContain('mergeAgain');
  });

  it('offers in an untrusted workspace nothing that computes, writes or runs git', () => {
    expect(palette({ studies: full, trusted: false, checked: 2, remembersTuning: true }).sort()).toEqual([
      'clearChecked',
      'compare',
      'filter',
      'openCheckpoint',
      'openConfiguration',
      'openData',
      'openRecord',
      'openSample',
      'refresh',
      'reveal',
      'showCurves',
      'showHeatmap',
      'showJobs',
      'showLog',
      'showResults',
      'showWeights',
      'sort',
    ]);
  });
});

describe('the walkthrough', () => {
  const done = (kind: string) => ({ state: 'done', request: { kind } }) as unknown as JobView;

  it('completes its steps by what happened, in this session or an earlier one', () => {
    expect(stepsDone({})).toEqual([]);
    expect(stepsDone({ studies: fresh })).toEqual(['open']);
    expect(stepsDone({ studies: full, jobs: [done('tune')] })).toEqual(['open', 'tune']);
    expect(stepsDone({ studies: full, jobs: [done('tune')], steps: ['score'] })).toEqual([
      'open',
      'tune',
      'score',
    ]);
    expect(stepsDone({ studies: full, jobs: [done('run')] })).toEqual(['open', 'tune', 'score', 'merge']);
    expect(stepsDone({ studies: full, panels: ['heatmap'] })).toEqual(['open', 'heatmap']);
    expect(stepsDone({ studies: full, steps: ['results'] })).toEqual(['open', 'gain']);
  });

  it('does not take a job that failed for a step', () => {
    const failed = { state: 'failed', request: { kind: 'tune' } } as unknown as JobView;
    expect(stepsDone({ studies: full, jobs: [failed] })).toEqual(['open']);
  });
});
