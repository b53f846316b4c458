import { cp, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SimpleGit } from 'simple-git';

/** When the study was begun: before anything in it was computed. A fixed time, since its records name the first commit. */
const BEGUN = Date.parse('2026-11-25T03:00:00Z');
const MINUTE = 60_000;
const NAME = 'Deltaloom sample';
const EMAIL = 'sample@deltaloom.invalid';
/** What programs need to start: PATH, and on Windows the system's folders. Without a home, git reads nobody's settings. */
const KEPT_VARIABLES = ['PATH', 'SystemRoot', 'TEMP', 'TMP'];

/** The sample study as a git repository of its own: the same contents give the same commits, on every machine and for every user. */
export class SampleRepository {
  commits = 0;
  /** Time of the last commit, in milliseconds. */
  private last = BEGUN - MINUTE;

  private constructor(
    readonly sample: string,
    readonly directory: string,
    private readonly git: SimpleGit,
  ) {}

  /**
   * @param sample the folder that the product carries
   * @param directory an empty folder, which becomes the repository
   */
  static async begin(sample: string, directory: string): Promise<SampleRepository> {
    const { simpleGit } = await import('simple-git');
    const repository = new SampleRepository(sample, directory, simpleGit(directory));
    await repository.at(BEGUN).raw(['init', '--quiet', '--initial-branch=main', '--object-format=sha1']);
    await repository.at(BEGUN).addConfig('core.filemode', 'false');
    return repository;
  }

  /** Brings a file or folder of the sample. */
  async copy(path: string): Promise<void> {
    const to = join(this.directory, path);
    await mkdir(dirname(to), { recursive: true });
    await rm(to, { recursive: true, force: true });
    await cp(join(this.sample, path), to, { recursive: true });
  }

  /** A minute after what it brings was computed, and after the commit before. */
  async commit(message: string, computed = 0): Promise<void> {
    this.last = Math.max(this.last, computed) + MINUTE;
    await this.at(this.last).add('.');
    await this.at(this.last).commit(message, { '--allow-empty': null });
    this.commits++;
  }

  /** Files that the next commit would bring, relative to the study. */
  async uncommitted(): Promise<string[]> {
    const text = await this.at(this.last).raw(['status', '--porcelain', '-z', '--untracked-files=all']);
    return text.split('\0').flatMap((line) => (line === '' ? [] : [line.slice(3)]));
  }

  /** Lets somebody whose git knows no name commit there too; who has one, commits under it. */
  async finish(): Promise<void> {
    const { simpleGit } = await import('simple-git');
    const git = simpleGit(this.directory);
    for (const [name, value] of [
      ['user.name', NAME],
      ['user.email', EMAIL],
    ] as const) {
      if ((await git.getConfig(name)).value === null) await git.addConfig(name, value);
    }
  }

  private at(time: number): SimpleGit {
    const date = new Date(time).toISOString();
    const kept = KEPT_VARIABLES.map((name) => [name, process.env[name]] as const);
    return this.git.env({
      ...Object.fromEntries(kept.filter((entry): entry is [string, string] => entry[1] !== undefined)),
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: NAME,
      GIT_AUTHOR_EMAIL: EMAIL,
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: NAME,
      GIT_COMMITTER_EMAIL: EMAIL,
      GIT_COMMITTER_DATE: date,
    });
  }
}
