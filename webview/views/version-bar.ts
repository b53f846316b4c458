import { html, nothing, type TemplateResult } from 'lit';
import type { CommitView, Version } from '../../src/extension/panels/messages.js';
import { button, notice, select, type Choice } from '../controls.js';
import { once } from '../models/once.js';
import { commitDetail, commitLabel, repositoryNotice, shortCommit } from '../models/provenance.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';

const WORKING_TREE = 'working-tree';
const NOTHING = 'nothing';

const choicesAmong = (commits: readonly CommitView[]): Choice<string>[] =>
  commits.map((commit) => ({
    value: commit.hash,
    label: commitLabel(commit),
    description: commitDetail(commit),
  }));
/** There may be a thousand, and a slider draws many frames a second. */
const commitChoices = once(choicesAmong);

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
  if (history === null) return html`<p class="muted" aria-live="polite">${PAGE_STRINGS.versions.reading}</p>`;
  const message = repositoryNotice(history.repository);
  if (history.repository.kind === 'none') return notice('information', message ?? '');
  const commits = commitChoices(history.commits);
  const uncommitted = PAGE_STRINGS.versions.uncommitted(history.uncommitted);
  const tree: Choice<string> = {
    value: WORKING_TREE,
    label: PAGE_STRINGS.versions.workingTree,
    description: uncommitted,
  };
  const { shownVersion, comparedVersion } = arrangement;
  // A commit chosen elsewhere may not have changed these records: it stays choosable.
  const other = (version: Version | undefined): Choice<string>[] => {
    if (version === null || version === undefined) return [];
    if (commits.some(({ value }) => value === version)) return [];
    const commit = history.named.find(({ hash }) => hash === version);
    return commit === undefined ? [{ value: version, label: shortCommit(version) }] : choicesAmong([commit]);
  };
  return html`<div class="row versions">
      ${select(
        PAGE_STRINGS.versions.showing,
        [tree, ...commits, ...other(shownVersion)],
        shownVersion ?? WORKING_TREE,
        (value) => store.arrange({ shownVersion: value === WORKING_TREE ? null : value }),
        { wide: true, combobox: commits.length > 10 },
      )}
      ${
        comparing
          ? select(
              PAGE_STRINGS.versions.comparedWith,
              [
                { value: NOTHING, label: PAGE_STRINGS.versions.nothing },
                tree,
                ...commits,
                ...other(comparedVersion),
              ],
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
            : button(
                PAGE_STRINGS.versions.openCommit,
                () => void store.ask('openCommit', { commit: shownVersion }),
              )
        }
        ${button(
          PAGE_STRINGS.versions.commitResults(history.uncommitted),
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
