import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import type { DeltaType } from '../core/delta-settings.js';
import { DeltaloomError } from '../core/errors.js';
import { writeFileAtomically } from '../formats/atomic-file.js';
import { listCrossFitTasks, type CrossFitTask } from '../formats/crossfit.js';
import { readT5Config } from '../formats/t5-config.js';
import { studyJsonSchema } from './load.js';
import { STUDY_FILE } from './paths.js';

export interface InitialiseOptions {
  /** Relative to the working folder; found when not given. */
  readonly backbone?: string | undefined;
  readonly tasks?: string | undefined;
  readonly deltas: readonly DeltaType[];
  readonly seed?: number | undefined;
}

export interface InitialisedStudy {
  readonly file: string;
  readonly backbone: string;
  readonly tasksFolder: string;
  readonly tasks: number;
}

const SCHEMA_FILE = 'deltaloom.schema.json';

/** Folders looked into below the study's, with their levels. */
const SEARCH_DEPTH = 3;

/**
 * Writes `deltaloom.json` with its JSON schema beside it, from what the folder holds. Nothing that exists is overwritten.
 *
 * @throws DeltaloomError `study-exists`, `backbone-not-found`, `tasks-not-found`
 */
export async function initialiseStudy(
  directory: string,
  options: InitialiseOptions,
): Promise<InitialisedStudy> {
  const file = join(directory, STUDY_FILE);
  if (await exists(file)) {
    throw new DeltaloomError('study-exists', 'There is a study here already.', {
      place: { file },
      remedy: 'Edit it, or choose another folder.',
    });
  }
  const folders = await foldersBelow(directory);
  const backbone =
    options.backbone === undefined
      ? await firstOf(folders, async (folder) => ((await isBackbone(folder)) ? folder : null))
      : resolve(options.backbone);
  if (backbone === null) {
    throw new DeltaloomError('backbone-not-found', 'No folder here holds a T5 (config.json).', {
      place: { file: directory },
      remedy: 'Copy a Hugging Face T5 folder here, or name one with --backbone.',
    });
  }
  const tasksFolder =
    options.tasks === undefined
      ? await firstOf(folders, async (folder) => ((await tasksIn(folder)).length > 0 ? folder : null))
      : resolve(options.tasks);
  const tasks = tasksFolder === null ? [] : await tasksIn(tasksFolder);
  if (tasksFolder === null || tasks.length === 0) {
    throw new DeltaloomError('tasks-not-found', 'No folder here holds CrossFit tasks.', {
      place: { file: tasksFolder ?? directory },
      remedy:
        'A task is a folder NAME with files NAME_{shots}_{seed}_{train,dev,test}.tsv. Name their folder with --tasks.',
    });
  }
  const shots = fewestShots(tasks);
  const configuration = {
    $schema: `./${SCHEMA_FILE}`,
    version: 1,
    backbone: written(directory, backbone),
    tasks: written(directory, tasksFolder),
    deltas: Object.fromEntries(options.deltas.map((type) => [type, { type }])),
    targets: {
      shots,
      seeds: options.seed === undefined ? dataSeeds(tasks, shots) : [options.seed],
    },
  };
  await writeFileAtomically(join(directory, SCHEMA_FILE), json(studyJsonSchema()));
  await writeFileAtomically(file, json(configuration));
  return {
    file,
    backbone: configuration.backbone,
    tasksFolder: configuration.tasks,
    tasks: tasks.length,
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The few-shot size that every task can serve: the smallest file there is. */
function fewestShots(tasks: readonly CrossFitTask[]): number | 'full' {
  const sizes = tasks.flatMap(({ samplings }) => samplings.map(({ shots }) => shots));
  const numbers = sizes.filter((shots) => shots !== 'full');
  return numbers.length === 0 ? 'full' : Math.min(...numbers);
}

/** Five seeds at most: those of the files for `shots`. Any other would read the first of these files once more. */
function dataSeeds(tasks: readonly CrossFitTask[], shots: number | 'full'): number[] {
  const samplings = tasks.flatMap((task) => task.samplings.filter((sampling) => sampling.shots === shots));
  const seeds = new Set(samplings.map(({ seed }) => seed));
  return [...seeds].sort((a, b) => a - b).slice(0, 5);
}

/** Relative with forward slashes where that is possible: the study can then be moved with what it uses. */
function written(directory: string, folder: string): string {
  const path = relative(directory, folder);
  if (isAbsolute(path)) return path;
  return path === '' ? '.' : path.replaceAll('\\', '/');
}

async function foldersBelow(directory: string): Promise<string[]> {
  const found = [directory];
  let level = [directory];
  for (let depth = 1; depth < SEARCH_DEPTH; depth++) {
    const next: string[] = [];
    for (const folder of level) {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        if (entry.name.startsWith('.') || entry.name === 'node_modules' || entry.isFile()) continue;
        next.push(join(folder, entry.name));
      }
    }
    next.sort();
    found.push(...next);
    level = next;
  }
  return found;
}

async function firstOf(
  folders: readonly string[],
  test: (folder: string) => Promise<string | null>,
): Promise<string | null> {
  for (const folder of folders) {
    const found = await test(folder);
    if (found !== null) return found;
  }
  return null;
}

async function isBackbone(folder: string): Promise<boolean> {
  const file = join(folder, 'config.json');
  if (!(await exists(file))) return false;
  try {
    await readT5Config(file);
    return true;
  } catch (error) {
    if (error instanceof DeltaloomError) return false;
    throw error;
  }
}

async function tasksIn(folder: string): Promise<CrossFitTask[]> {
  try {
    return await listCrossFitTasks(folder);
  } catch (error) {
    if (error instanceof DeltaloomError) return [];
    throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
