import { commands, env, Uri, ViewColumn, window, workspace } from 'vscode';
import type { z } from 'zod';
import { DeltaloomError } from '../../core/errors.js';
import type { RunRecord } from '../../study/records.js';
import { mergeRecordPath } from '../../study/paths.js';
import type { TuneChoice } from '../commands/tune-choices.js';
import { COMMANDS } from '../identifiers.js';
import type { Services, Study } from '../services.js';
import { collectCurve, runKey, sourceRun } from './collect.js';
import { commitStudyResults } from './commit-results.js';
import { jobStatus } from './job-status.js';
import { REQUESTS, type Answer, type Parameters, type RequestKind } from './messages.js';
import type { PanelSurroundings } from './panel.js';

type Answers = {
  readonly [Kind in RequestKind]: (
    parameters: Parameters<Kind>,
    study: Study,
    around: PanelSurroundings,
  ) => Promise<Answer<Kind>>;
};

const ANSWERS: Answers = {
  study: ({ version }, study, { views }) => views.study(study, version),
  matrix: async ({ version, id }, study, { views }) => (await views.matrix(study, version, id)).values,
  curves: async ({ version, runs }, study, { views, curves }) => {
    const recorded = await views.runs(study, version);
    const wanted = recorded.filter((run) => runs.includes(runKey(run))).map(collectCurve);
    const running = version === null ? curves.of(study.directory) : [];
    // For a moment a tuning may be on record and still be reported as running.
    return [...wanted, ...running.filter((curve) => wanted.every(({ id }) => id !== curve.id))];
  },
  history: (wanted, study, { views }) => views.history(study, wanted),
  merge: async ({ target, deltaName, temperature, method, granularity, part }, study, { services }) => {
    const by = {
      kind: 'score',
      method,
      granularity,
      temperature,
      ...(part === undefined ? {} : { part }),
    } as const;
    const job = await services.jobs.submit(
      study.directory,
      { kind: 'merge', target, deltaName, by },
      { priority: 'interactive', quiet: true },
    );
    return jobStatus(job);
  },
  tuneFrom: async ({ merge }, study) => {
    const record = study.snapshot.merges.find(({ target, id }) => mergeRecordPath(target, id) === merge);
    if (record === undefined) {
      throw new DeltaloomError('merge-missing', `The merge ${merge} is not in the working tree.`, {
        remedy: 'It may have been deleted meanwhile: merge again.',
      });
    }
    const { id, target, deltaName } = record;
    const choice: TuneChoice = { role: 'target', deltaName, initialisation: { kind: 'merge', id } };
    await commands.executeCommand(COMMANDS.tune, { study: study.directory, task: target, choice });
    return null;
  },
  cancel: ({ job }, _study, { services }) => services.jobs.cancel(job),
  openCell: async ({ version, source, target, matrix, what }, study, { services, views }) => {
    if (what === 'data') await services.openData(study, target, 'dev');
    else if (what === 'scores') await openFile(study, await views.matrixFile(study, version, matrix));
    else {
      const { deltaName, cells } = (await views.matrix(study, version, matrix)).matrix;
      const cell = cells.find((each) => each.target === target && each.source === source);
      const run = sourceRun(await views.runs(study, version), deltaName, source, cell?.inputs?.['source']);
      if (run === undefined) {
        throw new DeltaloomError('source-missing', `No finished source of ${source} is on record.`, {
          remedy: 'It may have been deleted, or computed elsewhere: tune it here to have it.',
        });
      }
      await openRun(run, what, study, services);
    }
    return null;
  },
  openRun: async ({ run: key, what }, study, { services, views }) => {
    const run = (await views.runs(study, null)).find((candidate) => runKey(candidate) === key);
    if (run === undefined) {
      throw new DeltaloomError('run-missing', `The run ${key} is not in the working tree.`, {
        remedy: 'It is part of another commit: open that commit to see its record.',
      });
    }
    await openRun(run, what, study, services);
    return null;
  },
  openCommit: async ({ commit }, study, { services }) => {
    await services.openCommit(study, commit);
    return null;
  },
  openPanel: ({ kind, patch }, study, { open }) => {
    open(kind, study, patch);
    return Promise.resolve(null);
  },
  commitResults: async (_, study, { services }) => {
    await commitStudyResults(study, services);
    return null;
  },
  score: async (_, study) => {
    await commands.executeCommand(COMMANDS.score, { study: study.directory });
    return null;
  },
  copy: async ({ text, what }) => {
    await env.clipboard.writeText(text);
    window.setStatusBarMessage(`Copied ${what}.`, 4000);
    return null;
  },
  save: async ({ name, content }, study) => {
    const file = await window.showSaveDialog({ defaultUri: Uri.joinPath(study.uri, name) });
    if (file === undefined) return false;
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    await workspace.fs.writeFile(file, bytes);
    return true;
  },
};

/** Checks what the page asks and does it. Errors are for the page to show. */
export async function answerRequest<Kind extends RequestKind>(
  kind: Kind,
  parameters: unknown,
  study: Study,
  around: PanelSurroundings,
): Promise<Answer<Kind>> {
  const schema = REQUESTS[kind].parameters as unknown as z.ZodType<Parameters<Kind>>;
  const checked = schema.parse(parameters);
  if (kind === 'openCell' || kind === 'openRun' || kind === 'openCommit') await focusBeside(around.beside);
  return ANSWERS[kind](checked, study, around);
}

/** Documents open in the active group: another than the panel's. */
async function focusBeside(column: ViewColumn | undefined): Promise<void> {
  if (column === ViewColumn.One) await commands.executeCommand('workbench.action.focusFirstEditorGroup');
  // A panel in the first group has the code in the second, if there is one.
  else if (window.tabGroups.all.length > 1)
    await commands.executeCommand('workbench.action.focusSecondEditorGroup');
}

async function openRun(
  run: RunRecord,
  what: 'checkpoint' | 'record' | 'log',
  study: Study,
  services: Services,
): Promise<void> {
  if (what === 'record') {
    await services.openRecord(study, run);
    return;
  }
  if (what === 'checkpoint') {
    if (run.checkpoint === null) {
      throw new DeltaloomError('checkpoint-missing', `The run ${run.id} kept no checkpoint.`, {
        remedy: 'Only finished tunings have one.',
      });
    }
    await services.openCheckpoint(study, run.checkpoint.path);
    return;
  }
  await services.openRunLog(study, run);
}

async function openFile(study: Study, file: string): Promise<void> {
  await window.showTextDocument(Uri.joinPath(study.uri, file), { preview: true });
}
