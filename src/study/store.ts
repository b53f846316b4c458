import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import type { Granularity, ScoreMethod } from '../core/methods.js';
import { DeltaloomError } from '../core/errors.js';
import { systemErrorCode, writeFileAtomically } from '../formats/atomic-file.js';
import {
  DATA_FOLDER,
  IGNORED_BY_GIT,
  fileNameOf,
  matrixPath,
  mergeRecordPath,
  runRecordPath,
} from './paths.js';
import { recordJson } from './record-json.js';
import {
  mergeRecordSchema,
  runRecordSchema,
  scoreMatrixSchema,
  type MergeRecord,
  type RunRecord,
  type ScoreMatrix,
} from './records.js';
import type { StudyProblem } from './snapshot.js';

/** Records found in a folder, and what could not be read. */
export interface FoundRecords<Record> {
  readonly records: readonly Record[];
  readonly problems: readonly StudyProblem[];
}

/** Files open at once while many records are read. */
const CONCURRENCY = 16;

/**
 * The records of a study on disk. Every write is atomic; a record that can't be read is a problem and never an exception,
 * so that one damaged file does not hide the others.
 */
export class StudyStore {
  private readonly ready: { done: boolean } = { done: false };

  constructor(readonly directory: string) {}

  async readRuns(): Promise<FoundRecords<RunRecord>> {
    return this.readFolder('runs', runRecordSchema);
  }

  async readMatrices(): Promise<FoundRecords<ScoreMatrix>> {
    return this.readFolder('scores', scoreMatrixSchema);
  }

  async readMerges(): Promise<FoundRecords<MergeRecord>> {
    return this.readFolder('merges', mergeRecordSchema);
  }

  /** null where there is none or it can't be read: the work is then done anew. */
  async readRun(task: string, id: string): Promise<RunRecord | null> {
    return this.readOne(runRecordPath(task, id), runRecordSchema);
  }

  async readMerge(target: string, id: string): Promise<MergeRecord | null> {
    return this.readOne(mergeRecordPath(target, id), mergeRecordSchema);
  }

  async readMatrix(
    deltaName: string,
    method: ScoreMethod,
    granularity: Granularity,
  ): Promise<ScoreMatrix | null> {
    return this.readOne(matrixPath(deltaName, method, granularity), scoreMatrixSchema);
  }

  /**
   * The same for who will write it.
   *
   * @throws DeltaloomError `record-unreadable` where a matrix is there that nobody can read, and that writing would replace
   */
  async readMatrixToChange(
    deltaName: string,
    method: ScoreMethod,
    granularity: Granularity,
  ): Promise<ScoreMatrix | null> {
    return this.readToChange(matrixPath(deltaName, method, granularity), scoreMatrixSchema);
  }

  /** @returns path of the record, relative to the study */
  async writeRun(record: RunRecord): Promise<string> {
    return this.replace(runRecordPath(record.task, record.id), runRecordSchema, record);
  }

  /** Asks before long work whether its record can be written: throws `record-unreadable` where it would replace what nobody read. */
  async checkRunReplaceable(task: string, id: string): Promise<void> {
    await this.readToChange(runRecordPath(task, id), runRecordSchema);
  }

  async writeMerge(record: MergeRecord): Promise<string> {
    return this.replace(mergeRecordPath(record.target, record.id), mergeRecordSchema, record);
  }

  /** In place of what {@link readMatrixToChange} gave: a matrix may be large, and is not read once more here. */
  async writeMatrix(matrix: ScoreMatrix): Promise<void> {
    const path = matrixPath(matrix.deltaName, matrix.method, matrix.granularity);
    await this.write(path, scoreMatrixSchema.parse(matrix));
  }

  absolute(path: string): string {
    return join(this.directory, path);
  }

  /** Whether `prepare` was called for this study before: only then git is kept from seeing its cache. */
  async isPrepared(): Promise<boolean> {
    return this.ready.done || (await readIfThere(join(this.directory, DATA_FOLDER, '.gitignore'))) !== null;
  }

  /** Creates `.deltaloom` with a `.gitignore` for what git should not keep. Everything that writes calls it first. */
  async prepare(): Promise<void> {
    if (this.ready.done) return;
    const file = join(this.directory, DATA_FOLDER, '.gitignore');
    if ((await readIfThere(file)) === null) {
      await writeFileAtomically(file, IGNORED_BY_GIT.map((line) => `${line}\n`).join(''));
    }
    this.ready.done = true;
  }

  /**
   * Removes what writers that were killed left aside. Only for who holds the lock: a living writer's file would be lost.
   */
  async sweepLeftovers(): Promise<void> {
    const root = join(this.directory, DATA_FOLDER);
    for (const name of await entriesOf(root, true)) {
      if (/(^|\/)\.[^/]+\.\d+-[0-9a-f]{8}\.tmp$/.test(name)) await rm(join(root, name), { force: true });
    }
  }

  private async replace<Record>(path: string, schema: z.ZodType<Record>, record: Record): Promise<string> {
    const checked = schema.parse(record);
    await this.readToChange(path, schema);
    return this.write(path, checked);
  }

  private async write(path: string, record: unknown): Promise<string> {
    await this.prepare();
    await writeFileAtomically(this.absolute(path), recordJson(record));
    return path;
  }

  private async readOne<Record>(path: string, schema: z.ZodType<Record>): Promise<Record | null> {
    const read = await readRecord(this.directory, path, schema);
    return read !== null && 'record' in read ? read.record : null;
  }

  /**
   * Throws `record-unreadable` where a record lies at `path` that can't be read. Who only reads takes it for absent; written anew,
   * the two sides of a conflict, or what a later version knows, would be lost.
   */
  private async readToChange<Record>(path: string, schema: z.ZodType<Record>): Promise<Record | null> {
    const read = await readRecord(this.directory, path, schema);
    if (read === null) return null;
    if ('record' in read) return read.record;
    const { message, remedy } = read.problem;
    throw new DeltaloomError('record-unreadable', message, { place: { file: path }, remedy });
  }

  private async readFolder<Record>(
    folder: 'runs' | 'scores' | 'merges',
    schema: z.ZodType<Record>,
  ): Promise<FoundRecords<Record>> {
    const root = join(this.directory, DATA_FOLDER, folder);
    const names = (await entriesOf(root, true)).filter(
      (name) => name.endsWith('.json') && !/(^|\/)\./.test(name),
    );
    const records: Record[] = [];
    const problems: StudyProblem[] = [];
    for (let start = 0; start < names.length; start += CONCURRENCY) {
      const some = names.slice(start, start + CONCURRENCY);
      const read = await Promise.all(
        some.map((name) => readRecord(this.directory, `${DATA_FOLDER}/${folder}/${name}`, schema)),
      );
      for (const outcome of read) {
        if (outcome === null) continue;
        if ('record' in outcome) records.push(outcome.record);
        else problems.push(outcome.problem);
      }
    }
    return { records, problems };
  }
}

type Read<Record> = { readonly record: Record } | { readonly problem: StudyProblem };

/** null: the file is not there (any more). */
async function readRecord<Record>(
  directory: string,
  path: string,
  schema: z.ZodType<Record>,
): Promise<Read<Record> | null> {
  const problem = (message: string, remedy: string): Read<Record> => ({
    problem: { severity: 'warning', code: 'record-unreadable', message, remedy, file: path },
  });
  let text: string;
  try {
    text = await readFile(join(directory, path), 'utf8');
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    return problem(
      `The record can't be read (${code ?? String(error)}).`,
      'Give permission to read it, or delete it: the work is then done anew.',
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text) as unknown;
  } catch {
    return problem(
      'The record is not valid JSON.',
      /^(<<<<<<<|=======|>>>>>>>) /m.test(text)
        ? 'Resolve the merge conflict in it.'
        : 'Restore it from git, or delete it: the work is then done anew.',
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { record: parsed.data };
  const [issue] = parsed.error.issues;
  return problem(
    `The record is not understood: ${issue?.message ?? 'unknown format'} (at ${issue?.path.map(String).join('.') ?? ''}).`,
    'It may be of a newer version of Deltaloom. Restore it from git, or delete it: the work is then done anew.',
  );
}

/** Files below a folder by relative path with forward slashes, sorted; none where the folder is missing. */
async function entriesOf(folder: string, recursive: boolean): Promise<string[]> {
  try {
    const names = await readdir(folder, { recursive });
    return names.map((name) => name.split('\\').join('/')).sort();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** An id that says something and is unique by its key: words, then the first 8 digits of the key. */
export function recordId(words: readonly (string | number | null)[], key: string): string {
  const said = words.filter((word) => word !== null && word !== '').map((word) => String(word));
  return `${said.map((word) => fileNameOf(word).replace(/\s+/g, '-')).join('.')}.${key.slice(0, 8)}`;
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return null;
  }
}
