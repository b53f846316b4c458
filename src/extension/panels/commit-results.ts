import { window } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import { commitResults, proposeCommit } from '../../study/commit-results.js';
import type { Services, Study } from '../services.js';
import { readSettings } from '../settings.js';
import { STRINGS } from '../strings.js';

/**
 * Proposes a message for what changed in the records, lets the person change it, and commits the records and nothing else.
 * Shows what went wrong by itself; resolves without a commit when the person thinks better of it.
 */
export async function commitStudyResults(study: Study, services: Services): Promise<void> {
  if (!services.trusted()) {
    throw new DeltaloomError('workspace-untrusted', 'Nothing is committed in an untrusted workspace.', {
      remedy: 'Trust the workspace first.',
    });
  }
  const proposal = await proposeCommit(
    study.directory,
    study.snapshot,
    study.snapshot.tasks.map(({ name }) => name),
    study.stale,
  );
  const { includeWeights } = readSettings(study.uri);
  const weights = includeWeights ? proposal.weights.length : 0;
  const subject = await window.showInputBox({
    title: STRINGS.commit.title(study.name),
    prompt: STRINGS.commit.prompt(proposal.changes.length, weights, proposal.body !== ''),
    value: proposal.subject,
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === '' ? STRINGS.commit.noMessage : undefined),
  });
  if (subject === undefined) return;
  const message = proposal.body === '' ? subject : `${subject}\n\n${proposal.body}\n`;
  const commit = await commitResults(study.directory, message, { includeWeights });
  services.log.info(`Committed ${proposal.changes.length} records as ${commit}.`);
  await services.studies.refresh(study.directory);
  const { show } = STRINGS.commit;
  void window
    .showInformationMessage(STRINGS.commit.done(commit.slice(0, 7), subject), show)
    .then((choice) => {
      if (choice === show) void services.openCommit(study, commit);
    });
}
