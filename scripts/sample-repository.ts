import { cp, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { simpleGit, type SimpleGit } from 'simple-git';

export const SAMPLE = join(import.meta.dirname, '..', 'sample');
/** When the study was begun: before anything in it was computed. A fixed time, since its records name the first commit. */
const BEGUN = Date.parse('2026-11-25T03:00:00Z');
const MINUTE = 60_000;

/** The sample study as a git repository of its own: the same contents give the same commits, on every machine. */
export class SampleRepository {
  commits = 0;
  private readonly git: SimpleGit;
  /** Time of the last commit, in milliseconds. */
  private last = BEGUN - MINUTE;

  constructor(readonly directory: string) {
    this.git = simpleGit(directory);
  }

  async begin(): Promise<void> {
    await this.git.raw(['init', '--quiet', '--initial-branch=main', '--object-format=sha1']);
    const settings = {
      'user.name': 'Deltaloom sample',
      'user.email': 'sample@deltaloom.invalid',
      'commit.gpgsign': 'false',
      'core.filemode': 'false',
    };
    for (const [name, value] of Object.entries(settings)) await this.git.addConfig(name, value);
  }

  /** Brings a file or folder of the sample. */
  async copy(path: string): Promise<void> {
    const to = join(this.directory, path);
    await mkdir(dirname(to), { recursive: true });
    await rm(to, { recursive: true, force: true });
    await cp(join(SAMPLE, path), to, { recursive: true });
  }

  /** A minute after what it brings was computed, and after the commit before. */
  async commit(message: string, computed = 0): Promise<void> {
    this.last = Math.max(this.last, computed) + MINUTE;
    const date = new Date(this.last).toISOString();
    await this.git.add('.');
    await this.git
      // No more of the environment than git needs: simple-git refuses editors and the like.
      .env({ PATH: process.env['PATH'] ?? '', GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date })
      .commit(message, { '--allow-empty': null });
    this.commits++;
  }

  /** Files that the next commit would bring, relative to the study. */
  async uncommitted(): Promise<string[]> {
    const text = await this.git.raw(['status', '--porcelain', '-z', '--untracked-files=all']);
    return text.split('\0').flatMap((line) => (line === '' ? [] : [line.slice(3)]));
  }
}
