import { DeltaloomError } from '../../core/errors.js';
import { recordChanges } from '../../study/commit-results.js';
import { mergeFolder, matrixPath } from '../../study/paths.js';
import { StudyHistory, type RecordCommit, type RecordedStudy } from '../../study/history.js';
import type { RunRecord, ScoreMatrix } from '../../study/records.js';
import { openRepository } from '../../study/repository.js';
import type { Study } from '../services.js';
import { collectMatrix, collectStudy, matrixId, mentionedCommits } from './collect.js';
import type { HistoryView, MatrixValues, Parameters, StudyView, Version } from './messages.js';

/** What the panels show of a study, in the working tree or as of a commit. */
export class StudyViews {
  private readonly histories = new Map<string, StudyHistory>();
  /** The last few commits that were looked at, by study and hash. */
  private readonly recorded = new Map<string, Promise<RecordedStudy>>();
  private readonly authors = new Map<string, RecordCommit>();

  /** @param trusted git is a program that a repository can make run others: not in an untrusted workspace */
  constructor(private readonly trusted: () => boolean) {}

  async study(study: Study, version: Version): Promise<StudyView> {
    const recorded = await this.recordedAt(study, version);
    await this.learnAuthors(study, mentionedCommits(recorded));
    return collectStudy(
      {
        ...recorded,
        directory: study.directory,
        name: study.name,
        version,
        tasks: study.snapshot.tasks.map(({ name }) => name),
        stale: version === null ? study.stale : new Map(),
      },
      this.authors,
    );
  }

  /** @throws DeltaloomError `matrix-missing` */
  async matrix(
    study: Study,
    version: Version,
    id: string,
  ): Promise<{ matrix: ScoreMatrix; values: MatrixValues }> {
    const { matrices } = await this.recordedAt(study, version);
    const matrix = matrices.find((candidate) => matrixId(candidate) === id);
    if (matrix === undefined) {
      throw new DeltaloomError('matrix-missing', `There are no scores ${id} in this version of the study.`, {
        remedy: 'Choose another commit or score the tasks.',
      });
    }
    return { matrix, values: collectMatrix(matrix, version) };
  }

  /** Relative to the study. */
  async matrixFile(study: Study, version: Version, id: string): Promise<string> {
    const { deltaName, method, granularity } = (await this.matrix(study, version, id)).matrix;
    return matrixPath(deltaName, method, granularity);
  }

  async runs(study: Study, version: Version): Promise<readonly RunRecord[]> {
    return (await this.recordedAt(study, version)).runs;
  }

  /** Never throws for want of a repository: says why there is none. */
  async history(study: Study, { paths, target, hashes }: Parameters<'history'>): Promise<HistoryView> {
    try {
      this.demandTrust();
      const { git, state } = await openRepository(study.directory);
      const history = this.historyOf(study);
      const [own, all, named, changes] = await Promise.all([
        history.commits(paths),
        target === null ? null : history.commits([...paths, mergeFolder(target)]),
        history.describe(hashes),
        recordChanges(git, state),
      ]);
      const here = new Set(own.map(({ hash }) => hash));
      const commits = (all ?? own).map((commit) => ({ ...commit, here: here.has(commit.hash) }));
      for (const commit of commits) this.authors.set(commit.hash, commit);
      const { branch, head, operation, shallow } = state;
      return {
        repository: { kind: 'repository', branch, head, operation, shallow },
        commits,
        named,
        uncommitted: changes.length,
        changedHere: changes.some(({ path }) =>
          paths.some((wanted) => path === wanted || path.startsWith(`${wanted}/`)),
        ),
      };
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      return {
        repository: { kind: 'none', reason: error.message, remedy: error.remedy ?? '' },
        commits: [],
        named: [],
        uncommitted: 0,
        changedHere: false,
      };
    }
  }

  private async recordedAt(study: Study, version: Version): Promise<RecordedStudy> {
    if (version === null) return study.snapshot;
    this.demandTrust();
    const key = `${study.directory} ${version}`;
    let recorded = this.recorded.get(key);
    if (recorded === undefined) {
      recorded = this.historyOf(study).at(version);
      this.recorded.set(key, recorded);
      recorded.catch(() => this.recorded.delete(key));
      for (const old of [...this.recorded.keys()].slice(0, -8)) this.recorded.delete(old);
    }
    return recorded;
  }

  private historyOf(study: Study): StudyHistory {
    let history = this.histories.get(study.directory);
    if (history === undefined) {
      history = new StudyHistory(study.directory);
      this.histories.set(study.directory, history);
    }
    return history;
  }

  /** Authors are an ornament: without a repository there are none, and nothing fails. */
  private async learnAuthors(study: Study, commits: readonly string[]): Promise<void> {
    const unknown = commits.filter((hash) => !this.authors.has(hash));
    if (unknown.length === 0 || !this.trusted()) return;
    const described = await this.historyOf(study)
      .describe(unknown)
      .catch(() => []);
    for (const commit of described) this.authors.set(commit.hash, commit);
  }

  private demandTrust(): void {
    if (this.trusted()) return;
    throw new DeltaloomError('workspace-untrusted', 'The history is not read in an untrusted workspace.', {
      remedy: 'Trust the workspace to see it.',
    });
  }
}
