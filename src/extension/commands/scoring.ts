import type { ScoreMethod } from '../../core/methods.js';
import type { JobRequest } from '../../study/jobs.js';
import { COMMANDS, MEMORY } from '../identifiers.js';
import { STRINGS } from '../strings.js';
import { formatMetric, formatRun } from '../tree/labels.js';
import type { IndexedStudy } from '../tree/nodes.js';
import type { CommandEnvironment, CommandTable } from './environment.js';
import { pickMany, pickOne } from './pickers.js';
import { collectMethods, granularitiesFor } from './score-choices.js';
import { chooseTask, chooseTasks, isNode, pathOfWeights, weightRows, type NamedTarget } from './targets.js';
import { collectDeltas, type Choice } from './tune-choices.js';
import { configurationOf, ownerOf } from './tuning.js';

export interface ScoreArguments extends NamedTarget {
  readonly deltaName?: string;
  readonly methods?: readonly ScoreMethod[];
}

export interface EvaluateArguments extends NamedTarget {
  readonly deltaName?: string;
  readonly checkpoint?: string | null;
  readonly split?: 'dev' | 'test';
}

export function scoringCommands(environment: CommandEnvironment): CommandTable {
  const { view, jobs, services } = environment;
  return {
    [COMMANDS.score]: async (first, others) => {
      const chosen = await chooseTasks(view, first, others, STRINGS.score.title);
      if (chosen === undefined) return undefined;
      const { owner, tasks } = chosen;
      const given = isNode(first) ? undefined : (first as ScoreArguments | undefined);
      const configuration = configurationOf(owner);
      const title = STRINGS.score.title;
      const deltaName =
        given?.deltaName ??
        (await pickOne(collectDeltas(configuration), { title, placeholder: STRINGS.tune.delta }));
      if (deltaName === undefined) return undefined;
      const last = services.memory.get<readonly string[]>(MEMORY.lastScore) ?? configuration.scores.methods;
      const methods =
        given?.methods ??
        (await pickMany(collectMethods(last), { title, placeholder: STRINGS.score.methods }));
      if (methods === undefined) return undefined;
      await services.memory.update(MEMORY.lastScore, methods);
      const request: JobRequest = {
        kind: 'score',
        deltaName,
        methods: [...methods],
        granularities: granularitiesFor(methods, configuration.scores.granularities),
        targets: [...tasks],
      };
      return (await jobs.submit(owner.study.directory, request, { priority: 'interactive' })).id;
    },
    [COMMANDS.evaluate]: async (first) => {
      const rows = isNode(first) ? weightRows([first]) : [];
      const [row] = rows;
      if (row !== undefined) {
        const task = row.kind === 'merge' ? row.merge.record.target : row.checkpoint.run.task;
        const deltaName = row.kind === 'merge' ? row.merge.record.deltaName : row.checkpoint.run.deltaName;
        const checkpoint = pathOfWeights(row);
        const owner = ownerOf(environment, row.study.directory);
        return evaluate(environment, owner, { task, deltaName, checkpoint });
      }
      const chosen = await chooseTask(view, first, STRINGS.evaluate.title);
      if (chosen === undefined) return undefined;
      const { owner, task } = chosen;
      const given = isNode(first) ? undefined : (first as EvaluateArguments | undefined);
      if (given?.checkpoint !== undefined) {
        const deltaName = given.deltaName ?? Object.keys(configurationOf(owner).deltas)[0] ?? '';
        return evaluate(environment, owner, { task, deltaName, checkpoint: given.checkpoint }, given.split);
      }
      const what = await pickOne(
        collectEvaluable(owner, task),
        { title: `${STRINGS.evaluate.title} ${task}`, placeholder: STRINGS.evaluate.which },
        { askAlways: true },
      );
      return what === undefined ? undefined : evaluate(environment, owner, { task, ...what });
    },
  };
}

async function evaluate(
  { jobs }: CommandEnvironment,
  { study }: IndexedStudy,
  what: { readonly task: string; readonly deltaName: string; readonly checkpoint: string | null },
  given?: 'dev' | 'test',
): Promise<string | undefined> {
  const split =
    given ??
    (await pickOne(
      [
        { label: STRINGS.evaluate.test, value: 'test' as const },
        { label: STRINGS.evaluate.dev, value: 'dev' as const },
      ],
      { title: `${STRINGS.evaluate.title} ${what.task}`, placeholder: STRINGS.evaluate.split },
    ));
  if (split === undefined) return undefined;
  const job = await jobs.submit(
    study.directory,
    { kind: 'evaluate', ...what, split },
    { priority: 'interactive' },
  );
  return job.id;
}

type Evaluable = { readonly deltaName: string; readonly checkpoint: string | null };

function collectEvaluable(owner: IndexedStudy, task: string): Choice<Evaluable>[] {
  const [firstDelta = ''] = Object.keys(configurationOf(owner).deltas);
  const contents = owner.index.tasks.get(task);
  const checkpoints = (contents?.checkpoints ?? []).flatMap(
    ({ run, weightsHere, score }): Choice<Evaluable>[] =>
      run.checkpoint === null || !weightsHere
        ? []
        : [
            {
              label: `${formatMetric(score)}  ${formatRun(run)}`,
              description: `seed ${run.seed}`,
              value: { deltaName: run.deltaName, checkpoint: run.checkpoint.path },
            },
          ],
  );
  return [
    ...checkpoints,
    { label: STRINGS.evaluate.bare, value: { deltaName: firstDelta, checkpoint: null } },
  ];
}
