import type { SimpleGit } from 'simple-git';
import type { ZodType } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { studySchema, type StudyConfiguration } from './configuration.js';
import {
  mergeRecordSchema,
  runRecordSchema,
  scoreMatrixSchema,
  type MergeRecord,
  type RunRecord,
  type ScoreMatrix,
} from './records.js';
import { openRepository, type RepositoryState } from './repository.js';
import type { StudyProblem } from './snapshot.js';

/**
 * The history of a study's records, read from git and never checked out. Paths are relative to the study folder with
 * forward slashes; a study folder that was renamed keeps its history.
 */

export interface RecordCommit {
  readonly hash: string;
  readonly author: string;
  /** ISO 8601 with the author's offset. */
  readonly date: string;
  readonly subject: string;
}

/** The records as they were at a commit. */
export interface RecordedStudy {
  readonly configuration: StudyConfiguration | null;
  readonly runs: readonly RunRecord[];
  readonly matrices: readonly ScoreMatrix[];
  readonly merges: readonly MergeRecord[];
  readonly problems: readonly StudyProblem[];
}

export interface RecordChange {
  readonly path: string;
  readonly change: 'added' | 'modified' | 'deleted';
}

export const RECORD_FOLDERS = ['runs', 'scores', 'merges'].map((folder) => `.deltaloom/${folder}`);
const CONFIGURATION_FILE = 'deltaloom.json';
const MOST_COMMITS = 1000;
/** Blobs named on one command line. */
const BLOBS_AT_ONCE = 200;
const MOST_BLOBS_KEPT = 20_000;

interface Blob {
  readonly hash: string;
  readonly size: number;
  readonly path: string;
}

export class StudyHistory {
  /** Parsed files by blob: most records are the same in all commits. */
  private readonly parsed = new Map<string, unknown>();
  private earlierRoots: { readonly head: string; readonly roots: readonly string[] } | undefined;

  constructor(private readonly studyDirectory: string) {}

  /**
   * Commits in which any of these files or folders changed, newest first, at most 1000. Empty before the first commit.
   * A shallow clone knows only its last commits: see `RepositoryState.shallow`.
   *
   * @param paths default: all records
   */
  async commits(paths: readonly string[] = RECORD_FOLDERS): Promise<RecordCommit[]> {
    const { git, state } = await openRepository(this.studyDirectory);
    if (state.head === null) return [];
    const roots = await this.roots(git, state, state.head);
    const specs = roots.flatMap((root) => paths.map((file) => `:(top,literal)${join(root, file)}`));
    return parseLog(await git.raw(['log', '-z', LOG_FORMAT, `--max-count=${MOST_COMMITS}`, '--', ...specs]));
  }

  /** Who made these commits and when; commits this repository lacks (other clones, shallow ones) are left out. */
  async describe(hashes: readonly string[]): Promise<RecordCommit[]> {
    const known = [...new Set(hashes)].filter((hash) => /^[0-9a-f]{7,64}$/.test(hash));
    if (known.length === 0) return [];
    const { git, state } = await openRepository(this.studyDirectory);
    if (state.head === null) return [];
    return parseLog(
      await git.raw(['log', '-z', LOG_FORMAT, '--no-walk=unsorted', '--ignore-missing', ...known, '--']),
    );
  }

  /**
   * All records as of a commit. What can't be read becomes a problem.
   *
   * @throws DeltaloomError `commit-unknown`, `study-not-in-commit`
   */
  async at(commit: string): Promise<RecordedStudy> {
    const { git, state } = await openRepository(this.studyDirectory);
    const hash = await resolveCommit(git, commit);
    const root = await this.rootAt(git, state, hash);
    const blobs = await listBlobs(git, hash, root, [CONFIGURATION_FILE, ...RECORD_FOLDERS]);
    await this.load(git, blobs);
    return this.assemble(blobs);
  }

  /** The folders the study has had in this repository, the present one first. */
  private async roots(git: SimpleGit, state: RepositoryState, head: string): Promise<readonly string[]> {
    const cached = this.earlierRoots;
    if (cached?.head === head && cached.roots[0] === state.prefix) return cached.roots;
    const file = join(state.prefix, CONFIGURATION_FILE);
    const text = await git.raw([
      'log',
      '--follow',
      '-z',
      '--format=',
      '--name-status',
      '--diff-filter=R',
      '--',
      file,
    ]);
    const roots = [state.prefix];
    const words = text.split('\0').map((word) => word.trim());
    words.forEach((word, index) => {
      const earlier = words[index + 1];
      if (!/^R\d+$/.test(word) || earlier === undefined || !earlier.endsWith(CONFIGURATION_FILE)) return;
      const root = earlier.slice(0, -CONFIGURATION_FILE.length).replace(/\/$/, '');
      if (!roots.includes(root)) roots.push(root);
    });
    this.earlierRoots = { head, roots };
    return roots;
  }

  private async rootAt(git: SimpleGit, state: RepositoryState, commit: string): Promise<string> {
    const roots = await this.roots(git, state, state.head ?? commit);
    for (const root of roots) {
      const found = await listBlobs(git, commit, root, [CONFIGURATION_FILE, ...RECORD_FOLDERS]);
      if (found.length > 0) return root;
    }
    throw new DeltaloomError(
      'study-not-in-commit',
      `The study was not yet part of commit ${commit.slice(0, 7)}.`,
      {
        place: { file: this.studyDirectory },
        remedy: 'Choose a later commit.',
      },
    );
  }

  private async load(git: SimpleGit, blobs: readonly Blob[]): Promise<void> {
    const wanted = blobs.filter(({ hash }) => !this.parsed.has(hash));
    if (this.parsed.size + wanted.length > MOST_BLOBS_KEPT) this.parsed.clear();
    for (let start = 0; start < wanted.length; start += BLOBS_AT_ONCE) {
      const some = wanted.slice(start, start + BLOBS_AT_ONCE);
      // git writes the blobs one after the other with nothing between; their sizes part them again.
      const bytes = await git.showBuffer(some.map(({ hash }) => hash));
      let offset = 0;
      for (const { hash, size } of some) {
        this.parsed.set(hash, parseJson(bytes.subarray(offset, offset + size).toString('utf8')));
        offset += size;
      }
    }
  }

  private assemble(blobs: readonly Blob[]): RecordedStudy {
    const problems: StudyProblem[] = [];
    const read = <T>(blob: Blob, schema: ZodType<T>): T | undefined => {
      const result = schema.safeParse(this.parsed.get(blob.hash));
      if (result.success) return result.data;
      problems.push({
        severity: 'warning',
        code: 'record-unreadable',
        message: `${blob.path} could not be understood as of this commit.`,
        remedy: 'It may have been written by another version of Deltaloom.',
        file: blob.path,
      });
      return undefined;
    };
    const all = <T>(folder: string, schema: ZodType<T>) =>
      blobs
        .filter(({ path }) => path.startsWith(`.deltaloom/${folder}/`) && path.endsWith('.json'))
        .flatMap((blob) => read(blob, schema) ?? []);
    const configuration = blobs.find(({ path }) => path === CONFIGURATION_FILE);
    return {
      configuration: configuration === undefined ? null : (read(configuration, studySchema) ?? null),
      runs: all('runs', runRecordSchema),
      matrices: all('scores', scoreMatrixSchema),
      merges: all('merges', mergeRecordSchema),
      problems,
    };
  }
}

const LOG_FORMAT = '--format=%H%x1f%an%x1f%aI%x1f%s';

function parseLog(text: string): RecordCommit[] {
  return text
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const [hash = '', author = '', date = '', subject = ''] = line.split('\x1f');
      return { hash: hash.trim(), author, date, subject };
    });
}

async function resolveCommit(git: SimpleGit, commit: string): Promise<string> {
  const text = await git
    .raw(['rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}^{commit}`])
    .catch(() => '');
  if (text.trim() !== '') return text.trim();
  throw new DeltaloomError('commit-unknown', `This repository has no commit ${commit}.`, {
    remedy:
      'It may belong to another clone, or be beyond the depth of a shallow one (git fetch --unshallow).',
  });
}

/** Files at or below `paths` in a commit, with paths relative to `root`. */
async function listBlobs(
  git: SimpleGit,
  commit: string,
  root: string,
  paths: readonly string[],
): Promise<Blob[]> {
  const text = await git.raw([
    'ls-tree',
    '-r',
    '-l',
    '-z',
    '--full-tree',
    commit,
    '--',
    ...paths.map((file) => join(root, file)),
  ]);
  return text.split('\0').flatMap((line) => {
    const tab = line.indexOf('\t');
    const [, type, hash, size] = line.slice(0, Math.max(0, tab)).split(/\s+/);
    if (type !== 'blob' || hash === undefined) return [];
    return [{ hash, size: Number(size), path: line.slice(tab + 1 + (root === '' ? 0 : root.length + 1)) }];
  });
}

function join(root: string, file: string): string {
  return root === '' ? file : `${root}/${file}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
