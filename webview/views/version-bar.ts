import { html, nothing, type TemplateResult } from 'lit';
import type { CommitView, Version } from '../../src/extension/panels/messages.js';
import { button, notice, select, type Choice } from '../controls.js';
import { once } from '../models/once.js';
import { commitDetail, commitLabel, repositoryNotice, shortCommit } from '../models/provenance.js';
import type { Store } from '../store.js';

const WORKING_TREE = 'working tree';
const NOTHING = 'nothing';

const choicesOf = (commits: readonly CommitView[]): Choice<string>[] =>
  commits.map((commit) => ({
    value: commit.hash,
    label: commitLabel(commit),
    description: commitDetail(commit),
  }));
/** There may be a thousand, and a slider draws many frames a second. */
const commitChoices = once(choicesOf);

/**
 * Which commit is shown and which it is compared with.
 *
 * @param paths what the commits must have changed, or merges of `mergedFor`
 */
export function versionBar(
  store: Store,
  paths: readonly string[],
  {
    comparing = true,
    mergedFor = null,
  }: { readonly comparing?: boolean; readonly mergedFor?: string | null } = {},
): TemplateResult {
  store.watchHistory(paths, mergedFor);
  const { history, arrangement } = store;
  if (history === null) return html`<p class="muted" aria-live="polite">Reading the history…</p>`;
  const message = repositoryNotice(history.repository);
  if (history.repository.kind === 'none') return notice('information', message ?? '');
  const commits = commitChoices(history.commits);
  const uncommitted =
    history.uncommitted === 0
      ? 'Same as the last commit'
      : `${history.uncommitted} ${history.uncommitted === 1 ? 'record' : 'records'} not committed`;
  const tree: Choice<string> = { value: WORKING_TREE, label: 'Working tree', description: uncommitted };
  const { shownVersion, comparedVersion } = arrangement;
  // A commit chosen elsewhere may not have changed these records: it stays choosable.
  const other = (version: Version | undefined): Choice<string>[] => {
    if (version === null || version === undefined) return [];
    if (commits.some(({ value }) => value === version)) return [];
    const commit = history.named.find(({ hash }) => hash === version);
    return commit === undefined ? [{ value: version, label: shortCommit(version) }] : choicesOf([commit]);
  };
  return html`<div class="row versions">
      ${select(
        'Showing',
        [tree, ...commits, ...other(shownVersion)],
        shownVersion ?? WORKING_TREE,
        (value) => store.arrange({ shownVersion: value === WORKING_TREE ? null : value }),
        { wide: true, combobox: commits.length > 10 },
      )}
      ${
        comparing
          ? select(
              'Compared with',
              [{ value: NOTHING, label: 'Nothing' }, tree, ...commits, ...other(comparedVersion)],
              comparedVersion === undefined ? NOTHING : (comparedVersion ?? WORKING_TREE),
              (value) =>
                store.arrange({
                  comparedVersion: value === NOTHING ? undefined : value === WORKING_TREE ? null : value,
                }),
              { wide: true, combobox: commits.length > 10 },
            )
          : nothing
      }
      <div class="actions">
        ${
          shownVersion === null
            ? nothing
            : button('Open Commit', () => void store.ask('openCommit', { commit: shownVersion }))
        }
        ${button(
          history.uncommitted === 0 ? 'Commit Results…' : `Commit Results (${history.uncommitted})…`,
          () => void store.ask('commitResults', {}),
          {
            disabled: history.uncommitted === 0 || history.repository.operation !== null,
            title: uncommitted,
          },
        )}
      </div>
    </div>
    ${message === null ? nothing : notice('information', message)}`;
}
