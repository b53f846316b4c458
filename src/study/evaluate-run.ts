import { chooseData } from './catalogue.js';
import { DeltaloomError } from '../core/errors.js';
import { contentKey } from './content-key.js';
import { evaluate } from './evaluation.js';
import { readExamples } from './examples.js';
import { firstTargetSeed } from './planned-runs.js';
import { writePredictions } from './predictions.js';
import type { CheckpointReference, RunRecord } from './records.js';
import type { StudySession } from './session.js';
import { recordId } from './store.js';

/** A checkpoint with what its record calls it; sha256 pins the file. */
export interface EvaluatedCheckpoint extends CheckpointReference {
  readonly initialisation:
    | { readonly kind: 'checkpoint'; readonly id: string; readonly task: string }
    | { readonly kind: 'merge'; readonly id: string; readonly label: string };
}

export interface EvaluateRequest {
  readonly task: string;
  readonly deltaName: string;
  /** null: the bare backbone. */
  readonly checkpoint: EvaluatedCheckpoint | null;
  readonly split: 'dev' | 'test';
}

/** Measures a checkpoint on a split and keeps predictions and record; what is on record is not measured again. */
export async function evaluateCheckpoint(
  session: StudySession,
  request: EvaluateRequest,
  progress?: (done: number, total: number) => void,
): Promise<{ record: RunRecord; reused: boolean }> {
  const started = performance.now();
  const { configuration, context } = session;
  const { task, deltaName, split, checkpoint } = request;
  const { shots } = configuration.targets;
  const data = chooseData(session.task(task), shots, { seed: firstTargetSeed(session), required: false });
  const file = split === 'test' ? data.test : data.data.files.dev;
  if (file === undefined) {
    throw new DeltaloomError('split-missing', `The task '${task}' has no ${split} file.`, {
      remedy: `Add ${task}_{shots}_{seed}_${split}.tsv, or evaluate on another split.`,
    });
  }
  const draw = split === 'dev' && data.draw !== null ? { count: data.draw, seed: data.data.seed } : null;
  const backbone = await session.backboneFingerprint();
  const sha256 = await session.hashes.of(session.absolute(file));
  const metric = session.metric(task);
  const delta = checkpoint === null ? null : session.delta(deltaName);
  const key = contentKey({
    work: 'evaluate',
    version: 1,
    backbone,
    delta,
    checkpoint: checkpoint?.sha256 ?? null,
    task,
    split,
    data: sha256,
    draw,
    metric,
    lengths: configuration.lengths,
    compatibility: configuration.compatibility,
  });
  const of = checkpoint === null ? 'bare-backbone' : nameOf(checkpoint);
  const id = recordId(['evaluate', split, deltaName, of], key);
  const recorded = await session.store.readRun(task, id);
  if (recorded?.key === key && recorded.status === 'done') return { record: recorded, reused: true };

  const model = await session.model(checkpoint === null ? null : deltaName);
  const weights = checkpoint === null ? null : await session.readDelta(checkpoint, model);
  const examples = await readExamples(model.backbone, task, session.absolute(file), {
    directory: session.directory,
    lengths: configuration.lengths,
    draw,
    warn: (warning) => context.log(warning),
  });
  const outcome = await evaluate(model, weights, examples, {
    metric,
    maxLength: configuration.lengths.output,
    compatibility: configuration.compatibility,
    signal: context.signal,
    ...(progress === undefined ? {} : { progress }),
  });
  await writePredictions(session, task, id, split, examples, outcome.predictions);
  const record: RunRecord = {
    format: 'deltaloom/run',
    version: 1,
    id,
    key,
    kind: 'evaluate',
    task,
    deltaName,
    delta,
    role: 'target',
    shots,
    dataSeed: data.data.seed,
    seed: firstTargetSeed(session),
    initialisation:
      checkpoint === null ? { kind: 'none' } : { ...checkpoint.initialisation, sha256: checkpoint.sha256 },
    tuning: null,
    chosen: null,
    inputs: { backbone, data: { [split]: sha256 }, initial: checkpoint?.sha256 ?? null },
    status: 'done',
    checkpoint:
      checkpoint === null
        ? null
        : { path: checkpoint.path, sha256: checkpoint.sha256, bytes: checkpoint.bytes },
    curve: { train: [], dev: [] },
    results: {
      metric,
      dev: split === 'dev' ? outcome.metric : null,
      test: split === 'test' ? outcome.metric : null,
      devLoss: null,
      bestStep: null,
      steps: 0,
      testExamples: split === 'test' ? examples.tokens.length : null,
    },
    provenance: {
      ...(await session.provenance()),
      seconds: Number(((performance.now() - started) / 1000).toFixed(3)),
    },
  };
  await session.store.writeRun(record);
  return { record, reused: false };
}

/** Short: the label or the task, and what tells checkpoints of one name apart. */
function nameOf({ initialisation, sha256 }: EvaluatedCheckpoint): string {
  const name = initialisation.kind === 'merge' ? initialisation.label : initialisation.task;
  return `${name.replaceAll('/', '-')}-${sha256.slice(0, 6)}`;
}
