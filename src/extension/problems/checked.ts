import { stat } from 'node:fs/promises';
import { resolveInStudy } from '../../study/paths.js';
import type { StudyProblem } from '../../study/snapshot.js';
import type { IndexedStudy } from '../tree/nodes.js';

interface Finding {
  readonly problem: StudyProblem;
  /** What the problem speaks of, as it was when it was found. */
  readonly stamps: readonly Stamp[];
}

interface Stamp {
  readonly file: string;
  /** null: there was nothing. */
  readonly seen: string | null;
}

interface Found {
  readonly reading: string;
  readonly findings: readonly Finding[];
}

/**
 * What the last check of each study found, for as long as it can still be so: it is dropped where a file that it speaks of has
 * changed, and altogether where the study reads differently. A reading that finds all as it was drops nothing: one is made
 * whenever the window comes to the front.
 */
export class CheckedProblems {
  private readonly found = new Map<string, Found>();

  async remember(owner: IndexedStudy, problems: readonly StudyProblem[]): Promise<void> {
    const findings = await Promise.all(
      problems.map(async (problem) => ({ problem, stamps: await stampsOf(owner, problem) })),
    );
    this.found.set(owner.study.directory, { reading: readingOf(owner), findings });
  }

  /** Those that may still be so. */
  async current(owner: IndexedStudy): Promise<readonly StudyProblem[]> {
    const { directory } = owner.study;
    const found = this.found.get(directory);
    if (found === undefined) return [];
    if (found.reading !== readingOf(owner)) {
      this.found.delete(directory);
      return [];
    }
    const unchanged = await Promise.all(found.findings.map(isUnchanged));
    // Another check may have ended meanwhile.
    if (this.found.get(directory) !== found) return this.current(owner);
    const findings = found.findings.filter((_finding, index) => unchanged[index] === true);
    this.found.set(directory, { ...found, findings });
    return findings.map(({ problem }) => problem);
  }

  forget(directory: string): void {
    this.found.delete(directory);
  }
}

/** Equal for two readings of a study between which nothing changed that a check looks at, as far as a reading tells. */
export function readingOf({ index }: IndexedStudy): string {
  const { configuration, problems, tasks } = index.snapshot;
  const runs = [...index.checkpointById.values()].map(({ run, weightsHere }) => [
    run.task,
    run.id,
    run.key,
    run.status,
    weightsHere,
  ]);
  const merges = [...index.mergeById.values()].map(({ record, weightsHere }) => [
    record.target,
    record.id,
    record.key,
    weightsHere,
  ]);
  return JSON.stringify([configuration, problems, tasks, runs, merges]);
}

async function stampsOf({ study, index }: IndexedStudy, { file, path }: StudyProblem): Promise<Stamp[]> {
  const backbone = index.snapshot.configuration?.backbone;
  // What is wrong with the backbone is told at its name, and mended in its folder.
  const more = path?.[0] === 'backbone' && backbone !== undefined ? [backbone] : [];
  const files = [file, ...more].map((each) => resolveInStudy(study.directory, each));
  return Promise.all(files.map(async (each) => ({ file: each, seen: await lookAt(each) })));
}

async function isUnchanged({ stamps }: Finding): Promise<boolean> {
  const now = await Promise.all(stamps.map(({ file }) => lookAt(file)));
  return stamps.every(({ seen }, index) => seen === now[index]);
}

async function lookAt(file: string): Promise<string | null> {
  return stat(file).then(
    ({ mtimeMs, size }) => `${mtimeMs} ${size}`,
    () => null,
  );
}
