import { chooseData, type ChosenData } from './catalogue.js';
import type { TuningSettings } from './configuration.js';
import { contentKey } from './content-key.js';
import type { RunRecord } from './records.js';
import { recordId } from './store.js';
import type { StudyFiles } from './study-files.js';

/** A tuning before it is done: everything that its outcome depends on, and the identity that follows from it. */

/** What a tuning starts from: what its record says, and where the weights are. */
export type StartingPoint =
  | { readonly kind: 'random'; readonly seed: number }
  | {
      readonly kind: 'checkpoint';
      readonly id: string;
      readonly task: string;
      readonly sha256: string;
      readonly path: string;
    }
  | {
      readonly kind: 'merge';
      readonly id: string;
      readonly label: string;
      readonly sha256: string;
      readonly path: string;
    };

/** One tuning of one task: everything that its outcome depends on. */
export interface TuneRequest {
  readonly task: string;
  readonly deltaName: string;
  readonly role: RunRecord['role'];
  readonly shots: number | 'full';
  readonly seed: number;
  readonly dataSeed: { readonly seed: number; readonly required: boolean } | undefined;
  readonly tuning: TuningSettings;
  readonly start: StartingPoint;
  readonly keep: 'best' | 'last';
  /** Also measure the test split. */
  readonly test: boolean;
}

/** A tuning with its identity; nothing has been read but file contents to hash. */
export interface PlannedTune {
  readonly request: TuneRequest;
  readonly data: ChosenData;
  readonly key: string;
  readonly id: string;
  readonly inputs: RunRecord['inputs'];
  readonly dropout: number;
  /** On record with this key, whatever its state. */
  readonly recorded: RunRecord | null;
  /** The test split is wanted and not measured, or on another file. */
  readonly testMissing: boolean;
}

/** Steps over the whole grid: what progress counts. */
export function stepsOf({ tuning }: TuneRequest): number {
  return tuning.steps * tuning.learningRates.length * tuning.batchSizes.length;
}

/**
 * @throws DeltaloomError of data, delta or backbone that are missing
 */
export async function planTune(study: StudyFiles, request: TuneRequest): Promise<PlannedTune> {
  const { configuration } = study;
  const task = study.task(request.task);
  const data = chooseData(task, request.shots, request.dataSeed);
  const { train, dev } = data.data.files;
  const hashes: Record<string, string> = {};
  for (const [split, file] of Object.entries({ train, dev, test: request.test ? data.test : undefined })) {
    if (file !== undefined) hashes[split] = await study.hashes.of(study.absolute(file));
  }
  const dropout = await study.dropout(request.tuning.dropout);
  const backbone = await study.backboneFingerprint();
  const { test, ...trainingData } = hashes;
  const start = request.start.kind === 'random' ? { random: request.start.seed } : request.start.sha256;
  const key = contentKey({
    work: 'tune',
    version: 1,
    backbone,
    delta: study.delta(request.deltaName),
    role: request.role,
    task: request.task,
    metric: study.metric(request.task),
    tuning: request.tuning,
    dropout,
    keep: request.keep,
    shots: request.shots,
    draw: data.draw,
    data: trainingData,
    lengths: configuration.lengths,
    seed: request.seed,
    start,
    compatibility: configuration.compatibility,
  });
  const id = recordId(
    [
      request.deltaName,
      request.role === 'target' ? null : request.role,
      request.shots === 'full' ? 'full' : `${request.shots}-shot`,
      `seed-${request.seed}`,
      wordFor(request.start),
    ],
    key,
  );
  const found = await study.store.readRun(request.task, id);
  const recorded = found?.key === key ? found : null;
  return {
    request,
    data,
    key,
    id,
    inputs: {
      backbone,
      data: hashes,
      initial: request.start.kind === 'random' ? null : request.start.sha256,
    },
    dropout,
    recorded,
    testMissing:
      test !== undefined && (recorded?.results.testExamples == null || recorded.inputs.data['test'] !== test),
  };
}

function wordFor(start: StartingPoint): string {
  if (start.kind === 'random') return 'random';
  return start.kind === 'merge' ? `from-${start.label}` : `from-${start.task}`;
}

/** Whether the record serves and nothing needs to be done. */
export async function isOnRecord(
  study: StudyFiles,
  { recorded, testMissing }: PlannedTune,
  options: { readonly needsCheckpoint: boolean },
): Promise<boolean> {
  if (recorded?.status !== 'done' || testMissing) return false;
  return !options.needsCheckpoint || (await study.hasCheckpoint(recorded.checkpoint));
}
