import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { z } from 'zod';
import { SCORE_METHODS } from '../core/methods.js';
import { importIntoStudy } from '../study/import.js';
import { chosenDelta, withCommonOptions } from './common.js';

export function importCommand(signal: AbortSignal): Command {
  const command = new Command('import')
    .description(
      "bring in the reference's checkpoints (<task>/checkpoint-best.pt), a result.tsv or a folder of tasks",
    )
    .argument('<path>', 'folder or file')
    .option('--delta <name>', 'delta settings that the checkpoints have (default: the first of the study)')
    .addOption(new Option('--method <name>', 'the score that a result.tsv holds').choices(SCORE_METHODS));
  const options = z.object({ delta: z.string().optional(), method: z.enum(SCORE_METHODS).optional() });
  return withCommonOptions(command, options, signal, async ({ delta, method }, context, [path = '']) => {
    const { terminal, directory, wait } = context;
    const outcome = await importIntoStudy(
      directory,
      resolve(path),
      {
        deltaName: await chosenDelta(context, delta),
        method,
        ...(wait ? { waitMs: Number.POSITIVE_INFINITY } : {}),
      },
      {
        signal,
        progress: (progress) => terminal.progress(progress),
        log: (line) => terminal.say(line),
        engine: () => Promise.reject(new Error('importing needs no engine')),
      },
    );
    terminal.result(outcome.summary, outcome);
  });
}
