import { openRepository } from './repository.js';
import { DATA_FOLDER } from './paths.js';
import { DeltaloomError } from '../core/errors.js';

/** The git side of a record's provenance. */
export interface GitProvenance {
  readonly commit: string | null;
  readonly branch: string | null;
  readonly dirty: boolean;
}

const NOTHING: GitProvenance = { commit: null, branch: null, dirty: false };

/**
 * Commit, branch and whether the tree differs from the commit. Deltaloom's own new records do not count: they are what
 * the work makes. Outside a repository, or without git, there is nothing to say and that is no error.
 */
export async function gitProvenance(directory: string): Promise<GitProvenance> {
  try {
    const { git, state } = await openRepository(directory);
    const status = await git.raw([
      'status',
      '--porcelain=v1',
      '-z',
      '--untracked-files=normal',
      '--',
      '.',
      `:(exclude,glob)**/${DATA_FOLDER}/**`,
      `:(exclude,glob)${DATA_FOLDER}/**`,
    ]);
    return { commit: state.head, branch: state.branch, dirty: status.length > 0 };
  } catch (error) {
    if (error instanceof DeltaloomError) return NOTHING;
    throw error;
  }
}
