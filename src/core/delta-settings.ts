/** The three kinds of delta (METHODS: adapter, LoRA, prefix). */
export const DELTA_TYPES = ['adapter', 'lora', 'prefix'] as const;
export type DeltaType = (typeof DELTA_TYPES)[number];

/** Houlsby bottleneck: `h + dropout(s + act(s A) B)` on the output of a sublayer. */
export interface AdapterSettings {
  readonly type: 'adapter';
  /** Bottleneck size r. */
  readonly size: number;
  readonly nonlinearity: 'silu' | 'relu' | 'gelu_new' | 'tanh' | 'identity';
  /** Sublayers that carry an adapter. The reference: all three. */
  readonly placement: readonly ('self-attention' | 'cross-attention' | 'feed-forward')[];
}

/** `x W^T + (x A B) * alpha / r` on the target projections. */
export interface LoraSettings {
  readonly type: 'lora';
  /** LoRA rank r. */
  readonly rank: number;
  readonly alpha: number;
  /** Projections of every attention that carry LoRA. The reference: q and v. */
  readonly targetModules: readonly ('q' | 'k' | 'v' | 'o')[];
}

/** Reparametrised prefixes of the self-attention keys and values, one set per stack. */
export interface PrefixSettings {
  readonly type: 'prefix';
  /** Number of prefix positions. */
  readonly length: number;
  /** Width r of the reparametrisation. */
  readonly hiddenSize: number;
}

export type DeltaSettings = AdapterSettings | LoraSettings | PrefixSettings;
