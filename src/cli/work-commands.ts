import { Command, Option } from 'commander';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { GRANULARITIES, SCORE_METHODS, type ScoreMethod } from '../core/methods.js';
import { readCatalogue } from '../study/catalogue.js';
import { loadStudy } from '../study/load.js';
import { readJudgedSnapshot } from '../study/judged-snapshot.js';
import { resultsInWords, resultsOf } from './results-text.js';
import {
  chosenDelta,
  distinctListOf,
  realNumber,
  runAndTell,
  runJob,
  shotsNumber,
  text,
  wholeNumber,
  withCommonOptions,
} from './common.js';
import type { CommandContext } from './common.js';
import { mergeChoiceSchema, mergeChoiceOf, addMergeChoice } from './merge-choice.js';

/** The commands that do work: tune, evaluate, score, merge, run. */

const numbers = z.array(z.number()).optional();

export function tuneCommand(signal: AbortSignal): Command {
  const options = z.object({
    task: z.array(z.string()).default([]),
    group: z.array(z.string()).default([]),
    all: z.boolean().default(false),
    delta: z.string().optional(),
    role: z.enum(['source', 'target']).default('source'),
    from: z.string().default('random'),
    merge: z.string().optional(),
    shots: z.union([z.number(), z.literal('full')]).optional(),
    seeds: numbers,
    steps: z.number().optional(),
    learningRate: numbers,
    batchSize: numbers,
    warmup: z.number().optional(),
    validateEvery: z.number().optional(),
    logEvery: z.number().optional(),
    patience: z.number().optional(),
    test: z.boolean().optional(),
  });
  const command = new Command('tune')
    .description('tune a delta on tasks')
    .option('--task <name...>', 'tasks by name', distinctListOf(text))
    .option('--group <name...>', 'all tasks of a group', distinctListOf(text))
    .option('--all', 'all tasks of the study')
    .option('--delta <name>', 'delta settings of the study (default: the first)')
    .addOption(
      new Option('--role <role>', 'source: to be merged; target: a few-shot run')
        .choices(['source', 'target'])
        .default('source'),
    )
    .option('--from <checkpoint>', "'random' or a checkpoint file", 'random')
    .option('--merge <id>', 'start from a merge of the task')
    .option('--shots <n|full>', "instead of the study's", shotsNumber)
    .option('--seeds <n...>', 'one run each', distinctListOf(wholeNumber))
    .option('--steps <n>', 'optimizer steps at most', wholeNumber)
    .option('--learning-rate <x...>', 'tried in turn', distinctListOf(realNumber))
    .option('--batch-size <n...>', 'tried in turn', distinctListOf(wholeNumber))
    .option('--warmup <n>', 'steps of warm-up', wholeNumber)
    .option('--validate-every <n>', 'steps between validations', wholeNumber)
    .option('--log-every <n>', 'steps between points of the curve', wholeNumber)
    .option('--patience <n>', 'validations without improvement before stopping; 0: never', wholeNumber)
    .option('--test', 'also measure the test split');
  return withCommonOptions(command, options, signal, async (chosen, context) => {
    await runAndTell(context, {
      kind: 'tune',
      tasks: await chosenTasks(context, chosen),
      deltaName: await chosenDelta(context, chosen.delta),
      role: chosen.role,
      initialisation:
        chosen.merge !== undefined
          ? { kind: 'merge', id: chosen.merge }
          : chosen.from === 'random'
            ? { kind: 'random' }
            : { kind: 'checkpoint', path: chosen.from },
      shots: chosen.shots,
      seeds: chosen.seeds,
      steps: chosen.steps,
      learningRates: chosen.learningRate,
      batchSizes: chosen.batchSize,
      warmup: chosen.warmup,
      validateEvery: chosen.validateEvery,
      logEvery: chosen.logEvery,
      patience: chosen.patience,
      test: chosen.test,
    });
  });
}

async function chosenTasks(
  { directory }: CommandContext,
  { task, group, all }: { task: string[]; group: string[]; all: boolean },
): Promise<string[]> {
  const { configuration } = await loadStudy(directory);
  if (all) return (await readCatalogue(directory, configuration)).map(({ name }) => name);
  const { groups } = configuration;
  const members = group.flatMap((name) => {
    const found = Object.hasOwn(groups, name) ? groups[name] : undefined;
    if (found !== undefined) return found;
    throw new DeltaloomError('group-unknown', `The study has no group '${name}'.`, {
      remedy: `It has: ${Object.keys(groups).join(', ') || 'none'}.`,
    });
  });
  const chosen = [...new Set([...task, ...members])];
  if (chosen.length > 0) return chosen;
  throw new DeltaloomError('tasks-not-chosen', 'No task was chosen.', {
    remedy: 'Name tasks (--task NAME), a group (--group NAME), or all (--all).',
  });
}

export function evaluateCommand(signal: AbortSignal): Command {
  const options = z.object({
    task: z.string(),
    checkpoint: z.string().optional(),
    split: z.enum(['dev', 'test']).default('test'),
    delta: z.string().optional(),
  });
  const command = new Command('evaluate')
    .description('test a checkpoint, or the bare backbone, on a task and keep the predictions')
    .requiredOption('--task <name>', 'task by name')
    .option('--checkpoint <file>', 'a delta; without it the bare backbone')
    .addOption(new Option('--split <split>', 'which examples').choices(['dev', 'test']).default('test'))
    .option('--delta <name>', 'delta settings of the checkpoint (default: the first)');
  return withCommonOptions(command, options, signal, async (chosen, context) =>
    runAndTell(context, {
      kind: 'evaluate',
      task: chosen.task,
      deltaName: await chosenDelta(context, chosen.delta),
      checkpoint: chosen.checkpoint ?? null,
      split: chosen.split,
    }),
  );
}

export function scoreCommand(signal: AbortSignal): Command {
  const options = z.object({
    method: z.array(z.string()).optional(),
    granularity: z.array(z.enum(GRANULARITIES)).optional(),
    target: z.array(z.string()).optional(),
    source: z.array(z.string()).optional(),
    delta: z.string().optional(),
  });
  const command = new Command('score')
    .description('fill score matrices; several methods share one sweep')
    .option(
      '--method <name...>',
      `all, or some of ${SCORE_METHODS.join(', ')} (default: the study's)`,
      distinctListOf(text),
    )
    .addOption(
      new Option('--granularity <name...>', "model, block or layer (default: the study's)").choices(
        GRANULARITIES,
      ),
    )
    .option('--target <name...>', "targets (default: the study's)", distinctListOf(text))
    .option('--source <name...>', "sources (default: the study's)", distinctListOf(text))
    .option('--delta <name>', 'delta settings of the study (default: the first)');
  return withCommonOptions(command, options, signal, async (chosen, context) => {
    const { configuration } = await loadStudy(context.directory);
    await runAndTell(context, {
      kind: 'score',
      deltaName: await chosenDelta(context, chosen.delta),
      methods: chosen.method === undefined ? configuration.scores.methods : methodsNamed(chosen.method),
      granularities: chosen.granularity ?? configuration.scores.granularities,
      targets: chosen.target,
      sources: chosen.source,
    });
  });
}

function methodsNamed(names: readonly string[]): ScoreMethod[] {
  if (names.includes('all')) return [...SCORE_METHODS];
  return names.map((name) => {
    const method = SCORE_METHODS.find((known) => known === name);
    if (method !== undefined) return method;
    throw new DeltaloomError('method-unknown', `There is no score '${name}'.`, {
      remedy: `Choose all, or some of: ${SCORE_METHODS.join(', ')}.`,
    });
  });
}

export function mergeCommand(signal: AbortSignal): Command {
  const options = mergeChoiceSchema.extend({ loraRule: z.enum(['factors', 'products']).optional() });
  const command = addMergeChoice(new Command('merge'))
    .description('write the merged delta for a target')
    .addOption(
      new Option('--lora-rule <rule>', "average LoRA's factors (the reference) or their products").choices([
        'factors',
        'products',
      ]),
    );
  return withCommonOptions(command, options, signal, async (chosen, context) => {
    const { configuration } = await loadStudy(context.directory);
    await runAndTell(context, {
      kind: 'merge',
      target: chosen.target,
      deltaName: await chosenDelta(context, chosen.delta),
      by: mergeChoiceOf(chosen, configuration),
      loraRule: chosen.loraRule,
    });
  });
}

export function runCommand(signal: AbortSignal): Command {
  const command = new Command('run')
    .description('the whole study: sources, scores, merges, targets from every initialisation, results')
    .option('--delta <name...>', 'delta settings of the study (default: all)', distinctListOf(text));
  const options = z.object({ delta: z.array(z.string()).optional() });
  return withCommonOptions(command, options, signal, async ({ delta }, context) => {
    const outcome = await runJob(context, { kind: 'run', deltaNames: delta });
    const snapshot = await readJudgedSnapshot(context.directory, context.seed);
    const results = resultsInWords(snapshot, 'test', context.seed, context.advise);
    context.terminal.result(`${outcome.summary}\n\n${results}`, {
      ...outcome,
      results: resultsOf(snapshot, 'test', context.seed),
    });
  });
}
