import { Option, type Command } from 'commander';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { BASELINES, GRANULARITIES, SCORE_METHODS, SCORE_METHOD_INFO } from '../core/methods.js';
import type { MergeBy } from '../study/merge-choices.js';
import { listOf, realNumber, text } from './common.js';

/** How `weights` and `merge` are told what chooses the weights. */
export const mergeChoiceSchema = z.object({
  target: z.string(),
  delta: z.string().optional(),
  method: z.enum([...SCORE_METHODS, ...BASELINES]).default('loss'),
  granularity: z.enum(GRANULARITIES).optional(),
  part: z.string().optional(),
  temperature: z.number().optional(),
  bestBy: z.enum(SCORE_METHODS).default('loss'),
  weights: z.array(z.string()).optional(),
});
export type MergeChoice = z.infer<typeof mergeChoiceSchema>;

export function addMergeChoice(command: Command): Command {
  return command
    .requiredOption('--target <name>', 'the task that starts from the merge')
    .option('--delta <name>', 'delta settings of the study (default: the first)')
    .addOption(
      new Option('--method <name>', 'what chooses the weights')
        .choices([...SCORE_METHODS, ...BASELINES])
        .default('loss'),
    )
    .addOption(
      new Option('--granularity <name>', 'block or layer: each part by its own scores').choices(
        GRANULARITIES,
      ),
    )
    .option('--part <name>', "one whole merge by this part's weights, for example encoder.block.0")
    .option('--temperature <x>', 'of the softmax; 0: the most similar source alone', realNumber)
    .addOption(
      new Option('--best-by <method>', 'the score that chooses the best source')
        .choices(SCORE_METHODS)
        .default('loss'),
    )
    .option('--weights <source=x...>', 'explicit weights, which must sum to 1', listOf(text));
}

export function mergeChoiceOf(choice: MergeChoice): MergeBy {
  const { method, granularity, part, temperature, weights } = choice;
  if (weights !== undefined) return { kind: 'explicit', weights: explicitWeightsOf(weights) };
  if (method === 'average' || method === 'group') return { kind: method };
  if (method === 'best-source') return { kind: 'best-source', method: choice.bestBy };
  return {
    kind: 'score',
    method,
    granularity: granularity ?? SCORE_METHOD_INFO[method].granularities[0] ?? 'model',
    ...(part === undefined ? {} : { part }),
    ...(temperature === undefined ? {} : { temperature }),
  };
}

/** Split at the last '=': task names may hold others. */
function explicitWeightsOf(entries: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.lastIndexOf('=');
      const weight = Number(entry.slice(at + 1));
      if (at > 0 && entry.slice(at + 1).trim() !== '' && Number.isFinite(weight)) {
        return [entry.slice(0, at), weight];
      }
      throw new DeltaloomError('weights-invalid', `'${entry}' is no weight.`, {
        remedy: 'Write source=number, for example --weights boolq=0.7 ai2_arc=0.3.',
      });
    }),
  );
}
