import { z } from 'zod';
import { GRANULARITIES, SCORE_METHODS } from '../../core/methods.js';

/**
 * What a panel's host (extension side) and its page (browser side) say to each other. Both sides check what arrives with
 * these schemas; a request carries the schema of its answer; errors are values. The host posts nothing before the page
 * has said `ready`, because VS Code drops messages to a page that does not listen yet.
 */

export const PANEL_KINDS = ['heatmap', 'weights', 'results', 'curves'] as const;
export type PanelKind = (typeof PANEL_KINDS)[number];

/** A commit's hash, or null for the working tree. */
const version = z.string().nullable();
export type Version = string | null;

const provenance = z.object({
  commit: z.string().nullable(),
  branch: z.string().nullable(),
  dirty: z.boolean(),
  time: z.string(),
  seconds: z.number(),
  device: z.string(),
  /** Of the commit; null when this clone does not know it. */
  author: z.string().nullable(),
  subject: z.string().nullable(),
});
export type ProvenanceView = z.infer<typeof provenance>;

const matrixSummary = z.object({
  /** `<delta name>/<method>.<granularity>`, also the record's path below `.deltaloom/scores/`. */
  id: z.string(),
  file: z.string(),
  deltaName: z.string(),
  method: z.enum(SCORE_METHODS),
  granularity: z.enum(GRANULARITIES),
  /** Of weights made from it: follows the compatibility mode too. */
  direction: z.enum(['lower', 'higher']),
  compatibility: z.enum(['default', 'reference']),
  targets: z.array(z.string()),
  sources: z.array(z.string()),
  /** The sources that the study merges: others are on record, and take no part in weights. */
  merged: z.array(z.string()),
  parts: z.array(z.string()),
  /** Cells on record. */
  filled: z.number(),
  /** tau of the study for this method. */
  temperature: z.number(),
  provenances: z.array(provenance),
});
export type MatrixSummary = z.infer<typeof matrixSummary>;

const run = z.object({
  id: z.string(),
  kind: z.enum(['tune', 'evaluate']),
  task: z.string(),
  deltaName: z.string(),
  role: z.enum(['source', 'target', 'step-k']),
  shots: z.union([z.number(), z.literal('full')]),
  seed: z.number(),
  initialisation: z.string(),
  status: z.enum(['done', 'failed', 'cancelled']),
  metric: z.string(),
  dev: z.number().nullable(),
  test: z.number().nullable(),
  steps: z.number(),
  checkpoint: z.string().nullable(),
  /** How the tuning of a target stands among those of its cell in the tables; null for other runs. */
  standing: z
    .object({
      settings: z.number(),
      asked: z.union([z.literal(0), z.literal(1), z.literal(2)]),
      stale: z.boolean(),
    })
    .nullable(),
  provenance,
});
export type RunView = z.infer<typeof run>;

const studyView = z.object({
  directory: z.string(),
  name: z.string(),
  version,
  /** In the study's order. */
  tasks: z.array(z.string()),
  groups: z.record(z.string(), z.array(z.string())),
  deltaNames: z.array(z.string()),
  matrices: z.array(matrixSummary),
  runs: z.array(run),
  /** What could not be read, for people. */
  problems: z.array(z.string()),
});
export type StudyView = z.infer<typeof studyView>;

const matrixValues = z.object({
  id: z.string(),
  version,
  /** [targets, sources, parts] row-major; NaN where there is no finite value. */
  values: z.instanceof(Float64Array),
  /** [targets, sources]: index into the summary's provenances, -1 for no cell. */
  provenance: z.instanceof(Int32Array),
});
export type MatrixValues = z.infer<typeof matrixValues>;

const curve = z.object({
  /** `<task>/<run id>`. */
  id: z.string(),
  /** Of a running tuning; null for a recorded one, which the study's run of this id describes. */
  label: z.string().nullable(),
  running: z.boolean(),
  train: z.array(z.object({ step: z.number(), value: z.number().nullable() })),
  dev: z.array(z.object({ step: z.number(), value: z.number().nullable() })),
  metric: z.string(),
});
export type CurveView = z.infer<typeof curve>;

const commit = z.object({
  hash: z.string(),
  author: z.string(),
  date: z.string(),
  subject: z.string(),
});
export type CommitView = z.infer<typeof commit>;

const listedCommit = commit.extend({
  /** The files asked for changed in it; false: only merges of the target that was asked for. */
  here: z.boolean(),
});

const repository = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('repository'),
    branch: z.string().nullable(),
    head: z.string().nullable(),
    operation: z.string().nullable(),
    shallow: z.boolean(),
  }),
  z.object({ kind: z.literal('none'), reason: z.string(), remedy: z.string() }),
]);
export type RepositoryView = z.infer<typeof repository>;

const history = z.object({
  repository,
  /** In which the files asked for or merges of the target changed, newest first. */
  commits: z.array(listedCommit),
  /** Those asked for by hash, as far as this clone knows them. */
  named: z.array(commit),
  /** Records of the study that differ from the last commit. */
  uncommitted: z.number(),
  /** Some of them are among the files asked for. */
  changedHere: z.boolean(),
});
export type HistoryView = z.infer<typeof history>;

const job = z.object({
  id: z.string(),
  title: z.string(),
  kind: z.string(),
  state: z.enum(['queued', 'running', 'cancelling', 'done', 'failed', 'cancelled']),
  /** For people: what it is doing, or what came of it. */
  text: z.string(),
  /** 0 to 1; null: not known. */
  fraction: z.number().nullable(),
  /** The one task it is for; null: several, or none. */
  target: z.string().nullable(),
  /** The record that a merge wrote or found, or from which a tuning starts; null before, and of other jobs. */
  merge: z.string().nullable(),
});
export type JobStatus = z.infer<typeof job>;

/** What the person arranged on a page; survives hiding, reload and restart. Data is never part of it. */
export const arrangementSchema = z.object({
  version: z.literal(1),
  study: z.string().nullable().default(null),
  deltaName: z.string().nullable().default(null),
  method: z.enum(SCORE_METHODS).nullable().default(null),
  granularity: z.enum(GRANULARITIES).default('model'),
  part: z.string().nullable().default(null),
  order: z.enum(['study', 'group', 'clustering', 'value']).default('group'),
  /** Of the bars of averaging weights. */
  weightOrder: z.enum(['value', 'group', 'study']).default('value'),
  colour: z.enum(['value', 'rank', 'weight']).default('value'),
  target: z.string().nullable().default(null),
  source: z.string().nullable().default(null),
  /** null: the study's. */
  temperature: z.number().nullable().default(null),
  shownVersion: version.default(null),
  /** undefined: nothing to compare with. */
  comparedVersion: version.optional(),
  display: z.enum(['picture', 'table']).default('picture'),
  table: z.string().nullable().default(null),
  split: z.enum(['test', 'dev']).default('test'),
  figure: z.enum(['value', 'gain-random', 'gain-average']).default('value'),
  sort: z.object({ column: z.string(), descending: z.boolean() }).nullable().default(null),
  filter: z.string().default(''),
  hidden: z.array(z.string()).default([]),
  runs: z.array(z.string()).default([]),
  curve: z.enum(['train', 'dev']).default('train'),
});
export type Arrangement = z.infer<typeof arrangementSchema>;

/** Some properties of an arrangement: what another panel is to show, the rest of its own arrangement left alone. */
const arrangementPatchSchema = z
  .record(z.string(), z.unknown())
  .transform((patch, context): Partial<Arrangement> => {
    const parsed = arrangementSchema.safeParse({ version: 1, ...patch });
    if (parsed.success) {
      const known = Object.entries(parsed.data).filter(([name]) => name in patch);
      return Object.fromEntries(known);
    }
    context.addIssue({ code: 'custom', message: parsed.error.issues[0]?.message ?? '' });
    return z.NEVER;
  });

const place = z.object({ version, target: z.string(), source: z.string(), matrix: z.string() });

/** Requests of the page with the schema of each answer. */
export const REQUESTS = {
  study: { parameters: z.object({ version }), answer: studyView },
  matrix: { parameters: z.object({ version, id: z.string() }), answer: matrixValues },
  curves: { parameters: z.object({ version, runs: z.array(z.string()) }), answer: z.array(curve) },
  /** Commits in which any of these files or folders of the study or merges of a target changed, and those of these hashes. */
  history: {
    parameters: z.object({
      paths: z.array(z.string()),
      /** Whose merges are wanted too; null: none are. */
      target: z.string().nullable(),
      hashes: z.array(z.string()),
    }),
    answer: history,
  },
  merge: {
    parameters: z.object({
      target: z.string(),
      deltaName: z.string(),
      method: z.enum(SCORE_METHODS),
      granularity: z.enum(GRANULARITIES),
      /** undefined with block or layer: every part by its own weights. */
      part: z.string().optional(),
      temperature: z.number().positive(),
    }),
    answer: job,
  },
  /** Tunes the target from a merge that is on record, with the study's settings. */
  tuneFrom: { parameters: z.object({ merge: z.string() }), answer: z.null() },
  cancel: { parameters: z.object({ job: z.string() }), answer: z.boolean() },
  /** From a cell to what it was made from. */
  openCell: {
    parameters: place.extend({ what: z.enum(['checkpoint', 'record', 'log', 'data', 'scores']) }),
    answer: z.null(),
  },
  openRun: {
    parameters: z.object({ run: z.string(), what: z.enum(['checkpoint', 'record', 'log']) }),
    answer: z.null(),
  },
  openCommit: { parameters: z.object({ commit: z.string() }), answer: z.null() },
  openPanel: {
    parameters: z.object({ kind: z.enum(PANEL_KINDS), patch: arrangementPatchSchema }),
    answer: z.null(),
  },
  commitResults: { parameters: z.object({}), answer: z.null() },
  score: { parameters: z.object({}), answer: z.null() },
  copy: { parameters: z.object({ text: z.string(), what: z.string() }), answer: z.null() },
  /** Asks for a place and writes; false when the person thought better of it. */
  save: {
    parameters: z.object({ name: z.string(), content: z.union([z.string(), z.instanceof(Uint8Array)]) }),
    answer: z.boolean(),
  },
} as const;
export type RequestKind = keyof typeof REQUESTS;
export type Parameters<Kind extends RequestKind> = z.infer<(typeof REQUESTS)[Kind]['parameters']>;
export type Answer<Kind extends RequestKind> = z.infer<(typeof REQUESTS)[Kind]['answer']>;

/** What the page posts. */
export const pageMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  /** What the person arranged, a moment after. */
  z.object({ type: z.literal('arranged'), arrangement: arrangementSchema }),
  z.object({
    type: z.literal('request'),
    id: z.number(),
    kind: z.string(),
    parameters: z.unknown(),
  }),
]);
export type PageMessage = z.infer<typeof pageMessageSchema>;

const failure = z.object({ message: z.string(), remedy: z.string().optional(), code: z.string() });
export type Failure = z.infer<typeof failure>;

/** What the host posts. */
export const hostMessageSchema = z.discriminatedUnion('type', [
  /** The working tree as it is now: first after `ready`, again whenever records change on disk. */
  z.object({ type: z.literal('study'), study: studyView.nullable() }),
  z.discriminatedUnion('ok', [
    z.object({ type: z.literal('answer'), id: z.number(), ok: z.literal(true), value: z.unknown() }),
    z.object({ type: z.literal('answer'), id: z.number(), ok: z.literal(false), error: failure }),
  ]),
  /** A job of this study moved on. */
  z.object({ type: z.literal('job'), job }),
  /** New points of a running tuning. */
  z.object({ type: z.literal('curve'), curve }),
  /** A command asked to see something in this panel: some properties of an arrangement. */
  z.object({ type: z.literal('arrange'), patch: z.record(z.string(), z.unknown()) }),
  /** After a restart: how this panel was arranged last, in place of what the page knows of it. */
  z.object({ type: z.literal('restore'), arrangement: arrangementSchema }),
]);
export type HostMessage = z.infer<typeof hostMessageSchema>;
