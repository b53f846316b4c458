import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { EventEmitter, RelativePattern, Uri, window, workspace, type Disposable } from 'vscode';
import type { StudySnapshot } from '../../study/snapshot.js';
import type { StaleRecords } from '../../study/staleness.js';
import { readSettings } from '../settings.js';
import type { Study, StudyRegistry } from '../services.js';
import { collectStudyIndex, type Groups, type StudyIndex } from '../tree/study-index.js';
import { DirectoryWatch, foldersToWatch } from './directory-watch.js';
import { contains, distinctNames, nameOfStudy, studyFolderIn } from './folders.js';

/** How deep below a workspace folder studies are looked for; package.json's activation events say the same. */
const PATTERN = '{deltaloom.json,*/deltaloom.json,*/*/deltaloom.json}';
/** Hidden folders hold what is being written or was put away. */
const EXCLUDED = '**/{node_modules,.*,dist}/**';
const MANY = 50;
/** Files of one job appear one after another: they are read together. */
const SETTLE_MS = 250;

interface Entry {
  study: Study;
  /** That the configuration or the folder gives it; `study.name` tells it apart from its namesakes. */
  ownName: string;
  index: StudyIndex;
  weights: ReadonlySet<string>;
  backboneFound: boolean;
  /** The groups of the last configuration that could be understood: a slip of the pen does not take the tree apart. */
  groups: Groups;
  readonly watchers: { dispose(): unknown }[];
  readonly folders: DirectoryWatch;
}

/** A reading, and the one that was asked for meanwhile. */
interface Turn {
  readonly now: Promise<void>;
  next: Promise<void> | undefined;
}

/** Finds the studies of the workspace, reads them, and reads them again when their files change. */
export class WorkspaceStudies implements StudyRegistry, Disposable {
  private readonly entries = new Map<string, Entry>();
  /** Where the last look found studies: only they get entries. */
  private located: ReadonlySet<string> = new Set();
  private readonly changed = new EventEmitter<string>();
  private readonly disposables: { dispose(): unknown }[] = [this.changed];
  private readonly settling = new Map<string, NodeJS.Timeout>();
  private readonly reading = new Map<string, Turn>();
  /** Studies being judged; true: once more afterwards. */
  private readonly judging = new Map<string, boolean>();
  private looked = false;
  private firstLook: Promise<unknown> | undefined;
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly readSnapshot: (directory: string) => Promise<StudySnapshot>,
    private readonly judge: (directory: string) => Promise<StaleRecords>,
    private readonly log: (line: string) => void,
  ) {
    const look = (): void => void this.lookAround();
    // Not the watcher's own event for changes: an edited deltaloom.json is read by its study's watcher.
    const appearing = workspace.createFileSystemWatcher('**/deltaloom.json', false, true, false);
    appearing.onDidCreate(look);
    appearing.onDidDelete(look);
    this.disposables.push(
      appearing,
      workspace.onDidChangeWorkspaceFolders(look),
      // What was mended outside (a backbone put in place, a study made by the command line) is seen on coming back.
      window.onDidChangeWindowState(({ focused }) => {
        if (focused && this.looked) void this.refresh();
      }),
    );
  }

  get studies(): readonly Study[] {
    return [...this.entries.values()]
      .map(({ study }) => study)
      .sort((a, b) => (a.directory < b.directory ? -1 : 1));
  }

  get ready(): boolean {
    return this.looked;
  }

  find(fileOrDirectory: string): Study | undefined {
    // The innermost, should studies lie in one another.
    return this.studies
      .filter(({ directory }) => contains(directory, fileOrDirectory))
      .sort((a, b) => b.directory.length - a.directory.length)[0];
  }

  indexOf(directory: string): StudyIndex | undefined {
    return this.entries.get(directory)?.index;
  }

  /** false when a study's backbone folder holds no T5. */
  backboneFound(directory: string): boolean {
    return this.entries.get(directory)?.backboneFound ?? true;
  }

  async whenReady(): Promise<void> {
    if (this.looked) return;
    this.firstLook ??= this.lookAround().finally(() => (this.firstLook = undefined));
    await this.firstLook;
  }

  /** Returns the studies that appeared, which have been read. */
  private async lookAround(): Promise<ReadonlySet<string>> {
    const found = new Set(await this.locate());
    this.located = found;
    for (const [directory, entry] of this.entries) {
      if (found.has(directory)) continue;
      for (const watcher of entry.watchers) watcher.dispose();
      this.entries.delete(directory);
      this.changed.fire(directory);
    }
    this.nameApart();
    const appeared = new Set([...found].filter((each) => !this.entries.has(each)));
    await Promise.all([...appeared].map((each) => this.read(each)));
    const first = !this.looked;
    this.looked = true;
    if (first) this.changed.fire('');
    return appeared;
  }

  async refresh(directory?: string): Promise<void> {
    if (directory === undefined) {
      const appeared = await this.lookAround();
      const known = [...this.entries.keys()].filter((each) => !appeared.has(each));
      await Promise.all(known.map((each) => this.read(each)));
    } else {
      await this.read(directory);
    }
  }

  dispose(): void {
    for (const timer of this.settling.values()) clearTimeout(timer);
    for (const { watchers } of this.entries.values()) for (const watcher of watchers) watcher.dispose();
    for (const disposable of this.disposables) disposable.dispose();
  }

  private async locate(): Promise<string[]> {
    const folders = (workspace.workspaceFolders ?? []).map(({ uri }) => uri);
    const found = await Promise.all(
      folders.map(async (folder) => {
        const named = studyFolderIn(readSettings(folder).studyFolder, folder.fsPath);
        if (named === undefined) {
          const files = await workspace.findFiles(new RelativePattern(folder, PATTERN), EXCLUDED, MANY);
          return files.map((file) => path.dirname(file.fsPath));
        }
        // As VS Code writes paths: on Windows the letter of a drive is small.
        const { fsPath } = Uri.file(named);
        return (await exists(path.join(fsPath, 'deltaloom.json'))) ? [fsPath] : [];
      }),
    );
    return found.flat();
  }

  /** Wishes made while a study is being read are all served by one more reading after it. */
  private read(directory: string): Promise<void> {
    const known = this.reading.get(directory);
    if (known === undefined) {
      const turn: Turn = { now: this.readNow(directory), next: undefined };
      this.reading.set(directory, turn);
      return turn.now.finally(() => {
        if (this.reading.get(directory) === turn && turn.next === undefined) this.reading.delete(directory);
      });
    }
    known.next ??= known.now.then(() => {
      this.reading.delete(directory);
      return this.read(directory);
    });
    return known.next;
  }

  private async readNow(directory: string): Promise<void> {
    // A runtime that is shared tells of jobs in other windows' studies too.
    if (!this.located.has(directory)) return;
    const start = performance.now();
    let snapshot: StudySnapshot;
    try {
      snapshot = await this.readSnapshot(directory);
    } catch (error) {
      this.log(
        `${directory} can't be read: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
      return;
    }
    const weights = await listWeights(directory);
    const backbone = snapshot.configuration?.backbone;
    const backboneFound =
      backbone === undefined || (await exists(path.resolve(directory, backbone, 'config.json')));
    // It may have been left out or deleted while it was read.
    if (!this.located.has(directory)) return;
    const known = this.entries.get(directory);
    const broken = snapshot.configuration === null && known !== undefined;
    if (broken) snapshot = { ...snapshot, tasks: known.study.snapshot.tasks };
    const groups = broken ? known.groups : (snapshot.configuration?.groups ?? {});
    const ownName = broken ? known.ownName : nameOfStudy(snapshot);
    // Until it is judged anew, what was stale stays so.
    const stale = known?.study.stale ?? new Map<string, string>();
    const study: Study = { directory, uri: Uri.file(directory), name: ownName, snapshot, stale };
    const index = collectStudyIndex(snapshot, weights, stale, groups);
    if (known === undefined) {
      const folders = new DirectoryWatch(() => this.readSoon(directory), this.log);
      const watchers = [folders, ...this.watch(directory)];
      const read = { study, ownName, index, weights, backboneFound, groups };
      this.entries.set(directory, { ...read, watchers, folders });
    } else {
      Object.assign(known, { study, ownName, index, weights, backboneFound, groups });
    }
    this.nameApart(directory);
    const watched = await foldersToWatch(directory, snapshot.configuration?.tasks).catch(() => [directory]);
    this.entries.get(directory)?.folders.sync(watched);
    this.log(
      `${directory}: read ${snapshot.tasks.length} tasks, ${snapshot.runs.length} runs, ${snapshot.merges.length} merges in ${Math.round(performance.now() - start)} ms.`,
    );
    this.changed.fire(directory);
    // Of a configuration that can't be understood nothing can be judged: what was stale stays so.
    if (snapshot.configuration !== null) void this.judgeAgain(directory);
  }

  /** @param told the study whose news are told in any case */
  private nameApart(told?: string): void {
    const own = new Map([...this.entries].map(([directory, { ownName }]) => [directory, ownName]));
    for (const [directory, name] of distinctNames(own)) {
      const entry = this.entries.get(directory);
      if (entry === undefined || entry.study.name === name) continue;
      entry.study = { ...entry.study, name };
      if (directory !== told) this.changed.fire(directory);
    }
  }

  /** Which records are stale is found out after they are shown. One judgement at a time, and one more if it is asked for. */
  private async judgeAgain(directory: string): Promise<void> {
    if (this.judging.has(directory)) {
      this.judging.set(directory, true);
      return;
    }
    this.judging.set(directory, false);
    try {
      const stale = await this.judge(directory);
      const entry = this.entries.get(directory);
      if (entry !== undefined && !sameEntries(entry.study.stale, stale)) {
        entry.study = { ...entry.study, stale };
        entry.index = collectStudyIndex(entry.study.snapshot, entry.weights, stale, entry.groups);
        this.changed.fire(directory);
      }
    } catch (error) {
      this.log(`${directory} can't be judged: ${error instanceof Error ? error.message : String(error)}`);
    }
    const again = this.judging.get(directory) === true;
    this.judging.delete(directory);
    if (again && this.entries.has(directory)) await this.judgeAgain(directory);
  }

  private watch(directory: string): Disposable[] {
    const patterns = ['deltaloom.json', '.deltaloom/{runs,scores,merges,checkpoints}/**', '**/*.tsv'];
    return patterns.map((pattern) => {
      const watcher = workspace.createFileSystemWatcher(new RelativePattern(Uri.file(directory), pattern));
      const changed = (): void => this.readSoon(directory);
      watcher.onDidCreate(changed);
      watcher.onDidChange(changed);
      watcher.onDidDelete(changed);
      return watcher;
    });
  }

  private readSoon(directory: string): void {
    clearTimeout(this.settling.get(directory));
    this.settling.set(
      directory,
      setTimeout(() => {
        this.settling.delete(directory);
        if (this.entries.has(directory)) void this.read(directory);
      }, SETTLE_MS),
    );
  }
}

function sameEntries(one: StaleRecords, other: StaleRecords): boolean {
  return one.size === other.size && [...one].every(([path, reason]) => other.get(path) === reason);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function listWeights(directory: string): Promise<Set<string>> {
  const root = path.join(directory, '.deltaloom');
  const found = new Set<string>();
  for (const folder of ['checkpoints', 'merges']) {
    const names = await readdir(path.join(root, folder), { recursive: true }).catch(() => []);
    for (const name of names) {
      if (name.endsWith('.safetensors')) {
        found.add(`.deltaloom/${folder}/${name.split(path.sep).join('/')}`);
      }
    }
  }
  return found;
}
