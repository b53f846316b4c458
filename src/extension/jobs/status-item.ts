import { MarkdownString, StatusBarAlignment, ThemeColor, window, type Disposable } from 'vscode';
import { COMMANDS } from '../identifiers.js';
import type { RuntimeJobs } from '../services.js';
import { STRINGS } from '../strings.js';
import { collectStatus } from './job-lines.js';

const LINKS = {
  jobs: COMMANDS.showJobs,
  log: COMMANDS.showLog,
  restart: COMMANDS.restartRuntime,
  cancelAll: COMMANDS.cancelAll,
  devices: COMMANDS.showDevices,
} as const;

/** The one status item: what runs, how long still, and what is wrong. */
export class StatusItem implements Disposable {
  private readonly item = window.createStatusBarItem('deltaloom.status', StatusBarAlignment.Left, 10);

  constructor(
    private readonly jobs: RuntimeJobs,
    private readonly trusted: () => boolean,
  ) {
    this.item.name = STRINGS.product;
    this.item.command = COMMANDS.showJobs;
  }

  /** Shown where there is a study or a job; elsewhere it would only take room. */
  update(relevant: boolean): void {
    if (!relevant) {
      this.item.hide();
      return;
    }
    const view = collectStatus(this.jobs.list(), this.jobs.state, this.jobs.device, this.trusted(), LINKS);
    this.item.text = view.text;
    const tooltip = new MarkdownString(view.tooltip, true);
    tooltip.isTrusted = { enabledCommands: Object.values(LINKS) };
    this.item.tooltip = tooltip;
    this.item.backgroundColor =
      view.health === 'ok' ? undefined : new ThemeColor(`statusBarItem.${view.health}Background`);
    this.item.accessibilityInformation = { label: view.accessibleLabel };
    this.item.show();
  }

  dispose(): void {
    this.item.dispose();
  }
}
