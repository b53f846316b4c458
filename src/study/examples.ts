import { DeltaloomError } from '../core/errors.js';
import { readCrossFitFile, type CrossFitExample } from '../formats/crossfit.js';
import { Random } from '../model/random.js';
import type { Backbone, TokenisedExample } from './compute/contract.js';
import { relativeToStudy } from './paths.js';

/** From lines of a task file to tokens, with the prompts of the reference (fewshot_gym_singletask_t5.py). */

/** Examples of one split: text for the metrics, tokens for the model, in the order of the file. */
export interface Examples {
  readonly texts: readonly CrossFitExample[];
  readonly tokens: readonly TokenisedExample[];
}

export function inputText(task: string, input: string): string {
  return ` [${task}] ${input}`;
}

/** The decoder is asked for what the first sentinel stands for. */
export function answerText(answer: string): string {
  return `<extra_id_0>${answer}`;
}

export interface ReadingOptions {
  /** For messages: files are named relative to it. */
  readonly directory: string;
  readonly lengths: { readonly input: number; readonly output: number };
  /** Draw that many, by this seed; in the order of the file. */
  readonly draw?: { readonly count: number; readonly seed: number } | null;
  /** The first n only. */
  readonly first?: number | undefined;
  /** Told of what was tolerated. */
  readonly warn?: (warning: string) => void;
}

/**
 * Reads and tokenises a task file.
 *
 * @throws DeltaloomError of a file that can't be understood, with its line
 */
export async function readExamples(
  backbone: Backbone,
  task: string,
  file: string,
  options: ReadingOptions,
): Promise<Examples> {
  const { examples, warnings } = await readCrossFitFile(file).catch((error: unknown) => {
    throw namedInStudy(error, options.directory, file);
  });
  for (const warning of warnings)
    options.warn?.(warning.replace(file, relativeToStudy(options.directory, file)));
  const texts = select(examples, options);
  return { texts, tokens: texts.map((text, row) => tokenise(backbone, task, text, row, options.lengths)) };
}

/** Chooses `count` of the examples by a seed and leaves them in their order. */
export function drawExamples<Example>(examples: readonly Example[], count: number, seed: number): Example[] {
  if (count >= examples.length) return [...examples];
  const rows = new Random(seed).shuffle(examples.map((_, row) => row));
  const chosen = new Set(rows.slice(0, count));
  return examples.filter((_, row) => chosen.has(row));
}

function select(
  examples: readonly CrossFitExample[],
  { draw, first }: ReadingOptions,
): readonly CrossFitExample[] {
  const drawn =
    draw === undefined || draw === null ? examples : drawExamples(examples, draw.count, draw.seed);
  return first === undefined ? drawn : drawn.slice(0, first);
}

function tokenise(
  backbone: Backbone,
  task: string,
  { input, answers }: CrossFitExample,
  row: number,
  lengths: ReadingOptions['lengths'],
): TokenisedExample {
  return {
    row,
    input: backbone.encode(inputText(task, input), lengths.input),
    answers: answers.map((answer) => backbone.encode(answerText(answer), lengths.output)),
  };
}

function namedInStudy(error: unknown, directory: string, file: string): unknown {
  if (!(error instanceof DeltaloomError)) return error;
  return error.with({ place: { file: relativeToStudy(directory, file) } });
}
