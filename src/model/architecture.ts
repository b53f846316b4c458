import type { T5Architecture } from '../core/t5-architecture.js';

export const STACKS = ['encoder', 'decoder'] as const;
export type Stack = (typeof STACKS)[number];

/** The name of the token embedding, and of the output weight where it is not the embedding itself. */
export const EMBEDDING = 'shared.weight';
export const OUTPUT = 'lm_head.weight';

/** Heads times head size: the width of queries, keys and values. Differs from d_model in T5-3B. */
export function innerSize(architecture: T5Architecture): number {
  return architecture.heads * architecture.headSize;
}

export function blockCount(architecture: T5Architecture, stack: Stack): number {
  return stack === 'encoder' ? architecture.encoderBlocks : architecture.decoderBlocks;
}

/** `encoder.block.0`, ..., `decoder.block.N`, in the order of computation. */
export function blockNames(architecture: T5Architecture): string[] {
  return STACKS.flatMap((stack) =>
    Array.from({ length: blockCount(architecture, stack) }, (_, index) => `${stack}.block.${index}`),
  );
}

/** The three kinds of sublayer: an encoder block has the first and the last, a decoder block all. */
export type SublayerKind = 'self-attention' | 'cross-attention' | 'feed-forward';

export interface Sublayer {
  /** For example `decoder.block.1.layer.2`. */
  readonly name: string;
  readonly kind: SublayerKind;
}

export function sublayersOf(stack: Stack, block: number): Sublayer[] {
  const kinds: SublayerKind[] =
    stack === 'encoder'
      ? ['self-attention', 'feed-forward']
      : ['self-attention', 'cross-attention', 'feed-forward'];
  return kinds.map((kind, index) => ({ name: `${stack}.block.${block}.layer.${index}`, kind }));
}

/** All sublayers in the order of computation. */
export function sublayers(architecture: T5Architecture): Sublayer[] {
  return STACKS.flatMap((stack) =>
    Array.from({ length: blockCount(architecture, stack) }, (_, block) => sublayersOf(stack, block)).flat(),
  );
}

/** Hugging Face's name of the attention module inside a sublayer. */
export function attentionModule(sublayer: Sublayer): string {
  return `${sublayer.name}.${sublayer.kind === 'cross-attention' ? 'EncDecAttention' : 'SelfAttention'}`;
}

export function relativeBiasName(stack: Stack): string {
  return `${stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`;
}
