import path from 'node:path';
import { relativeToStudy } from '../../study/paths.js';
import type { StudySnapshot } from '../../study/snapshot.js';

/** Whether a path is the folder or lies in it, on Windows and elsewhere. */
export function contains(folder: string, fileOrFolder: string, paths: typeof path = path): boolean {
  const relative = paths.relative(folder, fileOrFolder);
  const outside = relative === '..' || relative.startsWith(`..${paths.sep}`) || paths.isAbsolute(relative);
  return !outside;
}

/** The study's own name, or its folder's. */
export function nameOfStudy(snapshot: StudySnapshot, paths: typeof path = path): string {
  return snapshot.configuration?.name ?? paths.basename(snapshot.directory);
}

/**
 * Names that tell studies apart, by directory: those that share one get as much of the end of their path as it takes.
 *
 * @param studies directories, each with the study's own name
 */
export function distinctNames(
  studies: ReadonlyMap<string, string>,
  paths: typeof path = path,
): Map<string, string> {
  const end = (directory: string, parts: number): string =>
    directory.split(paths.sep).slice(-parts).join('/');
  return new Map(
    [...studies].map(([directory, name]) => {
      const namesakes = [...studies.keys()].filter(
        (other) => other !== directory && studies.get(other) === name,
      );
      if (namesakes.length === 0) return [directory, name];
      let parts = 1;
      // No two are the same, so that it ends with the whole path at the latest.
      while (namesakes.some((other) => end(other, parts) === end(directory, parts))) parts++;
      return [directory, `${name} (${end(directory, parts)})`];
    }),
  );
}

/** A folder as deltaloom.json names it: '.' where it is the study itself, since an empty text names nothing. */
export function folderForStudy(directory: string, folder: string): string {
  const relative = relativeToStudy(directory, folder);
  return relative === '' ? '.' : relative;
}

/** The folder that the setting names for a workspace folder; undefined where it names none. */
export function studyFolderIn(
  setting: string,
  workspaceFolder: string,
  paths: typeof path = path,
): string | undefined {
  return setting === '' ? undefined : paths.resolve(workspaceFolder, setting);
}
