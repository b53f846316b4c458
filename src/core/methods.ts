/** Every way to choose averaging weights (METHODS, table 'Scores'). */
export const SCORE_METHODS = [
  'loss',
  'kl-divergence',
  'el2n',
  'logits-label-cosine',
  'grand',
  'weight-cosine',
  'weight-cosine-change',
  'euclidean',
  'performance',
  'hidden-cosine',
] as const;
export type ScoreMethod = (typeof SCORE_METHODS)[number];

export const BASELINES = ['average', 'group', 'best-source'] as const;
export type Baseline = (typeof BASELINES)[number];

export const GRANULARITIES = ['model', 'block', 'layer'] as const;
export type Granularity = (typeof GRANULARITIES)[number];

/** What a score needs to be computed, from cheap to dear. */
export type ScoreCost = 'weights' | 'forward' | 'two-forwards' | 'gradient' | 'tuning';

export interface ScoreMethodInfo {
  readonly id: ScoreMethod;
  /** Shown to people. */
  readonly title: string;
  /** One sentence: what the number is. */
  readonly summary: string;
  /** `lower`: a smaller value means more similar; weights are softmax(-v/tau). `higher`: softmax(+v/tau). */
  readonly direction: 'lower' | 'higher';
  readonly cost: ScoreCost;
  readonly granularities: readonly Granularity[];
  /** tau used when the study names none (means per token in the default mode). */
  readonly defaultTemperature: number;
  /** The target's own few-shot delta (tuned from random initialisation) is needed. */
  readonly needsTargetDelta: boolean;
  /** Raised when the definition changes, so that cached cells become stale. */
  readonly version: number;
}

/** The catalogue of METHODS.md, in the order shown to people. */
export const SCORE_METHOD_INFO: Readonly<Record<ScoreMethod, ScoreMethodInfo>> = {
  loss: {
    id: 'loss',
    title: 'Loss',
    summary: 'Mean token cross-entropy of the source delta on the probe of the target.',
    direction: 'lower',
    cost: 'forward',
    granularities: ['model'],
    defaultTemperature: 0.1,
    needsTargetDelta: false,
    version: 1,
  },
  'kl-divergence': {
    id: 'kl-divergence',
    title: 'KL divergence',
    summary: 'KL(P target || Q source) per label token, P from the few-shot delta of the target.',
    direction: 'lower',
    cost: 'two-forwards',
    granularities: ['model'],
    defaultTemperature: 0.1,
    needsTargetDelta: true,
    version: 1,
  },
  el2n: {
    id: 'el2n',
    title: 'EL2N',
    summary: 'L2 norm of (P - onehot(label)) per label token.',
    direction: 'lower',
    cost: 'forward',
    granularities: ['model'],
    defaultTemperature: 0.35,
    needsTargetDelta: false,
    version: 1,
  },
  'logits-label-cosine': {
    id: 'logits-label-cosine',
    title: 'Cosine of logits and labels',
    summary: 'P(label) / norm(P) per label token.',
    direction: 'higher',
    cost: 'forward',
    granularities: ['model'],
    defaultTemperature: 0.35,
    needsTargetDelta: false,
    version: 1,
  },
  grand: {
    id: 'grand',
    title: 'GraNd',
    summary: 'Norm of the gradient of the batch loss with respect to the source delta.',
    direction: 'lower',
    cost: 'gradient',
    granularities: ['model', 'block', 'layer'],
    defaultTemperature: 0.1,
    needsTargetDelta: false,
    version: 1,
  },
  'weight-cosine': {
    id: 'weight-cosine',
    title: 'Weight cosine',
    summary: 'Mean over tensors of cos(few-shot delta of the target, source delta).',
    direction: 'higher',
    cost: 'weights',
    granularities: ['model', 'block', 'layer'],
    defaultTemperature: 0.001,
    needsTargetDelta: true,
    version: 1,
  },
  'weight-cosine-change': {
    id: 'weight-cosine-change',
    title: 'Weight cosine of the change',
    summary:
      'Mean over tensors of cos(change of the few-shot delta of the target, change of the source delta) from their shared initialisation.',
    direction: 'higher',
    cost: 'weights',
    granularities: ['model', 'block', 'layer'],
    defaultTemperature: 1,
    needsTargetDelta: true,
    version: 1,
  },
  euclidean: {
    id: 'euclidean',
    title: 'Euclidean distance',
    summary: 'Sum over tensors of norm(source delta - the same delta after k steps on the target).',
    direction: 'lower',
    cost: 'tuning',
    granularities: ['model'],
    defaultTemperature: 0.1,
    needsTargetDelta: false,
    version: 1,
  },
  performance: {
    id: 'performance',
    title: 'Performance',
    summary: 'Dev metric after k steps on the target minus the zero-shot dev metric.',
    direction: 'higher',
    cost: 'tuning',
    granularities: ['model'],
    defaultTemperature: 0.001,
    needsTargetDelta: false,
    version: 1,
  },
  'hidden-cosine': {
    id: 'hidden-cosine',
    title: 'Cosine of hidden states',
    summary: 'Cosine of the hidden states of target and source, per block.',
    direction: 'higher',
    cost: 'two-forwards',
    granularities: ['block'],
    defaultTemperature: 0.1,
    needsTargetDelta: true,
    version: 1,
  },
};
