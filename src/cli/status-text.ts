import { counted } from '../core/counted.js';
import type { StudyStatus } from '../study/status.js';
import type { Advise } from './advice.js';
import { alignColumns } from './terminal.js';

/** A changed backbone makes thousands of pieces stale, for one reason. */
const MOST_TOLD = 5;

/** What `deltaloom status` prints. */
export function describeStatus({ holder, deltas, problems }: StudyStatus, advise: Advise): string {
  const lines: string[] = [];
  if (holder !== null) {
    lines.push(`Running: process ${holder.pid} on ${holder.host} since ${holder.since} (${holder.purpose}).`);
  }
  for (const { deltaName, pieces } of deltas) {
    lines.push(`${deltaName}:`);
    const rows = pieces.map(({ kind, counts }) => {
      const states = (['done', 'stale', 'missing', 'failed', 'cancelled'] as const).flatMap((state) =>
        counts[state] > 0 ? [`${counts[state]} ${state}`] : [],
      );
      return [`  ${kind}`, ...(states.length === 0 ? ['none'] : states)];
    });
    lines.push(alignColumns(rows));
    for (const { kind, details } of pieces) {
      const told = details.slice(0, MOST_TOLD);
      for (const { name, state, reason } of told) lines.push(`    ${state}  ${name}: ${reason}`);
      const more = details.length - told.length;
      if (more > 0)
        lines.push(advise(`    and ${more} more of the ${kind}: deltaloom status --json lists all.`));
    }
  }
  if (problems > 0) lines.push(advise(`${counted(problems, 'problem')}: deltaloom check lists them.`));
  return lines.join('\n');
}
