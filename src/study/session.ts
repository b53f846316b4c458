import { join } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import type { DeltaTensors } from '../core/tensor.js';
import type { MetricName } from '../core/metric-names.js';
import { fingerprintBackbone, openBackboneFolder } from '../formats/backbone-folder.js';
import { readT5Config } from '../formats/t5-config.js';
import { metricNameOf, readCatalogue, taskNamed } from './catalogue.js';
import { readCheckpoint } from './checkpoints.js';
import type { Backbone, Model } from './compute/contract.js';
import type { DeltaConfiguration, StudyConfiguration } from './configuration.js';
import { ContentHashes } from './content-hashes.js';
import type { JobContext } from './jobs.js';
import { loadStudy } from './load.js';
import { borrowModel } from './open-models.js';
import { resolveInStudy } from './paths.js';
import { gitProvenance } from './provenance.js';
import type { CheckpointReference, Provenance } from './records.js';
import type { TaskEntry } from './snapshot.js';
import { StudyStore } from './store.js';

/** One job's view of a study: what is on disk, and the device and models once they are needed. */
export class StudySession {
  readonly store: StudyStore;
  readonly hashes: ContentHashes;
  readonly backboneDirectory: string;
  private fingerprint: Promise<string> | null = null;
  private deviceUsed: { device: string; versions: Readonly<Record<string, string>> } | null = null;

  private constructor(
    readonly directory: string,
    readonly configuration: StudyConfiguration,
    readonly tasks: readonly TaskEntry[],
    readonly context: JobContext,
  ) {
    this.store = new StudyStore(directory);
    this.hashes = new ContentHashes(directory);
    this.backboneDirectory = resolveInStudy(directory, configuration.backbone);
  }

  /**
   * @param seed instead of the study's own seeds of sources and targets
   * @throws DeltaloomError of a study that can't be read
   */
  static async open(directory: string, context: JobContext, seed?: number): Promise<StudySession> {
    const { configuration: own } = await loadStudy(directory);
    const configuration =
      seed === undefined
        ? own
        : { ...own, sources: { ...own.sources, seed }, targets: { ...own.targets, seeds: [seed] } };
    return new StudySession(directory, configuration, await readCatalogue(directory, configuration), context);
  }

  task(name: string): TaskEntry {
    return taskNamed(name, this.tasks);
  }

  metric(task: string): MetricName {
    return metricNameOf(task, this.configuration);
  }

  /** @throws DeltaloomError `delta-unknown` */
  delta(name: string): DeltaConfiguration {
    const { deltas } = this.configuration;
    const found = Object.hasOwn(deltas, name) ? deltas[name] : undefined;
    if (found !== undefined) return found;
    throw new DeltaloomError('delta-unknown', `The study has no delta settings called '${name}'.`, {
      remedy: `It has: ${Object.keys(deltas).join(', ')}. Add others to 'deltas' in deltaloom.json.`,
    });
  }

  /** Identity of weights, configuration and tokenizer, without loading them. */
  backboneFingerprint(): Promise<string> {
    this.fingerprint ??= openBackboneFolder(this.backboneDirectory).then((folder) =>
      fingerprintBackbone(folder, (file) => this.hashes.of(file)),
    );
    return this.fingerprint;
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

  /** `tuning.dropout`, else the backbone's own. */
  async dropout(asked: number | undefined): Promise<number> {
    return asked ?? (await readT5Config(join(this.backboneDirectory, 'config.json'))).dropoutRate;
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

  absolute(path: string): string {
    return resolveInStudy(this.directory, path);
  }

  /** Whether the file that a record names is there and is that file. */
  async hasCheckpoint(checkpoint: CheckpointReference | null): Promise<boolean> {
    if (checkpoint === null) return false;
    try {
      return (await this.hashes.of(this.absolute(checkpoint.path))) === checkpoint.sha256;
    } catch (error) {
      if (error instanceof DeltaloomError) return false;
      throw error;
    }
  }

  async readDelta(
    checkpoint: { readonly path: string; readonly sha256: string | null },
    model: Model | null,
  ): Promise<DeltaTensors> {
    return readCheckpoint(this.absolute(checkpoint.path), checkpoint.sha256, model);
  }

  /** Keeps what was learnt about files. */
  async close(): Promise<void> {
    await this.hashes.save();
  }
}
