import type { JobRequest } from '../../study/jobs.js';
import { STRINGS } from '../strings.js';
import { formatMergeLabel } from '../tree/labels.js';

/** What people call a job until its first progress arrives. */
export function titleOfRequest(request: JobRequest): string {
  switch (request.kind) {
    case 'tune':
      return STRINGS.tune.jobTitle(request.tasks, request.deltaName);
    case 'evaluate':
      return STRINGS.evaluate.jobTitle(request.task, request.split);
    case 'score':
      return STRINGS.score.jobTitle(request.targets ?? [], request.deltaName);
    case 'merge':
      return STRINGS.merge.jobTitle(request.target, labelOfMerge(request.by));
    case 'run':
      return STRINGS.studies.run(request.deltaNames?.join(', ') ?? STRINGS.studies.all);
  }
}

function labelOfMerge(by: Extract<JobRequest, { kind: 'merge' }>['by']): string {
  switch (by.kind) {
    case 'score':
      return formatMergeLabel(by.part === undefined ? by.method : `${by.method}/${by.part}`);
    case 'best-source':
      return STRINGS.merge.bestSource(formatMergeLabel(by.method));
    case 'average':
      return STRINGS.merge.average;
    case 'group':
      return STRINGS.merge.group;
    case 'explicit':
      return formatMergeLabel(by.kind);
  }
}
