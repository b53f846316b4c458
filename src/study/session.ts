import type { DeltaTensors } from '../core/tensor.js';
import { readCatalogue } from './catalogue.js';
import { readCheckpoint } from './checkpoints.js';
import type { Backbone, Model } from './compute/contract.js';
import { withSeed, type StudyConfiguration } from './configuration.js';
import type { JobContext } from './jobs.js';
import { loadStudy } from './load.js';
import { borrowModel } from './open-models.js';
import { gitProvenance } from './provenance.js';
import type { Provenance } from './records.js';
import type { TaskEntry } from './snapshot.js';
import { StudyFiles } from './study-files.js';

/** One job's view of a study: what is on disk, and the device and models once they are needed. */
export class StudySession extends StudyFiles {
  private deviceUsed: { device: string; versions: Readonly<Record<string, string>> } | null = null;

  private constructor(
    directory: string,
    configuration: StudyConfiguration,
    tasks: readonly TaskEntry[],
    readonly context: JobContext,
  ) {
    super(directory, configuration, tasks);
  }

  /**
   * @param seed instead of the study's own seeds of sources and targets
   * @throws DeltaloomError of a study that can't be read
   */
  static async open(directory: string, context: JobContext, seed?: number): Promise<StudySession> {
    const configuration = withSeed((await loadStudy(directory)).configuration, seed);
    return new StudySession(directory, configuration, await readCatalogue(directory, configuration), context);
  }

  async model(deltaName: string | null): Promise<Model> {
    const engine = await this.context.engine();
    this.deviceUsed = { device: engine.device.id, versions: engine.versions };
    const delta = deltaName === null ? null : this.delta(deltaName);
    return borrowModel(engine, {
      directory: this.backboneDirectory,
      fingerprint: await this.backboneFingerprint(),
      delta,
    });
  }

  async backbone(deltaName: string | null): Promise<Backbone> {
    return (await this.model(deltaName)).backbone;
  }

  /** Of what is being made now. Git is asked every time: a long study sees commits come. */
  async provenance(): Promise<Omit<Provenance, 'seconds'>> {
    return { ...(await this.provenanceWithoutDevice()), ...this.usedDevice() };
  }

  /** Of work that reads checkpoints alone: it says the same whether or not a device happens to be open. */
  async provenanceWithoutDevice(): Promise<Omit<Provenance, 'seconds'>> {
    return {
      ...(await gitProvenance(this.directory)),
      time: new Date().toISOString(),
      device: 'none',
      versions: { node: process.versions.node },
    };
  }

  /** What computes, and with which libraries; nothing before a model was opened. */
  usedDevice(): Partial<Pick<Provenance, 'device' | 'versions'>> {
    if (this.deviceUsed === null) return {};
    const { device, versions } = this.deviceUsed;
    return { device, versions: { node: process.versions.node, ...versions } };
  }

  async readDelta(
    checkpoint: { readonly path: string; readonly sha256: string | null },
    model: Model | null,
  ): Promise<DeltaTensors> {
    return readCheckpoint(this.absolute(checkpoint.path), checkpoint.sha256, model);
  }
}
