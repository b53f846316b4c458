import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { readCrossFitFile } from '../../src/formats/crossfit.js';
import { openSentencePieceModel } from '../../src/formats/sentencepiece-model.js';
import { readJsonFile } from '../../src/formats/text-file.js';
import { tokenizerFromJson } from '../../src/formats/tokenizer-json.js';
import { encodeWithEos, type Tokenizer } from '../../src/formats/tokenizer.js';
import { answerText, inputText } from '../../src/study/examples.js';
import { readGolden, splitFile, tokenizedSchema, type TokenizedSplit } from './golden-folder.js';
import type { Comparison } from './study-checks.js';

const encodeSchema = z.array(z.object({ text: z.string(), ids_with_eos: z.array(z.int()) }));
const decodeSchema = z.array(z.object({ ids: z.array(z.int()), text_skip_special_clean: z.string() }));
const UNLIMITED = 100_000;

/** Every line of the data, and the encode and decode cases, through both readers. The differences count wrong texts. */
export async function checkTokenizers(folder: string): Promise<Comparison[]> {
  const directory = join(folder, 'tokenizer');
  const json = join(directory, 'tokenizer.json.gz');
  const readers: [string, Tokenizer][] = [
    ['spiece.model', await openSentencePieceModel(join(directory, 'spiece.model'))],
    [
      'tokenizer.json',
      tokenizerFromJson(
        JSON.parse(gunzipSync(await readFile(json)).toString('utf8')),
        await readJsonFile(join(directory, 'tokenizer_config.json')),
        json,
      ),
    ],
  ];
  const comparisons: Comparison[] = [];
  for (const [reader, tokenizer] of readers) {
    const add = (quantity: string, wrong: number) =>
      comparisons.push({ name: `tokenizer/${reader}/${quantity}`, difference: wrong, tolerance: 0 });
    const encodeCases = await readGolden(encodeSchema, directory, 'encode_cases.json');
    const decodeCases = await readGolden(decodeSchema, directory, 'decode_cases.json');
    add(
      'encode cases',
      count(encodeCases, ({ text, ids_with_eos }) =>
        isSame(encodeWithEos(tokenizer, text, UNLIMITED), ids_with_eos),
      ),
    );
    add(
      'decode cases',
      count(
        decodeCases,
        ({ ids, text_skip_special_clean: text }) => tokenizer.decode(ids).trim() === text.trim(),
      ),
    );
    add('data lines', await wrongLines(folder, tokenizer));
  }
  return comparisons;
}

async function wrongLines(folder: string, tokenizer: Tokenizer): Promise<number> {
  const tokenized = await readGolden(tokenizedSchema, folder, 'data', 'tokenized.json');
  let wrong = 0;
  for (const [task, splits] of Object.entries(tokenized.tasks)) {
    for (const [split, expected] of Object.entries(splits)) {
      const { examples } = await readCrossFitFile(splitFile(folder, task, split));
      if (examples.length !== expected.input_ids.length) wrong++;
      const inputs = examples.map(({ input }) => inputText(task, input));
      const answers = examples.flatMap((example) => example.answers.map(answerText));
      wrong += wrongTexts(tokenizer, inputs, tokenized.max_input_length, expected.input_ids);
      wrong += wrongTexts(tokenizer, answers, tokenized.max_output_length, flattened(expected));
    }
  }
  return wrong;
}

function flattened(split: TokenizedSplit): number[][] {
  return split.output_ids_flattened_over_all_answers;
}

function wrongTexts(
  tokenizer: Tokenizer,
  texts: readonly string[],
  maxLength: number,
  expected: readonly number[][],
): number {
  const wrong = count(texts, (text, i) => isSame(encodeWithEos(tokenizer, text, maxLength), expected[i]));
  return wrong + Math.abs(texts.length - expected.length);
}

function count<T>(items: readonly T[], isRight: (item: T, index: number) => boolean): number {
  return items.filter((item, index) => !isRight(item, index)).length;
}

function isSame(a: ArrayLike<number>, b: ArrayLike<number> | undefined): boolean {
  return b !== undefined && Array.from(a).join() === Array.from(b).join();
}
