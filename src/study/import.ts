import type { Dirent } from 'node:fs';
import { constants, copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { counted } from '../core/counted.js';
import { DeltaloomError } from '../core/errors.js';
import { SCORE_METHOD_INFO, type Granularity, type ScoreMethod } from '../core/methods.js';
import { MODEL_PART, compareParts } from '../core/parts.js';
import { parseReferenceResults, type ReferenceMatrix } from '../core/reference-results.js';
import type { DeltaTensors } from '../core/tensor.js';
import { explainReadError } from '../formats/binary-file.js';
import { listCrossFitTasks } from '../formats/crossfit.js';
import { readReferenceDeltaCheckpoint } from '../formats/pytorch-checkpoint.js';
import { readTensors } from '../formats/safetensors.js';
import { readTextFile } from '../formats/text-file.js';
import { openBackboneFolder } from '../formats/backbone-folder.js';
import { deltaShapes } from '../model/deltas/shapes.js';
import { writeCheckpoint } from './checkpoints.js';
import { checkDelta } from './compute/check-delta.js';
import { contentKey } from './content-key.js';
import type { JobContext, JobOutcome } from './jobs.js';
import { withLockedStudy } from './locked-study.js';
import { checkpointPath, matrixPath, pathOfRunRecord, resolveInStudy } from './paths.js';
import type { Provenance, RunRecord, ScoreCell, ScoreMatrix } from './records.js';
import { cellIndex, cellPlace } from './scoring/cells.js';
import type { StudySession } from './session.js';
import { recordId } from './store.js';

export interface ImportOptions {
  readonly deltaName: string;
  /** Needed for a `result.tsv`: the score that it holds. */
  readonly method?: ScoreMethod | undefined;
  /** How long to wait for another process that works on the study, in milliseconds. */
  readonly waitMs?: number;
}

/**
 * Brings in what the reference's code left: a folder of checkpoints (`<task>/checkpoint-best.pt`), a `result.tsv`, or a
 * folder of tasks. Which of them it is, is found out. What is in the study already is left as it is.
 *
 * @throws the signal's reason when it aborts; DeltaloomError `import-unknown`, `study-locked`, and of every file that can't be understood
 */
export async function importIntoStudy(
  directory: string,
  from: string,
  options: ImportOptions,
  context: JobContext,
): Promise<JobOutcome> {
  const { waitMs } = options;
  return withLockedStudy(directory, context, { purpose: 'import', waitMs }, (session) =>
    importFrom(session, from, options),
  );
}

async function importFrom(session: StudySession, from: string, options: ImportOptions): Promise<JobOutcome> {
  const kind = await stat(from).catch((cause: unknown) => {
    throw new DeltaloomError('import-missing', 'There is nothing to import.', {
      place: { file: from },
      remedy: 'Name a folder of checkpoints or tasks, or a result.tsv.',
      cause,
    });
  });
  const results: PartFile[] = kind.isDirectory()
    ? await partFilesIn(from)
    : from.endsWith('.tsv')
      ? [{ part: MODEL_PART, granularity: 'model', file: from }]
      : [];
  if (results.length > 0) return importResults(session, results, options);
  const checkpoints = kind.isFile() ? [from] : await checkpointsIn(from);
  if (checkpoints.length > 0) return importCheckpoints(session, checkpoints, options);
  if (kind.isDirectory() && (await listCrossFitTasks(from)).length > 0) return importTasks(session, from);
  throw new DeltaloomError('import-unknown', 'This holds nothing that can be imported.', {
    place: { file: from },
    remedy:
      'Name a folder with <task>/checkpoint-best.pt, a folder of tasks (NAME/NAME_{shots}_{seed}_{split}.tsv), or a result.tsv.',
  });
}

/** `<task>/checkpoint-best.pt`, else `<task>.pt` or `<task>.safetensors` in the folder itself. */
async function checkpointsIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isFile() && /\.(pt|safetensors)$/.test(entry.name)) found.push(path);
    if (!entry.isDirectory()) continue;
    const best = (await entriesOf(path)).find(({ name }) => /^checkpoint-best\.(pt|safetensors)$/.test(name));
    if (best !== undefined) found.push(join(path, best.name));
  }
  return found;
}

/**
 * What a folder holds, by name.
 *
 * @throws DeltaloomError `file-unreadable` naming the folder
 */
async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw explainReadError(error, folder);
  });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
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
      records.push(pathOfRunRecord(recorded));
      continue;
    }
    const tensors = await readForeignDelta(file);
    try {
      checkDelta(tensors, shapes, delta, name);
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      throw error.with({ place: { file } });
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
    summary: `${counted(computed, 'checkpoint')} imported as ${computed === 1 ? 'a source' : 'sources'}${reused === 0 ? '' : `, ${reused} here already`}.`,
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

/** `encoder_block_0_result.tsv`, `decoder_block_1_layer_2_result.tsv`: the reference keeps one file a part. */
const PART_FILE = /^(encoder|decoder)_block_(\d+)(?:_layer_(\d+))?_result\.tsv$/;

interface PartFile {
  readonly part: string;
  readonly granularity: Granularity;
  readonly file: string;
}

/** The files of a folder of block or layer results, in the order of the network. */
async function partFilesIn(folder: string): Promise<PartFile[]> {
  const found = (await entriesOf(folder)).flatMap(({ name }): PartFile[] => {
    const match = PART_FILE.exec(name);
    if (match === null) return [];
    const [, side = '', block = '', layer] = match;
    const part = `${side}.block.${block}${layer === undefined ? '' : `.layer.${layer}`}`;
    return [{ part, granularity: layer === undefined ? 'block' : 'layer', file: join(folder, name) }];
  });
  return found.sort((a, b) => compareParts(a.part, b.part));
}

async function importResults(
  session: StudySession,
  files: readonly PartFile[],
  { method, deltaName }: ImportOptions,
): Promise<JobOutcome> {
  const [first] = files;
  if (first === undefined) throw new RangeError('no file to import');
  const { granularity } = first;
  if (method === undefined) {
    throw new DeltaloomError('import-without-method', 'A result.tsv does not say which score it holds.', {
      place: { file: first.file },
      remedy: 'Name it with --method, for example --method loss.',
    });
  }
  if (!SCORE_METHOD_INFO[method].granularities.includes(granularity)) {
    throw new DeltaloomError(
      'import-granularity',
      `These are results by ${granularity}, and '${method}' has none.`,
      { place: { file: first.file }, remedy: 'Name the method that the files hold.' },
    );
  }
  const parts: PartMatrix[] = [];
  for (const { part, file } of files) {
    const { text } = await readTextFile(file);
    const matrix = parseReferenceResults(text, { file });
    for (const name of [...matrix.targets, ...matrix.sources]) session.task(name);
    parts.push({ part, matrix, sha256: await session.hashes.of(file) });
  }
  const path = matrixPath(deltaName, method, granularity);
  const recorded = await session.store.readMatrixToChange(deltaName, method, granularity);
  const names = parts.map(({ part }) => part);
  if (recorded !== null && recorded.parts.join('\n') !== names.join('\n')) {
    throw new DeltaloomError(
      'import-parts',
      `The study has scores by ${method} for ${recorded.parts.length} ${granularity}s that are not the ${names.length} given here.`,
      {
        place: { file: path },
        remedy: `Give a folder with the results of the same ${granularity}s, or delete the file to have these alone.`,
      },
    );
  }
  const here = cellIndex(recorded);
  const brought = importedCells(parts, method, granularity);
  const added = brought.filter((cell) => !here.has(cellPlace(cell)));
  if (added.length > 0) {
    const base = recorded ?? emptyMatrix(session, { method, granularity, deltaName, parts: names });
    const provenance = { ...(await session.provenance()), seconds: 0 };
    const order = session.tasks.map(({ name }) => name);
    await session.store.writeMatrix(withImported(base, added, provenance, order));
  }
  const reused = brought.length - added.length;
  return {
    records: [path],
    computed: added.length,
    reused,
    summary: `${counted(added.length, 'score')} by ${method}${granularity === 'model' ? '' : ` per ${granularity}`} imported${reused === 0 ? '' : `, ${reused} here already`}.`,
  };
}

interface PartMatrix {
  readonly part: string;
  readonly matrix: ReferenceMatrix;
  readonly sha256: string;
}

/** A cell for every pair of a target and a source that the files name; null where a part's file has no finite value. */
function importedCells(
  parts: readonly PartMatrix[],
  method: ScoreMethod,
  granularity: Granularity,
): Omit<ScoreCell, 'provenance'>[] {
  const targets = new Set(parts.flatMap(({ matrix }) => matrix.targets));
  const sources = new Set(parts.flatMap(({ matrix }) => matrix.sources));
  const hashes = parts.map(({ sha256 }) => sha256);
  return [...targets].flatMap((target) =>
    [...sources].map((source) => ({
      target,
      source,
      key: contentKey({ work: 'import', hashes, method, granularity, target, source }),
      inputs: { imported: contentKey(hashes).slice(0, 12) },
      values: parts.map(({ matrix }) => {
        const row = matrix.values[matrix.targets.indexOf(target)];
        const value = row?.[matrix.sources.indexOf(source)]?.[0];
        return value !== undefined && Number.isFinite(value) ? value : null;
      }),
    })),
  );
}

function emptyMatrix(
  session: StudySession,
  of: Pick<ScoreMatrix, 'method' | 'granularity' | 'deltaName' | 'parts'>,
): ScoreMatrix {
  const { scores, targets, compatibility } = session.configuration;
  return {
    format: 'deltaloom/scores',
    version: 1,
    ...of,
    methodVersion: SCORE_METHOD_INFO[of.method].version,
    direction: SCORE_METHOD_INFO[of.method].direction,
    compatibility,
    delta: session.delta(of.deltaName),
    targets: [],
    sources: [],
    probe: { split: scores.probe.split, shots: targets.shots, examples: null },
    cells: [],
    provenances: [],
  };
}

/** The matrix with cells that it lacks: its own are untouched, those of tasks that left the study included. */
function withImported(
  matrix: ScoreMatrix,
  added: readonly Omit<ScoreCell, 'provenance'>[],
  provenance: Provenance,
  order: readonly string[],
): ScoreMatrix {
  const cells = [
    ...matrix.cells,
    ...added.map((cell) => ({ ...cell, provenance: matrix.provenances.length })),
  ];
  const places = new Map(cells.map((cell) => [cellPlace(cell), cell]));
  const targets = inOrder(order, [...matrix.targets, ...added.map(({ target }) => target)]);
  const sources = inOrder(order, [...matrix.sources, ...added.map(({ source }) => source)]);
  return {
    ...matrix,
    targets,
    sources,
    cells: targets.flatMap((target) =>
      sources.flatMap((source) => places.get(cellPlace({ target, source })) ?? []),
    ),
    provenances: [...matrix.provenances, provenance],
  };
}

/** Each name once: those of the study in its order, then the others. */
function inOrder(order: readonly string[], names: readonly string[]): string[] {
  const once = new Set(names);
  return [...order.filter((name) => once.has(name)), ...[...once].filter((name) => !order.includes(name))];
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
    summary: `${counted(tasks.length, 'task')} imported: ${counted(copied, 'file')} copied, ${reused} here already.`,
  };
}
