import { commands, ThemeIcon, window, type QuickInputButton, type QuickPickItem } from 'vscode';
import { DeltaloomError } from '../../core/errors.js';
import { reviveError } from '../../runtime/job-error.js';
import { hasEnded, type JobView } from '../../runtime/protocol.js';
import { COMMANDS, SETTINGS } from '../identifiers.js';
import { collectJobLine } from '../jobs/job-lines.js';
import { readSettings, writeSetting } from '../settings.js';
import { STRINGS } from '../strings.js';
import { formatAge } from '../durations.js';
import { joinParts } from '../tree/labels.js';
import { taskOfNode } from '../tree/nodes.js';
import { tasksOfJob } from '../tree/study-index.js';
import type { CommandEnvironment, CommandTable } from './environment.js';
import { pickOne } from './pickers.js';
import { chooseStudy, isNode } from './targets.js';

export function jobCommands(environment: CommandEnvironment): CommandTable {
  const { jobs, services, view } = environment;
  return {
    [COMMANDS.cancelJob]: async (first) => {
      if (typeof first === 'string') return jobs.cancel(first);
      if (isNode(first) && first.kind === 'job') return jobs.cancel(first.job.id);
      const job = await pickOne(
        jobs.unfinished.map((view) => ({ ...lineOf(view), value: view })),
        { title: STRINGS.jobs.cancel, placeholder: STRINGS.jobs.cancel },
        { askAlways: true },
      );
      return job === undefined ? false : jobs.cancel(job.id);
    },
    [COMMANDS.cancelAll]: async () => {
      // The waiting ones first, so that none of them begins in the meantime.
      const unfinished = [...jobs.unfinished].sort(
        (a, b) => Number(a.state !== 'queued') - Number(b.state !== 'queued'),
      );
      for (const { id } of unfinished) await jobs.cancel(id);
    },
    [COMMANDS.showJobs]: () => showJobs(environment),
    [COMMANDS.showLog]: async (first) => {
      if (typeof first === 'string') return services.openJobLog(first);
      if (isNode(first) && first.kind === 'job') return services.openJobLog(first.job.id);
      if (!isNode(first)) {
        services.log.show();
        return undefined;
      }
      if (first.kind === 'checkpoint') return services.openRunLog(first.study, first.checkpoint.run);
      const job = jobOf(jobs.list(), first.study.directory, taskOfNode(first));
      if (job === undefined) throw new DeltaloomError('no-log', STRINGS.messages.noLog);
      return services.openJobLog(job.id);
    },
    [COMMANDS.showDevices]: async () => {
      const devices = await jobs.devices();
      const current = readSettings().device;
      const choice = await pickOne(
        [
          {
            label: STRINGS.devices.auto,
            detail: STRINGS.devices.autoDetail,
            ...(current === 'auto' ? { description: '$(check)' } : {}),
            value: 'auto',
          },
          ...devices.map(({ id, title, usable, reason }) => ({
            label: title,
            description: [id === current ? '$(check)' : '', usable ? '' : STRINGS.devices.notUsable]
              .join(' ')
              .trim(),
            detail: reason,
            value: id,
          })),
        ],
        { title: STRINGS.devices.title, placeholder: STRINGS.devices.title },
      );
      if (choice !== undefined) await writeSetting(SETTINGS.device, choice);
    },
    [COMMANDS.restartRuntime]: () => jobs.restart(),
    [COMMANDS.checkStudy]: async (argument) => {
      const owner = await chooseStudy(view, argument, STRINGS.product);
      if (owner === undefined) return undefined;
      const problems = await environment.checkStudy(owner.study);
      if (problems.length > 0) await commands.executeCommand('workbench.actions.view.problems');
      // Asked for by hand: the answer is said even if it is 'nothing wrong'.
      void window.showInformationMessage(STRINGS.studies.checked(problems.length));
      return problems;
    },
  };
}

/** The last job that worked on a task. */
function jobOf(jobs: readonly JobView[], study: string, task: string | undefined): JobView | undefined {
  return [...jobs]
    .reverse()
    .find((job) => job.study === study && (task === undefined || tasksOfJob(job).includes(task)));
}

function lineOf(job: JobView): { label: string; description: string } {
  if (!hasEnded(job.state)) {
    const { label, percent, description, icon } = collectJobLine(job);
    return {
      label: `$(${icon}) ${label}`,
      description: joinParts([percent, description]),
    };
  }
  const icon = job.state === 'done' ? 'check' : job.state === 'failed' ? 'error' : 'circle-slash';
  const age = job.endedAt === null ? '' : formatAge(new Date(job.endedAt).toISOString(), Date.now());
  return { label: `$(${icon}) ${job.title}`, description: [job.state, age].join(' · ') };
}

interface JobItem extends QuickPickItem {
  readonly id: string;
}

/** The list of jobs, kept up to date while it is open. */
async function showJobs({ jobs, services }: CommandEnvironment): Promise<void> {
  const cancel: QuickInputButton = { iconPath: new ThemeIcon('close'), tooltip: STRINGS.jobs.cancel };
  const log: QuickInputButton = { iconPath: new ThemeIcon('output'), tooltip: STRINGS.jobs.showLog };
  const pick = window.createQuickPick<JobItem>();
  pick.title = STRINGS.product;
  const update = (): void => {
    const all = [...jobs.list()]
      .reverse()
      .sort((a, b) => Number(hasEnded(a.state)) - Number(hasEnded(b.state)));
    pick.placeholder = all.length === 0 ? STRINGS.jobs.none : STRINGS.jobs.pick;
    const active = pick.activeItems[0]?.id;
    pick.keepScrollPosition = true;
    pick.items = all.map((job): JobItem => {
      const detail = job.error === null ? job.outcome?.summary : reviveError(job.error).line;
      return {
        id: job.id,
        ...lineOf(job),
        ...(detail === undefined ? {} : { detail }),
        buttons: hasEnded(job.state) ? [log] : [log, cancel],
      };
    });
    const again = pick.items.find(({ id }) => id === active);
    if (again !== undefined) pick.activeItems = [again];
  };
  update();
  const listening = jobs.onDidUpdate(update);
  pick.onDidTriggerItemButton(({ item, button }) => {
    if (button === cancel) void jobs.cancel(item.id);
    else void services.openJobLog(item.id).catch((error: unknown) => services.showError(error));
  });
  pick.onDidAccept(() => {
    const [item] = pick.activeItems;
    pick.hide();
    if (item !== undefined)
      void services.openJobLog(item.id).catch((error: unknown) => services.showError(error));
  });
  pick.onDidHide(() => {
    listening.dispose();
    pick.dispose();
  });
  pick.show();
  return Promise.resolve();
}
