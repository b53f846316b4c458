import type { DeltaSettings } from '../../core/delta-settings.js';
import type { T5Architecture } from '../../core/t5-architecture.js';
import type { Fits } from './batch-parts.js';

const FLOAT = 4;
/** With the weights and the process itself this keeps a tuning of T5-base under 2.2 times its weights. */
const SHARE_OF_WEIGHTS = 0.88;
/** Small models may use what every machine has. */
const LEAST = 512 * 2 ** 20;

/** Bytes that one training step may keep for its backward pass, by the number of the backbone's parameters. */
export function stepMemory(parameters: number): number {
  return Math.max(LEAST, SHARE_OF_WEIGHTS * parameters * FLOAT);
}

export interface StepKind {
  readonly architecture: T5Architecture;
  readonly delta: DeltaSettings | null;
  readonly dropout: boolean;
}

/** Whether what a training step keeps of its batch for the backward pass takes at most so many bytes. */
export function activationsFit(kind: StepKind, bytes: number): Fits {
  return (rows, source, target) => rows * bytesOfRow(kind, source, target) <= bytes;
}

/**
 * What is alive where the forward pass ends, read off the compiled graph: of every attention its queries, keys, values and weights,
 * of a feed-forward layer its two inner states, and of every sublayer its normalised input and what its adapter or LoRA saw; dropout
 * adds its masks and what they made.
 */
function bytesOfRow({ architecture, delta, dropout }: StepKind, source: number, target: number): number {
  const { modelSize, headSize, heads, feedForwardSize, encoderBlocks, decoderBlocks, vocabularySize } =
    architecture;
  const inner = headSize * heads;
  const prefix = delta?.type === 'prefix' ? delta.length : 0;
  const sublayer = ((delta?.type === 'prefix' ? 1 : 2) + (dropout ? 1 : 0)) * modelSize;
  const feedForward = (dropout ? 3 : 2) * feedForwardSize;
  const weights = (queries: number, keys: number): number => (dropout ? 3 : 1) * heads * queries * keys;
  const encoder =
    source * (2 * sublayer + 3 * inner + feedForward) + 2 * inner * prefix + weights(source, source + prefix);
  const decoder =
    target * (3 * sublayer + 4 * inner + feedForward) +
    2 * inner * (source + prefix) +
    weights(target, target + prefix + source);
  const logits = 2 * target * vocabularySize;
  return FLOAT * (encoderBlocks * encoder + decoderBlocks * decoder + logits);
}
