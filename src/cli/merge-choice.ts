import { Option, type Command } from 'commander';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import {
  BASELINES,
  GRANULARITIES,
  SCORE_METHODS,
  SCORE_METHOD_INFO,
  type Granularity,
  type ScoreMethod,
} from '../core/methods.js';
import { MODEL_PART, partOfTensor, stackOf } from '../core/parts.js';
import type { StudyConfiguration } from '../study/configuration.js';
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
  bestBy: z.enum(SCORE_METHODS).optional(),
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
      new Option(
        '--best-by <method>',
        "the score that chooses the best source (default: the study's)",
      ).choices(SCORE_METHODS),
    )
    .option('--weights <source=x...>', 'explicit weights, which must sum to 1', listOf(text));
}

/** @param weights of the study: what it doesn't say is as the study has it */
export function mergeChoiceOf(
  choice: MergeChoice,
  { weights: own }: { readonly weights: Pick<StudyConfiguration['weights'], 'bestSource'> },
): MergeBy {
  const { method, part, temperature, weights } = choice;
  if (weights !== undefined) return { kind: 'explicit', weights: explicitWeightsOf(weights) };
  if (method === 'average' || method === 'group') return { kind: method };
  if (method === 'best-source') return { kind: 'best-source', method: choice.bestBy ?? own.bestSource };
  return {
    kind: 'score',
    method,
    granularity: choice.granularity ?? usualGranularity(method, part),
    ...(part === undefined ? {} : { part }),
    ...(temperature === undefined ? {} : { temperature }),
  };
}

/** That of the part, if the method has it; else the method's coarsest. */
function usualGranularity(method: ScoreMethod, part: string | undefined): Granularity {
  const own = SCORE_METHOD_INFO[method].granularities;
  const ofPart = part === undefined ? undefined : granularityOfPart(part);
  return own.find((granularity) => granularity === ofPart) ?? own[0] ?? 'model';
}

function granularityOfPart(part: string): Granularity | undefined {
  if (part === MODEL_PART) return 'model';
  const stack = stackOf(part);
  if (stack === null) return undefined;
  // A stack is among the blocks and among the layers: the coarser will do.
  return part !== stack && partOfTensor(part, 'layer') === part ? 'layer' : 'block';
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
