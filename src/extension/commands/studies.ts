import { access, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { commands, ProgressLocation, Range, Uri, window, workspace } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import { COMMANDS, VIEWS } from '../identifiers.js';
import { findProperty } from '../problems/json-location.js';
import { STRINGS } from '../strings.js';
import { folderForStudy } from '../studies/folders.js';
import { SORT_ORDERS } from '../tree/nodes.js';
import type { CommandEnvironment, CommandTable } from './environment.js';
import { pickOne } from './pickers.js';
import { chooseStudy } from './targets.js';

export function studyCommands(environment: CommandEnvironment): CommandTable {
  const { studies, view, jobs } = environment;
  return {
    [COMMANDS.refresh]: () => studies.refresh(),
    [COMMANDS.createStudy]: () => createStudy(environment),
    [COMMANDS.openSample]: () => openSample(environment),
    [COMMANDS.openConfiguration]: async (argument) => {
      const owner = await chooseStudy(view, argument, STRINGS.product);
      if (owner !== undefined) await window.showTextDocument(Uri.joinPath(owner.study.uri, 'deltaloom.json'));
    },
    [COMMANDS.chooseBackbone]: async (argument) => {
      const owner = await chooseStudy(view, argument, STRINGS.studies.backboneTitle);
      if (owner === undefined) return;
      const folder = await chooseFolder(STRINGS.studies.backboneTitle, STRINGS.studies.chooseBackbone);
      if (folder === undefined) return;
      await checkBackbone(folder);
      const { directory, uri } = owner.study;
      await setBackbone(Uri.joinPath(uri, 'deltaloom.json'), folderForStudy(directory, folder));
    },
    [COMMANDS.runStudy]: async (argument) => {
      const owner = await chooseStudy(view, argument, STRINGS.studies.runButton);
      if (owner === undefined) return undefined;
      const { study } = owner;
      const sure = await window.showInformationMessage(
        STRINGS.studies.run(study.name),
        { modal: true, detail: STRINGS.studies.runDetail },
        STRINGS.studies.runButton,
      );
      if (sure !== STRINGS.studies.runButton) return undefined;
      return (await jobs.submit(study.directory, { kind: 'run' }, { title: STRINGS.studies.run(study.name) }))
        .id;
    },
    [COMMANDS.filter]: async (argument) => {
      const given = typeof argument === 'string' ? argument : undefined;
      const before = view.arrangement.filter;
      const filter =
        given ??
        (await window.showInputBox({
          value: before,
          prompt: STRINGS.studies.filter,
          placeHolder: STRINGS.studies.filterExample,
        }));
      if (filter !== undefined) await view.arrange({ filter: filter.trim() });
    },
    [COMMANDS.clearFilter]: () => view.arrange({ filter: '' }),
    [COMMANDS.sort]: async (argument) => {
      const given = SORT_ORDERS.find((order) => order === argument);
      const sort =
        given ??
        (await pickOne(
          SORT_ORDERS.map((order) => ({
            label: STRINGS.tree.sortOrders[order],
            ...(order === view.arrangement.sort ? { description: '$(check)' } : {}),
            value: order,
          })),
          { title: STRINGS.studies.sort, placeholder: STRINGS.studies.sort },
        ));
      if (sort !== undefined) await view.arrange({ sort });
    },
  };
}

async function createStudy({ studies }: CommandEnvironment): Promise<void> {
  const folders = workspace.workspaceFolders ?? [];
  const [first] = folders;
  if (first === undefined) {
    await commands.executeCommand('vscode.openFolder');
    return;
  }
  const folder = (folders.length === 1 ? first : await window.showWorkspaceFolderPick())?.uri.fsPath;
  // The person left: nothing more is asked.
  if (folder === undefined) return;
  const file = path.join(folder, 'deltaloom.json');
  if (await exists(file)) throw new DeltaloomError('study-exists', STRINGS.studies.exists(folder));
  const backbone = await chooseFolder(STRINGS.studies.backboneTitle, STRINGS.studies.chooseBackbone);
  if (backbone === undefined) return;
  await checkBackbone(backbone);
  const tasks = await chooseFolder(STRINGS.studies.tasksTitle, STRINGS.studies.chooseTasks);
  if (tasks === undefined) return;
  const study = {
    version: 1,
    backbone: folderForStudy(folder, backbone),
    tasks: folderForStudy(folder, tasks),
  };
  // 'wx': another program may have made one while the folders were being chosen.
  await writeFile(file, `${JSON.stringify(study, null, 2)}\n`, { flag: 'wx' });
  await window.showTextDocument(Uri.file(file));
  await studies.refresh();
  await commands.executeCommand(`${VIEWS.studies}.focus`);
}

/** Writes the sample out of the extension, so that what is tried there never touches the installation. */
async function openSample({ extensionUri, arrival }: CommandEnvironment): Promise<void> {
  const sample = path.join(extensionUri.fsPath, 'sample');
  if (!(await exists(path.join(sample, 'deltaloom.json')))) {
    throw new DeltaloomError('no-sample', STRINGS.studies.noSample);
  }
  const folder = await chooseFolder(STRINGS.studies.where, STRINGS.studies.whereButton);
  if (folder === undefined) return;
  const directory = path.join(folder, 'deltaloom-sample');
  if (!(await exists(path.join(directory, 'deltaloom.json')))) {
    // Loaded with its need: it is no part of opening a window.
    const { writeSample } = await import('../../study/sample/write-sample.js');
    const obstacle = await window.withProgress(
      { location: ProgressLocation.Notification, title: STRINGS.studies.writingSample },
      () => writeSample(sample, directory),
    );
    if (obstacle !== null) {
      await window.showWarningMessage(STRINGS.studies.noHistory, { modal: true, detail: obstacle.line });
    }
  }
  await arrival.announce(directory);
  await commands.executeCommand('vscode.openFolder', Uri.file(directory));
}

async function chooseFolder(title: string, openLabel: string): Promise<string | undefined> {
  const [folder] =
    (await window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true, title, openLabel })) ?? [];
  return folder?.fsPath;
}

async function checkBackbone(folder: string): Promise<void> {
  if (!(await exists(path.join(folder, 'config.json')))) {
    throw new DeltaloomError('no-backbone', STRINGS.studies.noT5(folder));
  }
}

/** Changes the one value in the text and leaves the rest as the person wrote it; saved, since a job reads the file. */
async function setBackbone(file: Uri, backbone: string): Promise<void> {
  const document = await workspace.openTextDocument(file);
  const range = findProperty(document.getText(), ['backbone'])?.value;
  if (range === undefined) throw new DeltaloomError('no-backbone', STRINGS.studies.noProperty);
  const editor = await window.showTextDocument(document);
  await editor.edit((edit) =>
    edit.replace(
      new Range(document.positionAt(range.start), document.positionAt(range.end)),
      JSON.stringify(backbone),
    ),
  );
  await document.save();
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
