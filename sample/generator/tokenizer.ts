import { auxiliaryExample } from './auxiliary.js';
import { corpusDocument } from './corpus.js';
import { LARGEST_NUMBER, NAME_WORDS, NAMES, PLACES, OBJECTS, COLOURS } from './lexicon.js';
import * as lexicon from './lexicon.js';
import { SAMPLE_TASKS } from './tasks.js';
import { Random } from '../../src/model/random.js';

/** `<extra_id_0>` to `<extra_id_31>`, the last ids, `<extra_id_0>` the very last, as in T5. */
export const SENTINELS = 32;

/** Log probabilities: a known word in one piece always beats the same word in letters. */
const SCORES = { word: -6, inner: -8, character: -16 } as const;

const SPACE = '\u2581';
const SPECIALS = ['<pad>', '</s>', '<unk>'] as const;

/**
 * The tokenizer of the sample backbone as the JSON of Hugging Face's `tokenizers`: a unigram model whose pieces are the words
 * of the sample world, with every printable ASCII character to fall back on, so that any English text can be written. Text is lowercased.
 */
export function sampleTokenizer(): unknown {
  const vocabulary: [string, number][] = SPECIALS.map((token) => [token, 0]);
  for (const word of wordsOfTheWorld()) vocabulary.push([SPACE + word, SCORES.word]);
  for (const word of [...new Set(NAME_WORDS)].sort()) vocabulary.push([word, SCORES.inner]);
  vocabulary.push([SPACE, SCORES.character]);
  for (let code = 0x21; code < 0x7f; code++) {
    const character = String.fromCharCode(code);
    if (character === character.toLowerCase()) vocabulary.push([character, SCORES.character]);
  }
  for (let sentinel = SENTINELS - 1; sentinel >= 0; sentinel--)
    vocabulary.push([`<extra_id_${sentinel}>`, 0]);
  const added = vocabulary.flatMap(([content], id) =>
    /^<(pad|\/s|unk|extra_id_\d+)>$/.test(content)
      ? [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }]
      : [],
  );
  const metaspace = {
    type: 'Metaspace',
    replacement: SPACE,
    add_prefix_space: true,
    prepend_scheme: 'always',
  };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    decoder: metaspace,
    model: { type: 'Unigram', unk_id: 2, byte_fallback: false, vocab: vocabulary },
  };
}

/** Every word that corpus, auxiliary tasks and study tasks write, lower case, in alphabetical order. */
function wordsOfTheWorld(): string[] {
  const random = new Random(1);
  const found = new Set<string>(['[']);
  const add = (text: string): void => {
    for (const word of text.toLowerCase().split(/[^a-z0-9]+/))
      if (word.length > 1 || /[ai\d]/.test(word)) found.add(word);
  };
  for (let number = 1; number <= LARGEST_NUMBER; number++) add(String(number));
  for (const list of [
    NAMES,
    PLACES,
    OBJECTS,
    COLOURS,
    NAME_WORDS,
    lexicon.COUNTABLE,
    lexicon.LONG_THINGS,
    lexicon.HEAVY_THINGS,
  ]) {
    list.forEach(add);
  }
  for (const list of [lexicon.GENERAL_GOOD, lexicon.GENERAL_BAD]) list.forEach(add);
  // What the grammars add to the lists (articles, verbs, questions, regular endings) shows in what they write.
  for (let index = 0; index < 30_000; index++) {
    add(corpusDocument(random));
    const { input, answer } = auxiliaryExample(random);
    add(`${input} ${answer}`);
  }
  for (const task of SAMPLE_TASKS) {
    for (let index = 0; index < 3000; index++) {
      const { input, answer } = task.example(random, task.labels?.[index % 2] ?? '');
      add(`${input} ${answer}`);
    }
  }
  found.delete('');
  return [...found].sort();
}
