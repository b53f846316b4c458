import { commands, window, workspace, type ExtensionContext, type WebviewPanel } from 'vscode';
import { COMMANDS } from '../identifiers.js';
import type { Services, Study } from '../services.js';
import { STRINGS } from '../strings.js';
import { HeadWatch } from '../git/head-watch.js';
import { contains } from '../studies/folders.js';
import { Arrangements } from './arrangements.js';
import { commitStudyResults } from './commit-results.js';
import { LiveCurves } from './live-curves.js';
import { arrangementSchema, PANEL_KINDS, type Arrangement, type PanelKind } from './messages.js';
import { panelArguments } from './panel-arguments.js';
import { Panel, viewType, type PanelSurroundings } from './panel.js';
import { StudyViews } from './study-views.js';

const PANEL_COMMANDS: Readonly<Record<PanelKind, string>> = {
  heatmap: COMMANDS.showHeatmap,
  weights: COMMANDS.showWeights,
  results: COMMANDS.showResults,
  curves: COMMANDS.showCurves,
};

/** Registers the panels' commands and what brings panels back after a restart. */
export function registerPanels(context: ExtensionContext, services: Services): void {
  const curves = new LiveCurves();
  const views = new StudyViews(services.trusted);
  const arrangements = new Arrangements(services.memory);
  const panels = new Set<Panel>();

  const keep = (panel: Panel) => {
    panels.add(panel);
    panel.onDidDispose(() => panels.delete(panel));
    return panel;
  };
  const around: PanelSurroundings = {
    extension: context.extensionUri,
    services,
    views,
    curves,
    arrangements,
    open: (kind, study, patch) => {
      const present = [...panels].find((panel) => panel.kind === kind && panel.directory === study.directory);
      const neighbour = [...panels].find((panel) => panel.visible);
      (present ?? keep(Panel.open(kind, study.directory, around, neighbour))).show(patch);
    },
  };

  context.subscriptions.push(
    services.jobs.onDidUpdate((job) => void curves.take(job)),
    new HeadWatch((root) => {
      for (const panel of panels) {
        if (panel.directory !== null && contains(root, panel.directory)) void panel.pushStudy();
      }
    }, services.log.info.bind(services.log)),
    // Now the history may be read.
    workspace.onDidGrantWorkspaceTrust(() => panels.forEach((panel) => void panel.pushStudy())),
    ...PANEL_KINDS.map((kind) =>
      commands.registerCommand(PANEL_COMMANDS[kind], async (argument?: unknown) => {
        // Asked for what is in front already, another study's is meant.
        const before = [...panels].find((panel) => panel.active && panel.kind !== kind);
        const { study, patch } = await understand(argument, services, before?.directory ?? null);
        if (study !== undefined) around.open(kind, study, patch);
      }),
    ),
    commands.registerCommand(COMMANDS.commitResults, async (argument?: unknown) => {
      const before = [...panels].find((panel) => panel.active);
      const { study } = await understand(argument, services, before?.directory ?? null);
      if (study === undefined) return;
      await commitStudyResults(study, services).catch((error: unknown) => services.showError(error));
    }),
    ...PANEL_KINDS.map((kind) =>
      window.registerWebviewPanelSerializer(viewType(kind), {
        deserializeWebviewPanel: (panel: WebviewPanel, state: unknown) => {
          const known = arrangementSchema.safeParse(state).data?.study ?? null;
          const restored = arrangements.of(kind, known);
          keep(new Panel(kind, panel, known ?? restored?.study ?? null, around, restored));
          return Promise.resolve();
        },
      }),
    ),
    { dispose: () => panels.forEach((panel) => panel.dispose()) },
  );
}

/**
 * Finds the study that is meant, asking only when there are several and nothing points at one.
 *
 * @param before folder of the study whose panel the person looks at
 */
async function understand(
  argument: unknown,
  services: Services,
  before: string | null,
): Promise<{ study: Study | undefined; patch: Partial<Arrangement> }> {
  await services.studies.whenReady();
  const { directory, patch } = panelArguments(argument);
  const { studies } = services.studies;
  const active = window.activeTextEditor?.document.uri.fsPath;
  const pointed =
    (directory === undefined ? undefined : services.studies.find(directory)) ??
    (active === undefined ? undefined : services.studies.find(active)) ??
    (before === null ? undefined : services.studies.find(before));
  if (pointed !== undefined || studies.length < 2) {
    const study = pointed ?? studies[0];
    if (study === undefined) void window.showInformationMessage(STRINGS.messages.noStudy);
    return { study, patch };
  }
  const choice = await window.showQuickPick(
    studies.map((study) => ({ label: study.name, description: study.directory, study })),
    { placeHolder: STRINGS.studies.choose },
  );
  return { study: choice?.study, patch };
}
