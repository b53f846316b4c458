import { z } from 'zod';
import { GRANULARITIES, SCORE_METHODS } from '../core/methods.js';

/**
 * `deltaloom.json`: what a person writes. Paths are relative to the file. Every property but `version`, `backbone` and
 * `tasks` has a default, so that the smallest study is three lines. The JSON schema that VS Code uses is made from this.
 */

const seed = z.int().min(0).max(4294967295);
const shots = z.union([z.int().min(1), z.literal('full')]);

const adapter = z
  .strictObject({
    type: z.literal('adapter'),
    size: z.int().min(1).default(12),
    nonlinearity: z.enum(['silu', 'relu', 'gelu_new', 'tanh', 'identity']).default('silu'),
    placement: z
      .array(z.enum(['self-attention', 'cross-attention', 'feed-forward']))
      .min(1)
      .default(['self-attention', 'cross-attention', 'feed-forward']),
  })
  .describe('Houlsby bottleneck adapter.');
const lora = z
  .strictObject({
    type: z.literal('lora'),
    rank: z.int().min(1).default(10),
    alpha: z.number().positive().default(16),
    targetModules: z
      .array(z.enum(['q', 'k', 'v', 'o']))
      .min(1)
      .default(['q', 'v']),
  })
  .describe('LoRA on the attention projections.');
const prefix = z
  .strictObject({
    type: z.literal('prefix'),
    length: z.int().min(1).default(120),
    hiddenSize: z.int().min(1).default(24),
  })
  .describe('Reparametrised prefixes of self-attention.');

const tuningFields = {
  learningRates: z.array(z.number().positive()).min(1).describe('Tried in turn; the best on dev is kept.'),
  batchSizes: z.array(z.int().min(1)).min(1).describe('Tried in turn; the best on dev is kept.'),
  steps: z.int().min(1).describe('Optimizer steps at most.'),
  warmup: z.int().min(0),
  schedule: z.enum(['constant', 'linear']),
  optimizer: z.enum(['adafactor', 'adamw']),
  weightDecay: z.number().min(0),
  clip: z.number().min(0).describe('Global gradient norm at most; 0 for no clipping.'),
  dropout: z.number().min(0).max(0.9).describe("Default: the backbone's dropout_rate."),
  validateEvery: z.int().min(1),
  validateOn: z.int().min(1).describe('Dev examples read at each validation; default all.'),
  logEvery: z.int().min(1),
  patience: z.int().min(0).describe('Validations without improvement before stopping; 0: never stop early.'),
};

const temperatureSchema = z.partialRecord(z.enum(SCORE_METHODS), z.number().positive());

export const tuningSchema = z.strictObject({
  learningRates: tuningFields.learningRates.default([5e-4]),
  batchSizes: tuningFields.batchSizes.default([8]),
  steps: tuningFields.steps.default(1000),
  warmup: tuningFields.warmup.default(0),
  schedule: tuningFields.schedule.default('constant'),
  optimizer: tuningFields.optimizer.default('adafactor'),
  weightDecay: tuningFields.weightDecay.default(0),
  clip: tuningFields.clip.default(0.1),
  dropout: tuningFields.dropout.optional(),
  validateEvery: tuningFields.validateEvery.default(100),
  validateOn: tuningFields.validateOn.optional(),
  logEvery: tuningFields.logEvery.default(10),
  patience: tuningFields.patience.default(10),
});
export type TuningSettings = z.infer<typeof tuningSchema>;

/** One delta may need another learning rate than the next: what is named here replaces what `tuning` says. */
const tuningByDelta = z
  .record(z.string().min(1), z.strictObject(tuningFields).partial())
  .default({})
  .describe("By the name of a delta: settings that replace those of 'tuning'.");

/** Of `deltaloom.json`; a later one is of a later program. */
export const STUDY_VERSION = 1;

export const studySchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(STUDY_VERSION),
  name: z.string().min(1).optional(),
  backbone: z.string().min(1).describe('Folder of a Hugging Face T5, relative to this file.'),
  tasks: z
    .string()
    .min(1)
    .describe('Folder of CrossFit tasks: NAME/NAME_{shots}_{seed}_{train,dev,test}.tsv.'),
  compatibility: z
    .enum(['default', 'reference'])
    .default('default')
    .describe("'reference' reproduces the published code's numbers, its bugs included."),
  groups: z
    .record(z.string().min(1), z.array(z.string().min(1)).min(1))
    .default({})
    .describe('Tasks that a person declares related.'),
  metrics: z
    .record(
      z.string(),
      z.enum([
        'ACC',
        'EM',
        'QA-F1',
        'Classification-F1',
        'Rouge-L',
        'Matthews-Correlation',
        'Pearson-Correlation',
      ]),
    )
    .default({})
    .describe("Metric by task name, where CrossFit's own table does not fit."),
  deltas: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]*$/), z.discriminatedUnion('type', [adapter, lora, prefix]))
    .default({ adapter: adapter.parse({ type: 'adapter' }) })
    .describe('Delta settings by a name of your choice.'),
  initialisationSeed: seed.default(42).describe('All sources start from the same random delta.'),
  lengths: z
    .strictObject({
      input: z.int().min(2).default(512),
      output: z.int().min(2).default(64),
    })
    .prefault({})
    .describe('Tokens at most; longer text is cut.'),
  sources: z
    .strictObject({
      tasks: z.array(z.string()).optional().describe('Default: every task.'),
      shots: shots.default('full'),
      dataSeed: z.int().min(0).optional().describe('Which data file; default the first found.'),
      seed: seed.default(42),
      tuning: tuningSchema.prefault({}),
      tuningByDelta,
    })
    .prefault({}),
  targets: z
    .strictObject({
      tasks: z.array(z.string()).optional().describe('Default: every task.'),
      shots: shots.default(16),
      seeds: z
        .array(seed)
        .min(1)
        .default([42])
        .describe('One run each; also the data seed where such a file exists.'),
      tuning: tuningSchema.prefault({}),
      tuningByDelta,
    })
    .prefault({}),
  scores: z
    .strictObject({
      methods: z
        .array(z.enum(SCORE_METHODS))
        .default(['loss', 'kl-divergence', 'el2n', 'logits-label-cosine']),
      granularities: z.array(z.enum(GRANULARITIES)).default(['model']),
      probe: z
        .strictObject({
          split: z.enum(['dev', 'train']).default('dev'),
          examples: z.int().min(1).optional().describe('The first n examples; default all.'),
          batchSize: z.int().min(1).default(8),
        })
        .prefault({}),
      steps: z.int().min(1).default(50).describe('k of the tuning-based scores (euclidean, performance).'),
    })
    .prefault({}),
  weights: z
    .strictObject({
      temperatures: temperatureSchema
        .default({})
        .describe('Of the softmax that turns scores into weights, by method.'),
      temperaturesByDelta: z
        .record(z.string(), temperatureSchema)
        .default({})
        .describe('Temperatures that a delta has of its own: its scores may spread otherwise.'),
      bestSource: z.enum(SCORE_METHODS).default('loss').describe('The score that chooses the best source.'),
    })
    .prefault({}),
  merges: z
    .strictObject({
      loraRule: z.enum(['factors', 'products']).default('factors'),
      perBlock: z.boolean().default(false).describe('Also merge with each block weighted by its own scores.'),
    })
    .prefault({}),
});
export type StudyConfiguration = z.infer<typeof studySchema>;
export type DeltaConfiguration = StudyConfiguration['deltas'][string];

/** How the sources or targets of one delta are tuned. */
export function tuningOf(
  { tuning, tuningByDelta: own }: Pick<StudyConfiguration['sources'], 'tuning' | 'tuningByDelta'>,
  deltaName: string,
): TuningSettings {
  const given = Object.hasOwn(own, deltaName) ? own[deltaName] : undefined;
  const named = Object.entries(given ?? {}).filter(([, value]) => value !== undefined);
  return { ...tuning, ...Object.fromEntries(named) };
}

/** @param seed instead of the study's own seeds of sources and targets; undefined: those */
export function withSeed(configuration: StudyConfiguration, seed: number | undefined): StudyConfiguration {
  if (seed === undefined) return configuration;
  const { sources, targets } = configuration;
  return { ...configuration, sources: { ...sources, seed }, targets: { ...targets, seeds: [seed] } };
}
