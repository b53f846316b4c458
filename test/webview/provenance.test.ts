import { describe, expect, it } from 'vitest';
import type { HistoryView, ProvenanceView, RepositoryView } from '../../src/extension/panels/messages.js';
import {
  latestProvenance,
  provenanceText,
  recordedText,
  repositoryNotice,
} from '../../webview/models/provenance.js';

const made: ProvenanceView = {
  commit: '1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d',
  branch: 'main',
  dirty: true,
  time: '2026-11-03T14:02:00.000Z',
  seconds: 3.14,
  device: 'cpu',
  author: 'Ada',
  subject: 'Score',
};

describe('provenance in words', () => {
  it('says commit, branch, author, date, device and dirtiness', () => {
    expect(provenanceText(made, 'UTC')).toBe(
      'Computed at 1a2b3c4 on main by Ada, 3 Nov 2026, 14:02, on cpu in 3.1 s; the tree had uncommitted changes',
    );
  });

  it('leaves out what is not known', () => {
    const outside = { ...made, commit: null, branch: null, author: null, seconds: 0 };
    expect(provenanceText(outside, 'UTC')).toBe('Computed without a commit, 3 Nov 2026, 14:02, on cpu');
  });

  it('takes the latest of several', () => {
    expect(latestProvenance([made, { ...made, time: '2026-11-04T00:00:00Z' }])?.time).toBe(
      '2026-11-04T00:00:00Z',
    );
    expect(latestProvenance([])).toBeNull();
  });
});

type Listed = HistoryView['commits'][number];

describe('where records stand in git', () => {
  const [newer, older] = ['a', 'b'].map((letter) => ({
    hash: letter.repeat(40),
    author: 'Ada',
    date: '2026-11-03T14:02:00Z',
    subject: `Score ${letter}`,
    here: true,
  })) as [Listed, Listed];
  const history: HistoryView = {
    repository: { kind: 'repository', branch: 'main', head: newer.hash, operation: null, shallow: false },
    commits: [newer, older],
    named: [],
    uncommitted: 0,
    changedHere: false,
  };

  it('names the last commit that changed them, or the one shown', () => {
    expect(recordedText(history, null, 'UTC')?.text).toBe(
      'On record since aaaaaaa by Ada, 3 Nov 2026, 14:02: Score a',
    );
    expect(recordedText({ ...history, changedHere: true }, older.hash, 'UTC')?.text).toBe(
      'On record since bbbbbbb by Ada, 3 Nov 2026, 14:02: Score b',
    );
  });

  it('does not take a merge made with them for a change of scores', () => {
    const merged = { ...newer, subject: 'Merge for 1 target', here: false };
    const text = recordedText({ ...history, commits: [merged, older] }, null, 'UTC')?.text;
    expect(text).toBe('On record since bbbbbbb by Ada, 3 Nov 2026, 14:02: Score b');
  });

  it('says what is not committed', () => {
    expect(recordedText({ ...history, changedHere: true }, null)?.text).toMatch(
      /^Changed and not committed since aaaaaaa/,
    );
    expect(recordedText({ ...history, commits: [] }, null)?.text).toBe('Not committed yet');
  });

  it('claims nothing that is not known', () => {
    expect(recordedText(history, 'c'.repeat(40))).toBeNull();
    const none = { kind: 'none', reason: 'no repository', remedy: '' } as const;
    expect(recordedText({ ...history, repository: none }, null)).toBeNull();
  });
});

describe('what is unusual about a repository', () => {
  const usual: RepositoryView = {
    kind: 'repository',
    branch: 'main',
    head: 'f'.repeat(40),
    operation: null,
    shallow: false,
  };
  it.each([
    [usual, null],
    [{ ...usual, branch: null }, /^HEAD is detached at fffffff/],
    [{ ...usual, branch: null, operation: 'rebase' }, /^A rebase is in progress/],
    [{ ...usual, shallow: true }, /shallow clone/],
    [{ ...usual, head: null }, /no commit yet/],
    [
      { kind: 'none', reason: 'The study is not in a git repository.', remedy: 'Run git init.' },
      /^The study is not in .* Run git init\.$/,
    ],
  ] as const)('%o', (repository, expected) => {
    const said = repositoryNotice(repository);
    if (expected === null) expect(said).toBeNull();
    else expect(said).toMatch(expected);
  });
});
