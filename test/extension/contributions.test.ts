import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { PANEL_KINDS } from '../../src/extension/panels/messages.js';
import type { Study } from '../../src/extension/services.js';
import {
  collectChildren,
  collectRoots,
  DEFAULT_ARRANGEMENT,
  type TreeNode,
} from '../../src/extension/tree/nodes.js';
import { STRINGS } from '../../src/extension/strings.js';
import { collectRow } from '../../src/extension/tree/rows.js';
import { collectStudyIndex } from '../../src/extension/tree/study-index.js';
import type { JobView } from '../../src/runtime/protocol.js';
import { studySchema } from '../../src/study/configuration.js';
import {
  CHECKPOINT_EDITOR,
  COMMANDS,
  CONTEXT_KEYS,
  SETTINGS,
  VIEWS,
  WALKTHROUGH,
} from '../../src/extension/identifiers.js';
import { listUnsaid } from '../support/shown-texts.js';
import { makeRecords, makeSnapshot, weightsOnDisk } from './make-study.js';

/** What package.json declares and what the code has must be the same, in both directions. */

interface Menu {
  readonly command: string;
  readonly when?: string;
}
interface Manifest {
  readonly publisher: string;
  readonly name: string;
  readonly activationEvents: readonly string[];
  readonly contributes: {
    readonly commands: readonly {
      readonly command: string;
      readonly title: string;
      readonly enablement?: string;
    }[];
    readonly menus: Readonly<Record<string, readonly Menu[]>>;
    readonly keybindings: readonly Menu[];
    readonly configuration: { readonly properties: Readonly<Record<string, { readonly default: unknown }>> };
    readonly views: Readonly<Record<string, readonly { readonly id: string; readonly when?: string }[]>>;
    readonly viewsWelcome: readonly {
      readonly view: string;
      readonly contents: string;
      readonly when: string;
    }[];
    readonly customEditors: readonly { readonly viewType: string }[];
    readonly jsonValidation: readonly { readonly url: string }[];
    readonly walkthroughs: readonly {
      readonly id: string;
      readonly steps: readonly {
        readonly description: string;
        readonly media: { readonly markdown: string };
        readonly completionEvents: readonly string[];
      }[];
    }[];
  };
}

const root = path.resolve(import.meta.dirname, '..', '..');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Manifest;
const { contributes } = manifest;
const declared = contributes.commands.map(({ command }) => command).sort();
const sources = collectSources(path.join(root, 'src', 'extension'));

function collectSources(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('identifiers.ts'))
    .map((name) => readFileSync(path.join(folder, name), 'utf8'))
    .join('\n');
}

/** Every `when` and `enablement`, wherever it stands. */
function collectConditions(): string[] {
  return [
    ...Object.values(contributes.menus).flatMap((entries) => entries.map(({ when }) => when ?? '')),
    ...contributes.keybindings.map(({ when }) => when ?? ''),
    ...contributes.commands.map(({ enablement }) => enablement ?? ''),
    ...Object.values(contributes.views).flatMap((views) => views.map(({ when }) => when ?? '')),
    ...contributes.viewsWelcome.map(({ when }) => when),
    ...contributes.walkthroughs.flatMap(({ steps }) =>
      steps.flatMap(({ completionEvents }) =>
        completionEvents.filter((event) => event.startsWith('onContext:')).map((event) => event.slice(10)),
      ),
    ),
  ];
}

/** The `contextValue` of every kind of row, in every state. */
function collectContextValues(): string[] {
  const records = makeRecords();
  const [source] = records.runs;
  if (source === undefined) throw new Error('There are no runs.');
  const runs = [
    ...records.runs,
    { ...source, id: 'probe', role: 'step-k' as const },
    { ...source, id: 'cancelled', status: 'cancelled' as const },
    {
      ...source,
      id: 'absent',
      checkpoint: { ...source.checkpoint, path: 'absent' } as typeof source.checkpoint,
    },
  ];
  const wrong = { severity: 'error', code: '', message: '', remedy: '', file: 'deltaloom.json' } as const;
  const [merge] = records.merges;
  if (merge === undefined) throw new Error('There are no merges.');
  const merges = [
    ...records.merges,
    { ...merge, id: 'absent', checkpoint: { ...merge.checkpoint, path: 'absent' } },
  ];
  const snapshot = { ...makeSnapshot({ ...records, runs, merges }), problems: [wrong] };
  const study = { directory: '/study', name: 'Two families', snapshot } as unknown as Study;
  const owners = [study, { ...study, directory: '/other' }].map((each) => ({
    study: each,
    index: collectStudyIndex(snapshot, weightsOnDisk(records)),
  }));
  const job = {
    id: 'job',
    study: '/study',
    title: '',
    state: 'running',
    progress: null,
    attempts: 1,
    request: { kind: 'evaluate', task: 'movies' },
  } as unknown as JobView;
  const values = new Set<string>();
  const visit = (nodes: readonly TreeNode[]): void => {
    for (const node of nodes) {
      values.add(collectRow(node, { now: 0, jobs: [], checked: new Set() }).contextValue);
      visit(collectChildren(node, [job], DEFAULT_ARRANGEMENT));
    }
  };
  visit(collectRoots(owners, DEFAULT_ARRANGEMENT));
  return [...values].sort();
}

describe('package.json', () => {
  it('declares exactly the commands that the code knows', () => {
    expect(declared).toEqual(Object.values(COMMANDS).sort());
    expect(new Set(declared).size).toBe(declared.length);
  });

  it('declares commands that are registered, and registers none that it does not declare', () => {
    for (const name of Object.keys(COMMANDS)) expect(sources).toContain(`COMMANDS.${name}`);
    const literals = [...sources.matchAll(/registerCommand\(\s*'([^']+)'/g)].map(([, id]) => id);
    expect(literals).toEqual([]);
  });

  it('names declared commands only: in menus, keys, links of welcome views and the walkthrough', () => {
    const used = [
      ...Object.values(contributes.menus).flatMap((entries) => entries.map(({ command }) => command)),
      ...contributes.keybindings.map(({ command }) => command),
      ...[
        ...JSON.stringify([contributes.viewsWelcome, contributes.walkthroughs]).matchAll(
          /command:(deltaloom\.\w+)/g,
        ),
      ].map(([, id]) => id ?? ''),
      ...contributes.walkthroughs.flatMap(({ steps }) =>
        steps.flatMap(({ completionEvents }) =>
          completionEvents.filter((event) => event.startsWith('onCommand:')).map((event) => event.slice(10)),
        ),
      ),
    ];
    expect(used.filter((id) => !declared.includes(id))).toEqual([]);
  });

  it('opens the walkthrough by the name that VS Code knows it by', () => {
    const names = contributes.walkthroughs.map(({ id }) => `${manifest.publisher}.${manifest.name}#${id}`);
    expect(names).toEqual([WALKTHROUGH]);
    const linked = JSON.stringify(contributes.viewsWelcome).match(/openWalkthrough\?[^)]*/g) ?? [];
    expect(new Set(linked)).toEqual(
      new Set([`openWalkthrough?${encodeURIComponent(JSON.stringify(WALKTHROUGH))}`]),
    );
  });

  it('limits every command of the palette that needs a study to where there is one', () => {
    const limited = (contributes.menus['commandPalette'] ?? []).map(({ command }) => command);
    const always: string[] = [
      COMMANDS.openSample,
      COMMANDS.showJobs,
      COMMANDS.showLog,
      COMMANDS.showDevices,
      COMMANDS.restartRuntime,
    ];
    expect(declared.filter((id) => !limited.includes(id)).sort()).toEqual(always.sort());
  });

  it('asks for trust wherever a command computes or writes', () => {
    const needsTrust = contributes.commands
      .filter(({ enablement }) => enablement === 'isWorkspaceTrusted')
      .map(({ command }) => command);
    for (const command of [
      COMMANDS.tune,
      COMMANDS.score,
      COMMANDS.merge,
      COMMANDS.evaluate,
      COMMANDS.runStudy,
    ]) {
      expect(needsTrust).toContain(command);
    }
    expect(needsTrust).not.toContain(COMMANDS.openCheckpoint);
  });

  it('uses exactly the context keys that the code sets', () => {
    const views = new Set<string>(Object.values(VIEWS));
    const used = new Set(
      collectConditions()
        // 'view == deltaloom.studies' compares with a view, whose id is also a key's name.
        .map((condition) =>
          condition.replace(/(view|focusedView|activeCustomEditorId) == deltaloom\.\w+/g, ''),
        )
        .flatMap((condition) => condition.match(/deltaloom\.\w+/g) ?? []),
    );
    expect([...used].sort()).toEqual(Object.values(CONTEXT_KEYS).sort());
    expect(views.has('deltaloom.nextStep')).toBe(true);
  });

  it('names only views, editors and rows that there are, and has a menu for every kind of row', () => {
    const conditions = collectConditions();
    const named = (pattern: RegExp): string[] =>
      conditions.flatMap((condition) => [...condition.matchAll(pattern)].map(([, name]) => name ?? ''));
    expect([...new Set(named(/\b(?:view|focusedView) == ([\w.]+)/g))]).toEqual([VIEWS.studies]);
    expect([...new Set(named(/\bactiveCustomEditorId == ([\w.]+)/g))]).toEqual([CHECKPOINT_EDITOR]);

    const rows = collectContextValues();
    const tests = [
      ...named(/viewItem =~ \/((?:[^/\\]|\\.)+)\//g).map((pattern) => new RegExp(pattern)),
      ...named(/viewItem == (\w+)/g).map((value) => new RegExp(`^${value}$`)),
    ];
    expect(tests.length).toBeGreaterThan(20);
    expect(tests.filter((test) => !rows.some((row) => test.test(row)))).toEqual([]);
    const bare = rows.filter((row) => !tests.some((test) => test.test(row)));
    // 'Sources after k steps' is a heading.
    expect(bare).toEqual(['probes']);
  });

  it('restores exactly the panels that the code has', () => {
    const restored = manifest.activationEvents.filter((event) => event.startsWith('onWebviewPanel:'));
    expect(restored.sort()).toEqual(PANEL_KINDS.map((kind) => `onWebviewPanel:deltaloom.${kind}`).sort());
  });

  it('declares exactly the settings that the code reads', () => {
    expect(Object.keys(contributes.configuration.properties).sort()).toEqual(
      Object.values(SETTINGS)
        .map((key) => `deltaloom.${key}`)
        .sort(),
    );
    for (const name of Object.keys(SETTINGS)) expect(sources).toContain(`SETTINGS.${name}`);
  });

  it('declares the views and editors that are registered', () => {
    const views = Object.values(contributes.views).flatMap((all) => all.map(({ id }) => id));
    expect(views.sort()).toEqual(Object.values(VIEWS).sort());
    expect(contributes.customEditors.map(({ viewType }) => viewType)).toEqual([CHECKPOINT_EDITOR]);
  });

  it('points at files that exist', () => {
    const files = [
      ...contributes.jsonValidation.map(({ url }) => url),
      ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.markdown)),
    ];
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  it('activates only where a study exists or one of its panels is restored', () => {
    expect(
      manifest.activationEvents.every((event) =>
        /^(workspaceContains:(\*\/){0,2}deltaloom\.json|onWebviewPanel:deltaloom\.\w+)$/.test(event),
      ),
    ).toBe(true);
  });

  it('shows a smallest study that is one', () => {
    const text = readFileSync(path.join(root, 'media', 'walkthrough', 'open.md'), 'utf8');
    const json = /```json\n(.*?)```/s.exec(text)?.[1] ?? '';
    expect(studySchema.safeParse(JSON.parse(json)).success).toBe(true);
  });
});

describe('the sentences', () => {
  it('are all said somewhere', () => {
    expect(listUnsaid('STRINGS', STRINGS, sources)).toEqual([]);
  });
});
