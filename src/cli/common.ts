import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { DEVICE_IDS, type Engine } from '../engine/contract.js';
import { openEngine } from '../engine/index.js';
import { executeJob } from '../study/execute.js';
import type { JobOutcome, JobRequest } from '../study/jobs.js';
import { loadStudy, type Study } from '../study/load.js';
import { checkpointOfRecord } from '../study/paths.js';
import { adviceFor, withAdvice, type Advise } from './advice.js';
import { Terminal } from './terminal.js';

/** What every command takes. */
const commonSchema = z.object({
  study: z.string().default('.'),
  json: z.boolean().default(false),
  device: z.enum(['auto', ...DEVICE_IDS]).default('auto'),
  threads: z.number().optional(),
  packWeights: z.boolean().default(false),
  seed: z.number().optional(),
  wait: z.boolean().default(false),
  verbose: z.boolean().default(false),
});

export interface CommandContext {
  /** Absolute. */
  readonly directory: string;
  readonly terminal: Terminal;
  /** For advice that names commands; remedies of errors pass through it by themselves. */
  readonly advise: Advise;
  readonly device: 'auto' | (typeof DEVICE_IDS)[number];
  readonly threads: number | undefined;
  readonly packWeights: boolean;
  readonly seed: number | undefined;
  readonly wait: boolean;
  readonly verbose: boolean;
  readonly signal: AbortSignal;
}

/** Adds the common options to a command and runs `action` with what they say. */
export function withCommonOptions<Options>(
  command: Command,
  schema: z.ZodType<Options>,
  signal: AbortSignal,
  action: (options: Options, context: CommandContext, args: readonly string[]) => Promise<void>,
): Command {
  return command
    .option('--study <dir>', 'folder of the study', '.')
    .option('--json', 'result as JSON on stdout, progress on stderr')
    .addOption(
      new Option('--device <device>', 'what computes').choices(['auto', ...DEVICE_IDS]).default('auto'),
    )
    .option('--threads <n>', 'threads of the cpu device', wholeNumber)
    .option('--pack-weights', 'more speed for more memory on the cpu device (README, Devices)')
    .option('--seed <n>', "instead of the study's own seeds", wholeNumber)
    .option('--wait', 'wait while another process works on the study')
    .option('--verbose', 'print the log of the work')
    .action(async () => {
      const raw: unknown = command.opts();
      const { study, json, ...common } = commonSchema.parse(raw);
      const terminal = new Terminal(json);
      const advise = adviceFor(study, common.seed);
      const context = {
        directory: resolve(study),
        terminal,
        advise,
        signal,
        ...common,
        threads: common.threads,
        seed: common.seed,
      };
      try {
        await action(schema.parse(raw), context, command.args);
      } catch (error) {
        throw withAdvice(error, advise);
      }
    });
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is needed.');
  return Number(text);
}

/** A number of examples, or all there are. */
export function shotsNumber(text: string): number | 'full' {
  if (text === 'full') return text;
  if (!/^\d+$/.test(text) || Number(text) < 1) {
    throw new InvalidArgumentError("A whole number of at least 1, or 'full', is needed.");
  }
  return Number(text);
}

export function realNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('A number is needed.');
  return value;
}

/** For options that take several values. */
export function listOf<Value>(parse: (text: string) => Value) {
  return (text: string, previous: Value[] | undefined): Value[] => [...(previous ?? []), parse(text)];
}

/** The same where a value that is given twice would be worked on twice. */
export function distinctListOf<Value>(parse: (text: string) => Value) {
  const append = listOf(parse);
  return (text: string, previous: Value[] | undefined): Value[] => [...new Set(append(text, previous))];
}

export const text = (value: string): string => value;

/** Does a job of the study with an engine that is opened when it is needed and given back at the end. */
export async function runJob(context: CommandContext, request: JobRequest): Promise<JobOutcome> {
  const { terminal, device, threads, packWeights, seed, wait, verbose, signal, directory } = context;
  let opened: Promise<Engine> | null = null;
  const engine = (): Promise<Engine> => {
    opened ??= openEngine({
      device,
      packWeights,
      ...(threads === undefined ? {} : { threads }),
      log: (line) => terminal.say(line),
    });
    return opened;
  };
  try {
    return await executeJob(
      directory,
      request,
      {
        signal,
        progress: (progress) => terminal.progress(progress),
        log: (line) => {
          if (verbose) terminal.say(line);
        },
        engine,
      },
      { seed, ...(wait ? { waitMs: Number.POSITIVE_INFINITY } : {}) },
    );
  } finally {
    terminal.clearBar();
    await (opened as Promise<Engine> | null)?.then(
      (used) => used.dispose(),
      // It did not open: that error is on its way already.
      () => undefined,
    );
  }
}

/** More checkpoints than these are not named one by one. */
const MOST_NAMED = 8;

/** Runs a job and prints its outcome, with the files that other commands can be given. */
export async function runAndTell(context: CommandContext, request: JobRequest): Promise<void> {
  const outcome = await runJob(context, request);
  const checkpoints = outcome.records
    .flatMap((record) => checkpointOfRecord(record) ?? [])
    .filter((file) => existsSync(join(context.directory, file)));
  const more = checkpoints.length - MOST_NAMED;
  const lines = [
    outcome.summary,
    ...checkpoints.slice(0, MOST_NAMED).map((file) => `  ${file}`),
    ...(more > 0 ? [`  and ${more} more beside ${more === 1 ? 'it' : 'them'}`] : []),
  ];
  context.terminal.result(lines.join('\n'), { ...outcome, checkpoints });
}

/** The delta that was named, else the only one, else the first of the study. */
export async function chosenDelta(context: CommandContext, name: string | undefined): Promise<string> {
  const study = await loadStudy(context.directory);
  return deltaOf(study, name);
}

function deltaOf({ configuration }: Study, name: string | undefined): string {
  const names = Object.keys(configuration.deltas);
  const chosen = name ?? names[0];
  if (chosen !== undefined && names.includes(chosen)) return chosen;
  throw new DeltaloomError('delta-unknown', `The study has no delta settings called '${name ?? ''}'.`, {
    remedy: `It has: ${names.join(', ')}.`,
  });
}
