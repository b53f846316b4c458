import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { Granularity, ScoreMethod } from '../core/methods.js';

/** Where everything of a study lies (docs/study-format.md). Relative paths have forward slashes on every system. */

export const STUDY_FILE = 'deltaloom.json';
export const DATA_FOLDER = '.deltaloom';

/** What git should not keep: weights and everything that can be computed again. */
export const IGNORED_BY_GIT = ['checkpoints/', 'predictions/', 'cache/', 'logs/', 'lock', 'lock.*'] as const;

/** Names that Windows keeps for devices, whatever their ending. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;

/**
 * A task's name as one folder or file name. Most names are themselves; characters that some system refuses are written as
 * `%XX`, which stays readable and never makes two names equal.
 */
export function fileNameOf(name: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are refused by Windows and unreadable anywhere
  const escaped = name.replace(/[%/\\:*?"<>|\u0000-\u001f]|^\.|[. ]$/g, escapeCharacter);
  return RESERVED.test(escaped) ? `%${escaped}` : escaped;
}

function escapeCharacter(character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`;
}

export function runRecordPath(task: string, id: string): string {
  return `${DATA_FOLDER}/runs/${fileNameOf(task)}/${fileNameOf(id)}.json`;
}

/** The same for a run, or whatever names one. */
export function pathOfRunRecord({ task, id }: { readonly task: string; readonly id: string }): string {
  return runRecordPath(task, id);
}

export function matrixPath(deltaName: string, method: ScoreMethod, granularity: Granularity): string {
  return `${DATA_FOLDER}/scores/${fileNameOf(deltaName)}/${method}.${granularity}.json`;
}

export function mergeFolder(target: string): string {
  return `${DATA_FOLDER}/merges/${fileNameOf(target)}`;
}

export function mergeRecordPath(target: string, id: string): string {
  return `${mergeFolder(target)}/${fileNameOf(id)}.json`;
}

export function checkpointPath(task: string, id: string): string {
  return `${DATA_FOLDER}/checkpoints/${fileNameOf(task)}/${fileNameOf(id)}.safetensors`;
}

/** Where the weights lie of which this is the record (of a run or a merge); null for other records. */
export function checkpointOfRecord(recordPath: string): string | null {
  const [, task, name] = /^\.deltaloom\/(?:runs|merges)\/([^/]+)\/([^/]+)\.json$/.exec(recordPath) ?? [];
  return task === undefined || name === undefined
    ? null
    : `${DATA_FOLDER}/checkpoints/${task}/${name}.safetensors`;
}

export function predictionsPath(task: string, id: string, split: string): string {
  return `${DATA_FOLDER}/predictions/${fileNameOf(task)}/${fileNameOf(id)}.${split}.jsonl`;
}

/** State of work that is not finished; deleted when it is. */
export function cachePath(...names: string[]): string {
  return [DATA_FOLDER, 'cache', ...names.map(fileNameOf)].join('/');
}

/** A path as people write it in the study (relative to it, or absolute) as an absolute path. */
export function resolveInStudy(directory: string, path: string): string {
  return isAbsolute(path) ? path : join(directory, path);
}

/** Relative to the study with forward slashes where it lies inside; else absolute. */
export function relativeToStudy(directory: string, file: string): string {
  const inside = relative(resolve(directory), resolve(file));
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return file;
  return inside.split(sep).join('/');
}
