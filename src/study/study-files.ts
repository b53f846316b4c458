import { join } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import type { MetricName } from '../core/metric-names.js';
import { fingerprintBackbone, openBackboneFolder } from '../formats/backbone-folder.js';
import { readT5Config } from '../formats/t5-config.js';
import { metricNameOf, readCatalogue, taskNamed } from './catalogue.js';
import type { DeltaConfiguration, StudyConfiguration } from './configuration.js';
import { ContentHashes } from './content-hashes.js';
import { loadStudy } from './load.js';
import { resolveInStudy } from './paths.js';
import type { CheckpointReference } from './records.js';
import type { TaskEntry } from './snapshot.js';
import { StudyStore } from './store.js';

/** What a study is made of now: its configuration, its tasks, and the identity of every file that work depends on. */
export class StudyFiles {
  readonly store: StudyStore;
  readonly hashes: ContentHashes;
  readonly backboneDirectory: string;
  private fingerprint: Promise<string> | null = null;
  private ownDropout: Promise<number> | null = null;

  protected constructor(
    readonly directory: string,
    readonly configuration: StudyConfiguration,
    readonly tasks: readonly TaskEntry[],
  ) {
    this.store = new StudyStore(directory);
    this.hashes = new ContentHashes(directory);
    this.backboneDirectory = resolveInStudy(directory, configuration.backbone);
  }

  /** @throws DeltaloomError of a study that can't be read */
  static async read(directory: string): Promise<StudyFiles> {
    const { configuration } = await loadStudy(directory);
    return new StudyFiles(directory, configuration, await readCatalogue(directory, configuration));
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

  /** `tuning.dropout`, else the backbone's own. */
  async dropout(asked: number | undefined): Promise<number> {
    if (asked !== undefined) return asked;
    this.ownDropout ??= readT5Config(join(this.backboneDirectory, 'config.json')).then(
      ({ dropoutRate }) => dropoutRate,
    );
    return this.ownDropout;
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

  /** Keeps what was learnt about files, but leaves nothing behind in a study that was only looked at. */
  async close(): Promise<void> {
    if (await this.store.isPrepared()) await this.hashes.save();
  }
}
