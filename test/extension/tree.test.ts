import { describe, expect, it } from 'vitest';
import { mergeRecordPath, runRecordPath } from '../../src/study/paths.js';
import type { RunRecord } from '../../src/study/records.js';
import type { JobView } from '../../src/runtime/protocol.js';
import type { Study } from '../../src/extension/services.js';
import { bestResultOf } from '../../src/extension/tree/best-result.js';
import {
  collectChildren,
  collectRoots,
  DEFAULT_ARRANGEMENT,
  nodeId,
  parentOf,
  renewed,
  type Arrangement,
  type IndexedStudy,
  type TreeNode,
} from '../../src/extension/tree/nodes.js';
import { firstLines } from '../../src/extension/tree/labels.js';
import { collectRow, collectTooltip, markdownText } from '../../src/extension/tree/rows.js';
import {
  appearanceOf,
  collectStudyIndex,
  outlineOf,
  type StudyIndex,
  type TaskContents,
} from '../../src/extension/tree/study-index.js';
import {
  CONFIGURATION,
  makeLargeRecords,
  makeRecords,
  makeSnapshot,
  weightsOnDisk,
  type MadeStudy,
} from './make-study.js';

const STALE = new Map([
  [runRecordPath('movies', 'lora-source-old'), "the settings of the delta 'lora' changed"],
]);
const NOW = Date.parse('2026-03-05T10:00:00.000Z');

function indexed(
  records: MadeStudy = makeRecords(),
  directory = '/study',
  weights = weightsOnDisk(records),
): IndexedStudy {
  const snapshot = makeSnapshot(records, directory);
  // The tree never touches the URI: only VS Code does.
  const study = { directory, name: 'Two families', snapshot } as unknown as Study;
  return { study, index: collectStudyIndex(snapshot, weights, STALE) };
}

function outline(
  studies: readonly IndexedStudy[],
  jobs: readonly JobView[] = [],
  arrangement: Arrangement = DEFAULT_ARRANGEMENT,
): string[] {
  const lines: string[] = [];
  const visit = (nodes: readonly TreeNode[], depth: number): void => {
    for (const node of nodes) {
      const row = collectRow(node, { now: NOW, jobs, checked: new Set() });
      lines.push(`${'  '.repeat(depth)}${row.label} — ${row.description}`);
      visit(collectChildren(node, jobs, arrangement), depth + 1);
    }
  };
  visit(collectRoots(studies, arrangement), 0);
  return lines;
}

function find(studies: readonly IndexedStudy[], test: (node: TreeNode) => boolean): TreeNode {
  const visit = (nodes: readonly TreeNode[]): TreeNode | undefined => {
    for (const node of nodes) {
      const found = test(node) ? node : visit(collectChildren(node, [], DEFAULT_ARRANGEMENT));
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const found = visit(collectRoots(studies, DEFAULT_ARRANGEMENT));
  if (found === undefined) throw new Error('No such row.');
  return found;
}

function contentsOf({ tasks }: StudyIndex, name: string): TaskContents {
  const contents = tasks.get(name);
  if (contents === undefined) throw new Error(`There is no task '${name}'.`);
  return contents;
}

function makeJob(over: Partial<JobView>): JobView {
  return {
    id: 'job',
    study: '/study',
    request: {
      kind: 'tune',
      tasks: ['movies', 'hotels'],
      deltaName: 'adapter',
      role: 'source',
      initialisation: { kind: 'random' },
    },
    priority: 'normal',
    title: 'Tune 2 tasks (adapter)',
    compute: { device: 'cpu', threads: 0, packWeights: false },
    state: 'running',
    progress: null,
    outcome: null,
    error: null,
    logFile: '/log',
    submittedAt: 0,
    startedAt: 0,
    endedAt: null,
    attempts: 1,
    ...over,
  };
}

describe('the tree', () => {
  it('shows groups, tasks, checkpoints and merges with what people look for', () => {
    const lines = outline([indexed()]);
    expect(lines.filter((line) => !line.startsWith('    '))).toEqual([
      'sentiment — 3',
      expect.stringMatching(/^ {2}movies — best \d\d\.\d% · ACC · 16\/64\/full shots$/),
      expect.stringMatching(/^ {2}hotels — best .* ACC/),
      expect.stringMatching(/^ {2}phones — best .* ACC/),
      'grammar — 2',
      expect.stringMatching(/^ {2}agreement — best .* ACC/),
      expect.stringMatching(/^ {2}negation — best .* ACC/),
      'Other tasks — 1',
      expect.stringMatching(/^ {2}odd_one — best .* EM/),
    ]);
    const movies = lines.slice(
      2,
      lines.findIndex((line) => line.startsWith('  hotels')),
    );
    expect(movies).toEqual([
      expect.stringMatching(/^ {4}\d\d\.\d% {2}source — adapter · full data · 4 d · a1b2c3d$/),
      expect.stringMatching(/source — lora · full data · stale · 2 mo/),
      expect.stringMatching(
        /^ {4}\d\d\.\d% {2}from Loss — ± \d+\.\d over 2 seeds · adapter · 16 shots · 1 d · a1b2c3d\*$/,
      ),
      expect.stringMatching(/^ {6}\d\d\.\d% {2}seed 13 — adapter · 16 shots · 1 d · a1b2c3d\*$/),
      expect.stringMatching(/^ {6}\d\d\.\d% {2}seed 42 — adapter · 16 shots/),
      expect.stringMatching(/^ {4}\d\d\.\d% {2}random start — ± .* over 2 seeds .* 2 d · a1b2c3d$/),
      expect.stringMatching(/^ {6}\d\d\.\d% {2}seed 13/),
      expect.stringMatching(/^ {6}\d\d\.\d% {2}seed 42/),
      expect.stringMatching(/^ {4}Merge by Loss — adapter · \d+% \w+ \+ 4 · τ 0\.1 · 3 d · a1b2c3d$/),
    ]);
  });

  it('shows the runs of several seeds as one, with what they come to, and what failed by itself', () => {
    const records = makeRecords();
    const [one, other] = records.runs.filter(
      ({ task, initialisation, role }) =>
        task === 'movies' && role === 'target' && initialisation.kind === 'random',
    );
    if (one === undefined || other === undefined) throw new Error('There are no two seeds.');
    const runs = records.runs.map((run) =>
      run === one
        ? { ...run, results: { ...run.results, test: 0.5 } }
        : run === other
          ? {
              ...run,
              results: { ...run.results, test: 0.7 },
              provenance: { ...run.provenance, commit: null },
            }
          : run,
    );
    const failed = { ...one, id: 'third', seed: 7, status: 'failed' as const, checkpoint: null };
    const seeds = (made: MadeStudy, arrangement?: Arrangement) =>
      outline([indexed(made)], [], arrangement).find((line) => line.includes('random start')) ?? '';
    // No commit is named where they are of several.
    expect(seeds({ ...records, runs })).toBe(
      '    60.0%  random start — ± 14.1 over 2 seeds · adapter · 16 shots · 2 d',
    );
    const three = {
      ...records,
      runs: [...runs, { ...failed, results: { ...one.results, test: null, dev: null } }],
    };
    // Nobody should have to look for what failed.
    expect(seeds(three)).toContain('over 2 seeds · adapter · 16 shots · 2 d');
    expect(outline([indexed(three)])).toContainEqual(
      expect.stringMatching(/^ {4}random start — adapter · 16 shots · seed 7 · failed/),
    );
    // Other settings are another row.
    const longer = { ...one, id: 'longer', tuning: one.tuning && { ...one.tuning, steps: 7 } };
    const lines = outline([indexed({ ...records, runs: [...runs, longer] })]);
    expect(
      lines.filter((line) => line.includes('%  random start — adapter · 16 shots · seed 13')),
    ).toHaveLength(1);
    // What is out of date is shown, and does not count.
    const path = runRecordPath(one.task, one.id);
    const study = indexed({ ...records, runs });
    const index = collectStudyIndex(
      study.index.snapshot,
      weightsOnDisk(records),
      new Map([[path, 'data changed']]),
    );
    expect(outline([{ ...study, index }]).find((line) => line.includes('random start'))).toBe(
      '    70.0%  random start — 1 seed · adapter · 16 shots · 1 stale · 2 d',
    );
  });

  it('shows tasks at once where no groups are declared, and studies first where there are several', () => {
    const large = indexed(makeLargeRecords(3, 1), '/large');
    const snapshot = { ...large.study.snapshot, configuration: null };
    const plain: IndexedStudy = {
      study: { ...large.study, snapshot },
      index: collectStudyIndex(snapshot, new Set()),
    };
    expect(outline([plain]).filter((line) => !line.startsWith(' '))).toHaveLength(3);
    expect(outline([indexed(), plain]).filter((line) => !line.startsWith(' '))).toHaveLength(2);
  });

  it('tells why a checkpoint is stale, failed or absent', () => {
    const records = makeRecords();
    const context = { now: NOW, jobs: [], checked: new Set<string>() };
    const stale = collectRow(
      find([indexed()], (node) => node.kind === 'checkpoint' && node.checkpoint.run.id === 'lora-source-old'),
      context,
    );
    expect(stale).toMatchObject({ decoration: 'stale', icon: 'history' });
    expect(stale.accessibleLabel).toContain(
      "Stale: the settings of the delta 'lora' changed. Tune again to bring it up to date.",
    );
    const failed = collectRow(
      find([indexed()], (node) => node.kind === 'checkpoint' && node.checkpoint.state === 'failed'),
      context,
    );
    expect(failed).toMatchObject({
      decoration: 'failed',
      icon: 'error',
      contextValue: 'checkpoint target failed commit',
    });
    expect(failed.accessibleLabel).toContain('The loss became NaN at step 40. Lower the rate.');
    const absent = collectRow(
      find(
        [indexed(records, '/study', new Set())],
        (node) => node.kind === 'checkpoint' && node.checkpoint.run.role === 'source',
      ),
      context,
    );
    expect(absent.icon).toBe('cloud');
    expect(absent.checked).toBeUndefined();
  });

  it('tells that weights are missing whatever else is to be told, and offers nothing that needs them', () => {
    const records = makeRecords();
    const [first] = records.runs;
    const [merge] = records.merges;
    if (first === undefined || merge === undefined) throw new Error('There are no records.');
    const cancelled = { ...first, id: 'cancelled', status: 'cancelled' as const };
    const runs = [...records.runs, cancelled];
    const snapshot = makeSnapshot({ ...records, runs });
    const stale = new Map([
      ...STALE,
      [runRecordPath(first.task, first.id), 'the train data changed'],
      [mergeRecordPath(merge.target, merge.id), 'a source was tuned anew since'],
    ]);
    const study = { directory: '/study', name: 'Two families', snapshot } as unknown as Study;
    const bare: IndexedStudy = { study, index: collectStudyIndex(snapshot, new Set(), stale) };
    const context = { now: NOW, jobs: [], checked: new Set<string>() };
    const rowOf = (test: (node: TreeNode) => boolean) => collectRow(find([bare], test), context);
    const rows = [
      rowOf((node) => node.kind === 'checkpoint' && node.checkpoint.run.id === first.id),
      rowOf((node) => node.kind === 'checkpoint' && node.checkpoint.run.id === 'cancelled'),
      rowOf((node) => node.kind === 'merge' && node.merge.record.id === merge.id),
    ];
    expect(rows.map(({ contextValue }) => contextValue)).toEqual([
      'checkpoint source stale commit',
      'checkpoint source cancelled commit',
      'merge stale commit',
    ]);
    for (const { checked, description } of rows) {
      expect(checked).toBeUndefined();
      expect(description).toMatch(/(stale|cancelled) · weights not on this machine/);
    }
    expect(rows[0]?.accessibleLabel).toContain(
      'Stale: the train data changed. Tune again to bring it up to date. Weights not on this machine.',
    );
    // With its weights a run that was stopped can be gone on from, but not merged.
    const here = new Set([cancelled.checkpoint?.path ?? '']);
    const again = { study, index: collectStudyIndex(snapshot, here, stale) };
    const stopped = find([again], (node) => node.kind === 'checkpoint' && node.checkpoint.run === cancelled);
    expect(collectRow(stopped, context)).toMatchObject({
      contextValue: 'checkpoint source cancelled commit weights',
    });
    expect(collectRow(stopped, context).checked).toBeUndefined();
  });

  it('names the seed of a source where the task has several of its delta', () => {
    const records = makeRecords();
    const [first] = records.runs;
    if (first === undefined) throw new Error('There are no runs.');
    const sources = (more: readonly RunRecord[]) =>
      outline([indexed({ ...records, runs: [...records.runs, ...more] })])
        .filter((line) => line.includes('source — adapter · full data'))
        .slice(0, 1 + more.length);
    expect(sources([])[0]).toMatch(/source — adapter · full data · 4 d · /);
    expect(sources([{ ...first, id: 'other', seed: 7 }])).toEqual([
      expect.stringMatching(/source — adapter · full data · seed (42|7) · 4 d · /),
      expect.stringMatching(/source — adapter · full data · seed (42|7) · 4 d · /),
    ]);
    // What was stopped is no second source.
    const stopped = { ...first, id: 'other', seed: 7, status: 'cancelled' as const };
    expect(sources([stopped]).join()).not.toContain('seed');
  });

  it('keeps groups and tasks while the configuration is broken, and leads to what is wrong', () => {
    const whole = indexed();
    const snapshot = {
      ...whole.study.snapshot,
      configuration: null,
      problems: [
        {
          severity: 'error',
          code: 'study-not-json',
          message: 'A comma is missing.',
          remedy: 'Mend the JSON.',
          file: 'deltaloom.json',
          line: 5,
        } as const,
      ],
    };
    const study = { ...whole.study, snapshot };
    const broken: IndexedStudy = {
      study,
      index: collectStudyIndex(snapshot, weightsOnDisk(makeRecords()), STALE, CONFIGURATION.groups),
    };
    const lines = outline([broken]);
    expect(lines[0]).toBe("deltaloom.json can't be used — line 5: A comma is missing.");
    expect(lines.slice(1)).toEqual(outline([whole]));
    const row = find([broken], ({ kind }) => kind === 'problems');
    expect(collectTooltip(row)).toContain('Mend the JSON');
    expect(outlineOf(broken.index)).not.toBe(outlineOf(whole.index));
    // Whatever is filtered: it explains why nothing works.
    expect(outline([broken], [], { filter: 'nothing like it', sort: 'study' })).toHaveLength(1);
    const [below] = collectChildren({ kind: 'study', ...broken }, [], DEFAULT_ARRANGEMENT);
    expect(below?.kind).toBe('problems');
  });

  it('offers boxes on mergeable sources only', () => {
    const source = find(
      [indexed()],
      (node) => node.kind === 'checkpoint' && node.checkpoint.run.role === 'source',
    );
    const target = find(
      [indexed()],
      (node) => node.kind === 'checkpoint' && node.checkpoint.run.role === 'target',
    );
    const id = source.kind === 'checkpoint' ? source.checkpoint.run.id : '';
    const context = { now: NOW, jobs: [], checked: new Set([`/study\nmovies/${id}`]) };
    expect(collectRow(source, context).checked).toBe(true);
    expect(collectRow(target, context).checked).toBeUndefined();
  });

  it('shows a job below each of its tasks: running in one, queued in the others', () => {
    const progress = {
      label: 'Tuning movies (adapter, full, seed 42)',
      done: 42,
      total: 100,
      unit: 'steps' as const,
      task: 'movies',
      loss: 0.51234,
      secondsLeft: 75,
    };
    const lines = outline([indexed()], [makeJob({ progress })]);
    expect(lines[2]).toBe('    42%  Tuning movies (adapter, full, seed 42) — 1 min 15 s left · loss 0.512');
    expect(lines).toContain('    Tune 2 tasks (adapter) — queued');
    expect(outline([indexed()], [makeJob({ state: 'done' })])).toEqual(outline([indexed()]));
  });

  it('filters by words of tasks and checkpoints, and keeps everything of a task that is named', () => {
    const filtered = (filter: string): string[] => outline([indexed()], [], { filter, sort: 'study' });
    expect(filtered('hotels').filter((line) => /^ {2}\w/.test(line))).toHaveLength(1);
    expect(filtered('HOTELS')).toEqual(filtered('hotels'));
    expect(filtered('stale').filter((line) => line.startsWith('    '))).toEqual([
      expect.stringContaining('lora · full data'),
    ]);
    expect(filtered('movies lora').filter((line) => line.startsWith('    '))).toHaveLength(1);
    expect(filtered('nothing like it')).toEqual([]);
  });

  it('sorts by name, best result and time', () => {
    const tasks = (sort: Arrangement['sort']): string[] =>
      outline([indexed()], [], { filter: '', sort })
        .slice(1)
        .filter((line) => /^ {2}\w/.test(line))
        .slice(0, 3)
        .map((line) => line.trim().split(' ')[0] ?? '');
    expect(tasks('name')).toEqual(['hotels', 'movies', 'phones']);
    const { index } = indexed();
    const scoreOf = (task: string): number => {
      const contents = index.tasks.get(task);
      return (contents === undefined ? null : bestResultOf(contents))?.score ?? 0;
    };
    const best = ['movies', 'hotels', 'phones'].sort((a, b) => scoreOf(b) - scoreOf(a));
    expect(tasks('best')).toEqual(best);
  });

  it('knows the parent of every row, and gives every row an id of its own', () => {
    const studies = [indexed()];
    const ids = new Set<string>();
    let count = 0;
    const visit = (nodes: readonly TreeNode[], parent: TreeNode | undefined): void => {
      for (const node of nodes) {
        ids.add(nodeId(node));
        count++;
        const found = parentOf(node, studies);
        expect(found === undefined ? undefined : nodeId(found)).toBe(
          parent === undefined ? undefined : nodeId(parent),
        );
        visit(collectChildren(node, [], DEFAULT_ARRANGEMENT), node);
      }
    };
    visit(collectRoots(studies, DEFAULT_ARRANGEMENT), undefined);
    expect(ids.size).toBe(count);
  });

  it('finds out which tasks look different after a reading, and no others', () => {
    const records = makeRecords();
    const [run] = records.runs;
    if (run === undefined) throw new Error('There are no runs.');
    const before = indexed(records).index;
    const again = indexed(makeRecords()).index;
    const retuned = { ...run, provenance: { ...run.provenance, time: '2026-03-05T09:00:00.000Z' } };
    const after = indexed({ ...records, runs: [retuned, ...records.runs.slice(1)] }).index;
    const different = (index: StudyIndex): string[] =>
      [...index.tasks]
        .filter(([name, contents]) => appearanceOf(contents) !== appearanceOf(contentsOf(before, name)))
        .map(([name]) => name);
    expect(different(again)).toEqual([]);
    expect(different(after)).toEqual([run.task]);
    expect([again, after].map(outlineOf)).toEqual([outlineOf(before), outlineOf(before)]);
    const fewer = indexed({ ...records, tasks: records.tasks.slice(1) }).index;
    expect(outlineOf(fewer)).not.toBe(outlineOf(before));
  });

  it('shows a row that was handed out earlier as it is now', () => {
    const row = find(
      [indexed()],
      (node) => node.kind === 'checkpoint' && node.checkpoint.run.task === 'movies',
    );
    if (row.kind !== 'checkpoint') throw new Error('A checkpoint is expected.');
    const runs = makeRecords().runs.map((run) =>
      run.id === row.checkpoint.run.id && run.task === 'movies'
        ? { ...run, results: { ...run.results, test: 0.123 } }
        : run,
    );
    const now = renewed(row, [indexed({ ...makeRecords(), runs })], []);
    expect(collectRow(now, { now: NOW, jobs: [], checked: new Set() }).label).toContain('12.3%');
    expect(nodeId(now)).toBe(nodeId(row));
    expect(renewed(row, [], [])).toBe(row);
  });

  it('tells more when a row is looked at', () => {
    const merge = find([indexed()], (node) => node.kind === 'merge');
    expect(collectTooltip(merge)).toMatch(/\| Source \| Weight \|/);
    const stale = find(
      [indexed()],
      (node) => node.kind === 'checkpoint' && node.checkpoint.state === 'stale',
    );
    expect(collectTooltip(stale)).toContain('Stale: the settings of the delta');
  });

  it('names the first of many, and counts the others', () => {
    const lines = Array.from({ length: 12 }, (_, index) => `line ${index}`);
    expect(firstLines(lines, 10)).toEqual([...lines.slice(0, 10), 'and 2 more']);
    expect(firstLines(lines, 12)).toEqual(lines);
    expect(firstLines([], 10)).toEqual([]);
  });

  it('shows names as they are, whatever Markdown would make of them', () => {
    expect(markdownText('a_b*c [x](command:y) <img> $(zap)')).toBe(
      'a\\_b\\*c \\[x\\]\\(command:y\\) \\<img\\> \\$\\(zap\\)',
    );
  });
});
