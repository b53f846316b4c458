import { constants, copyFile, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import { SCORE_METHOD_INFO, type ScoreMethod } from '../core/methods.js';
import { parseReferenceResults } from '../core/reference-results.js';
import type { DeltaTensors } from '../core/tensor.js';
import { listCrossFitTasks } from '../formats/crossfit.js';
import { readReferenceDeltaCheckpoint } from '../formats/pytorch-checkpoint.js';
import { readTensors } from '../formats/safetensors.js';
import { openBackboneFolder } from '../formats/backbone-folder.js';
import { deltaShapes } from '../model/deltas/shapes.js';
import { writeCheckpoint } from './checkpoints.js';
import { checkDelta } from './compute/check-delta.js';
import { contentKey } from './content-key.js';
import type { JobContext, JobOutcome } from './jobs.js';
import { withStudyLock } from './lock.js';
import { checkpointPath, matrixPath, resolveInStudy } from './paths.js';
import type { RunRecord } from './records.js';
import { StudySession } from './session.js';
import { recordId } from './store.js';
import { pathOfRun } from './tune-run.js';

export interface ImportOptions {
  readonly deltaName: string;
  /** Needed for a `result.tsv`: the score that it holds. */
  readonly method?: ScoreMethod | undefined;
}

/**
 * Brings in what the reference's code left: a folder of checkpoints (`<task>/checkpoint-best.pt`), a `result.tsv`, or a
 * folder of tasks. Which of them it is, is found out. What is in the study already is left as it is.
 *
 * @throws DeltaloomError `import-unknown`, and of every file that can't be understood
 */
export async function importIntoStudy(
  directory: string,
  from: string,
  options: ImportOptions,
  context: JobContext,
): Promise<JobOutcome> {
  const session = await StudySession.open(directory, context);
  return withStudyLock(directory, 'import', async () => {
    const kind = await stat(from).catch((cause: unknown) => {
      throw new DeltaloomError('import-missing', 'There is nothing to import.', {
        place: { file: from },
        remedy: 'Name a folder of checkpoints or tasks, or a result.tsv.',
        cause,
      });
    });
    if (kind.isFile() && from.endsWith('.tsv')) return importResults(session, from, options);
    const checkpoints = kind.isFile() ? [from] : await checkpointsIn(from);
    if (checkpoints.length > 0) return importCheckpoints(session, checkpoints, options);
    if (kind.isDirectory() && (await listCrossFitTasks(from)).length > 0) return importTasks(session, from);
    throw new DeltaloomError('import-unknown', 'This holds nothing that can be imported.', {
      place: { file: from },
      remedy:
        'Name a folder with <task>/checkpoint-best.pt, a folder of tasks (NAME/NAME_{shots}_{seed}_{split}.tsv), or a result.tsv.',
    });
  });
}

/** `<task>/checkpoint-best.pt`, else `<task>.pt` or `<task>.safetensors` in the folder itself. */
async function checkpointsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isFile() && /\.(pt|safetensors)$/.test(entry.name)) found.push(path);
    if (!entry.isDirectory()) continue;
    const best = (await readdir(path)).find((name) => /^checkpoint-best\.(pt|safetensors)$/.test(name));
    if (best !== undefined) found.push(join(path, best));
  }
  return found;
}

/** The folder's name for `checkpoint-best.pt`; else the file's, without the reference's ending. */
function taskOfCheckpoint(file: string): string {
  const name = basename(file).replace(/\.(pt|safetensors)$/, '');
  return name === 'checkpoint-best' ? basename(dirname(file)) : name.replace(/_checkpoint-best$/, '');
}

async function importCheckpoints(
  session: StudySession,
  files: readonly string[],
  { deltaName }: ImportOptions,
): Promise<JobOutcome> {
  const { config, name } = await openBackboneFolder(session.backboneDirectory);
  const delta = session.delta(deltaName);
  const shapes = deltaShapes(config, delta);
  const backbone = await session.backboneFingerprint();
  const records: string[] = [];
  let reused = 0;
  for (const [index, file] of files.entries()) {
    session.context.signal.throwIfAborted();
    const task = taskOfCheckpoint(file);
    session.task(task);
    session.context.progress({
      label: `Importing ${task}`,
      done: index,
      total: files.length,
      unit: 'examples',
      task,
    });
    const sha256 = await session.hashes.of(file);
    const key = contentKey({ work: 'import', version: 1, sha256, task, deltaName, delta, backbone });
    const id = recordId([deltaName, 'source', 'imported'], key);
    const recorded = await session.store.readRun(task, id);
    if (recorded !== null && (await session.hasCheckpoint(recorded.checkpoint))) {
      reused++;
      records.push(pathOfRun(recorded));
      continue;
    }
    const tensors = await readForeignDelta(file);
    try {
      checkDelta(tensors, shapes, delta, name);
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      throw new DeltaloomError(error.code, error.message, {
        place: { ...error.place, file },
        ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
        cause: error,
      });
    }
    await session.store.prepare();
    const path = checkpointPath(task, id);
    // In the order of the model, whatever the order in the file.
    const ordered = new Map([...shapes.keys()].flatMap((tensor) => entryOf(tensors, tensor)));
    const checkpoint = await writeCheckpoint(path, session.absolute(path), ordered, {
      delta,
      backbone,
      task,
      id,
      key,
    });
    const record = await importedRun(session, { task, deltaName, id, key, backbone, checkpoint, sha256 });
    records.push(await session.store.writeRun(record));
  }
  const computed = files.length - reused;
  return {
    records,
    computed,
    reused,
    summary: `${computed} checkpoints imported as sources${reused === 0 ? '' : `, ${reused} were here already`}.`,
  };
}

function entryOf(tensors: DeltaTensors, name: string) {
  const tensor = tensors.get(name);
  return tensor === undefined ? [] : [[name, tensor] as const];
}

async function readForeignDelta(file: string): Promise<DeltaTensors> {
  if (file.endsWith('.safetensors')) return readTensors(file);
  return (await readReferenceDeltaCheckpoint(file)).tensors;
}

async function importedRun(
  session: StudySession,
  imported: {
    readonly task: string;
    readonly deltaName: string;
    readonly id: string;
    readonly key: string;
    readonly backbone: string;
    readonly sha256: string;
    readonly checkpoint: NonNullable<RunRecord['checkpoint']>;
  },
): Promise<RunRecord> {
  const { task, deltaName, id, key, backbone, checkpoint, sha256 } = imported;
  const { sources, initialisationSeed } = session.configuration;
  return {
    format: 'deltaloom/run',
    version: 1,
    id,
    key,
    kind: 'tune',
    task,
    deltaName,
    delta: session.delta(deltaName),
    role: 'source',
    shots: sources.shots,
    dataSeed: sources.dataSeed ?? 0,
    seed: sources.seed,
    initialisation: { kind: 'random', seed: initialisationSeed },
    tuning: null,
    chosen: null,
    inputs: { backbone, data: { imported: sha256 }, initial: null },
    status: 'done',
    checkpoint,
    curve: { train: [], dev: [] },
    results: {
      metric: session.metric(task),
      dev: null,
      test: null,
      devLoss: null,
      bestStep: null,
      steps: 0,
      testExamples: null,
    },
    provenance: { ...(await session.provenance()), seconds: 0 },
  };
}

async function importResults(
  session: StudySession,
  file: string,
  { method, deltaName }: ImportOptions,
): Promise<JobOutcome> {
  if (method === undefined) {
    throw new DeltaloomError('import-without-method', 'A result.tsv does not say which score it holds.', {
      place: { file },
      remedy: 'Name it with --method, for example --method loss.',
    });
  }
  const order = session.tasks.map(({ name }) => name);
  const { targets, sources, values } = parseReferenceResults(await readFile(file, 'utf8'), { file });
  const sha256 = await session.hashes.of(file);
  for (const name of [...targets, ...sources]) session.task(name);
  const byOrder = (names: readonly string[]): string[] => order.filter((name) => names.includes(name));
  await session.store.writeMatrix({
    format: 'deltaloom/scores',
    version: 1,
    method,
    methodVersion: SCORE_METHOD_INFO[method].version,
    granularity: 'model',
    direction: SCORE_METHOD_INFO[method].direction,
    compatibility: session.configuration.compatibility,
    deltaName,
    delta: session.delta(deltaName),
    targets: byOrder(targets),
    sources: byOrder(sources),
    parts: ['model'],
    probe: {
      split: session.configuration.scores.probe.split,
      shots: session.configuration.targets.shots,
      examples: null,
    },
    cells: byOrder(targets).flatMap((target) =>
      byOrder(sources).map((source) => {
        const value = values[targets.indexOf(target)]?.[sources.indexOf(source)]?.[0] ?? Number.NaN;
        return {
          target,
          source,
          key: contentKey({ work: 'import', sha256, method, target, source }),
          inputs: { imported: sha256.slice(0, 12) },
          values: [Number.isFinite(value) ? value : null],
          provenance: 0,
        };
      }),
    ),
    provenances: [{ ...(await session.provenance()), seconds: 0 }],
  });
  return {
    records: [matrixPath(deltaName, method, 'model')],
    computed: targets.length * sources.length,
    reused: 0,
    summary: `${targets.length} x ${sources.length} scores by ${method} imported.`,
  };
}

async function importTasks(session: StudySession, from: string): Promise<JobOutcome> {
  const into = resolveInStudy(session.directory, session.configuration.tasks);
  let copied = 0;
  let reused = 0;
  const tasks = await listCrossFitTasks(from);
  for (const { name, samplings } of tasks) {
    await mkdir(join(into, name), { recursive: true });
    for (const file of samplings.flatMap(({ files }) => Object.values(files))) {
      try {
        await copyFile(file, join(into, name, basename(file)), constants.COPYFILE_EXCL);
        copied++;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        reused++;
      }
    }
  }
  return {
    records: [],
    computed: copied,
    reused,
    summary: `${tasks.length} tasks imported: ${copied} files copied, ${reused} were here already.`,
  };
}
