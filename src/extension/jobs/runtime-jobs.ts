import { randomBytes } from 'node:crypto';
import { EventEmitter, Uri, type Disposable, type Memento } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import type { DeviceReport } from '../../engine/contract.js';
import { RuntimeClient } from '../../runtime/client.js';
import type { RuntimeProgram } from '../../runtime/process.js';
import {
  hasEnded,
  type CheckpointSummary,
  type InspectParams,
  type JobView,
} from '../../runtime/protocol.js';
import type { JobRequest } from '../../study/jobs.js';
import type { StudyProblem } from '../../study/snapshot.js';
import { MEMORY } from '../identifiers.js';
import type { RuntimeJobs, RuntimeState, StudyRegistry, SubmitOptions } from '../services.js';
import { readSettings } from '../settings.js';
import { STRINGS } from '../strings.js';
import { titleOfRequest } from './job-titles.js';

export interface RuntimeJobsOptions {
  readonly runtimeFile: string;
  readonly studies: StudyRegistry;
  readonly trusted: () => boolean;
  /** Keeps which unfinished jobs are this workspace's own, for the window that finds them again. */
  readonly memory: Memento;
  readonly log: (level: 'info' | 'warn' | 'error', line: string) => void;
}

/** The runtime as the rest of the extension sees it: settings applied, trust checked, VS Code's events. */
export class EditorJobs implements RuntimeJobs, Disposable {
  private readonly client: RuntimeClient;
  private readonly updated = new EventEmitter<JobView>();
  private readonly stateChanged = new EventEmitter<RuntimeState>();
  private readonly logged = new EventEmitter<{ readonly id: string; readonly line: string }>();
  /** Jobs that were asked for in this workspace, in this window or in the one before it, and not quietly. */
  private readonly own: Set<string>;
  private opened: DeviceReport | null = null;
  readonly onDidUpdate = this.updated.event;
  readonly onDidChangeState = this.stateChanged.event;
  readonly onDidLog = this.logged.event;

  constructor(private readonly options: RuntimeJobsOptions) {
    this.own = new Set(options.memory.get<string[]>(MEMORY.ownJobs) ?? []);
    this.client = new RuntimeClient({
      program: () => runtimeProgram(options.runtimeFile, readSettings().node),
      settings: () => {
        const { outliveWindow, memoryLimit } = readSettings();
        return {
          outliveWindow,
          memoryLimit,
          studies: options.studies.studies.map(({ directory }) => directory),
        };
      },
      log: options.log,
      timeouts: () => ({ hang: readSettings().hangTimeout * 1000 }),
    });
    this.client.onJob.on((view) => {
      this.updated.fire(view);
      if (hasEnded(view.state) && this.own.has(view.id)) void this.rememberOwn();
    });
    this.client.onState.on((state) => this.stateChanged.fire(state));
    this.client.onLogged.on((entry) => this.logged.fire(entry));
    this.client.onDevice.on((device) => {
      this.opened = device;
      this.stateChanged.fire(this.client.state);
    });
  }

  get state(): RuntimeState {
    return this.client.state;
  }

  get device(): DeviceReport | null {
    return this.opened;
  }

  list(): readonly JobView[] {
    return this.client.list();
  }

  get(id: string): JobView | undefined {
    return this.client.get(id);
  }

  async submit(studyDirectory: string, request: JobRequest, options: SubmitOptions = {}): Promise<JobView> {
    await this.mayCompute();
    // Of the study's own folder: they may differ between the folders of a workspace.
    const { device, threads, packWeights } = readSettings(Uri.file(studyDirectory));
    const id = newJobId(request.kind);
    const loud = options.quiet !== true;
    // Before the request: the first news of the job arrive before its answer.
    if (loud) this.own.add(id);
    const view = await this.client.submit({
      id,
      study: studyDirectory,
      request,
      priority: options.priority ?? 'normal',
      title: options.title ?? titleOfRequest(request),
      compute: options.compute ?? { device, threads, packWeights },
      attempts: 0,
    });
    if (loud) {
      this.own.add(view.id);
      await this.rememberOwn();
    }
    return view;
  }

  /** Whether the end of this job is to be announced: it was asked for here, and not quietly. */
  isAnnounced(id: string): boolean {
    return this.own.has(id);
  }

  private async rememberOwn(): Promise<void> {
    const going = this.unfinished.map(({ id }) => id).filter((id) => this.own.has(id));
    await this.options.memory.update(MEMORY.ownJobs, going);
  }

  cancel(id: string): Promise<boolean> {
    return this.client.cancel(id);
  }

  finished(id: string): Promise<JobView> {
    return this.client.finished(id);
  }

  get unfinished(): readonly JobView[] {
    return this.client.list().filter(({ state }) => !hasEnded(state));
  }

  async devices(): Promise<readonly DeviceReport[]> {
    await this.mayCompute();
    return this.client.devices();
  }

  async check(studyDirectory: string): Promise<readonly StudyProblem[]> {
    await this.mayCompute();
    return this.client.check(studyDirectory);
  }

  async inspect(params: InspectParams): Promise<CheckpointSummary> {
    await this.mayCompute();
    return this.client.inspect(params);
  }

  async restart(): Promise<void> {
    await this.mayCompute();
    return this.client.restart();
  }

  /** Joins a runtime that another window left, if there is one and the workspace is trusted. */
  async joinIfRunning(): Promise<boolean> {
    return this.options.trusted() && this.client.joinIfRunning();
  }

  settingsChanged(): Promise<void> {
    return this.client.configure();
  }

  /**
   * Whatever needs the runtime process comes through here. In an untrusted workspace none is started or joined. And a runtime
   * that outlived its window is found by the studies it advertises itself in: as long as they are not known, as for an editor
   * that VS Code brings back with the window, another would be started beside it.
   */
  private async mayCompute(): Promise<void> {
    if (!this.options.trusted()) throw new DeltaloomError('untrusted', STRINGS.messages.untrusted);
    await this.options.studies.whenReady();
  }

  /** What `deactivate` waits for. */
  end(): Promise<void> {
    return this.client.dispose();
  }

  dispose(): void {
    this.updated.dispose();
    this.stateChanged.dispose();
    this.logged.dispose();
  }
}

/** Ids begin with the time, so that logs sort by age. */
function newJobId(kind: JobRequest['kind']): string {
  const time = new Date().toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  return `${time}-${kind}-${randomBytes(3).toString('hex')}`;
}

function runtimeProgram(file: string, node: string): RuntimeProgram {
  const env: NodeJS.ProcessEnv = { ...process.env };
  // VS Code's extension host sets these for itself; the runtime must not talk to the editor through them.
  for (const name of Object.keys(env)) if (name.startsWith('VSCODE_')) env[name] = undefined;
  env['NODE_OPTIONS'] = undefined;
  if (node !== '') return { command: node, args: [file], env };
  // On the desktop the extension host runs in Electron, which becomes a plain Node this way.
  return { command: process.execPath, args: [file], env: { ...env, ELECTRON_RUN_AS_NODE: '1' } };
}
