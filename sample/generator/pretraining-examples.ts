import type { Random } from '../../src/model/random.js';
import { auxiliaryExample } from './auxiliary.js';
import { corpusDocument, withoutMarks } from './corpus.js';
import { chance } from './language.js';

/** Share of span corruption; the rest are auxiliary tasks. */
const SPAN_CORRUPTION = 0.7;
/** Share of words that span corruption hides. */
const HIDDEN = 0.15;
const LONGEST_SPAN = 3;
/** How often a word that follows from the rest is among them. */
const TELLING = 0.85;

export interface TextPair {
  readonly input: string;
  readonly target: string;
}

/** One example of pretraining, as text: what the encoder reads and what the decoder must say. */
export function pretrainingExample(random: Random): TextPair {
  if (chance(random, SPAN_CORRUPTION)) return corruptSpans(random, corpusDocument(random));
  const { name, input, answer } = auxiliaryExample(random);
  return taskPair(name, input, answer);
}

/** The form in which the study presents its examples (METHODS, after the reference code). */
export function taskPair(name: string, input: string, answer: string): TextPair {
  return { input: ` [${name}] ${input}`, target: `<extra_id_0>${answer}` };
}

/**
 * T5's span corruption on words: hidden spans become sentinels in the input and are spelled out in the target. Most of the time one
 * of them is a word in `{braces}`: one that follows from the rest of the text, so that guessing it is worth learning.
 */
export function corruptSpans(random: Random, text: string): TextPair {
  const marked = text.match(/\{[A-Za-z0-9]+\}|[A-Za-z0-9]+|[^\sA-Za-z0-9]/g) ?? [];
  const words = marked.map(withoutMarks);
  const hidden = new Array<boolean>(words.length).fill(false);
  let left = Math.max(1, Math.round(words.length * HIDDEN));
  const hide = (start: number, length: number): void => {
    for (let at = start; at < Math.min(start + length, words.length); at++) {
      if (!hidden[at]) left--;
      hidden[at] = true;
    }
  };
  const telling = [...marked.keys()].filter((at) => marked[at]?.startsWith('{'));
  if (telling.length > 0 && chance(random, TELLING)) {
    left = 0;
    for (const at of telling) hide(at, 1);
  }
  while (left > 0) hide(random.below(words.length), 1 + random.below(Math.min(LONGEST_SPAN, left)));
  const input: string[] = [];
  const target: string[] = [];
  let sentinel = 0;
  for (const [at, word] of words.entries()) {
    if (hidden[at]) {
      if (!hidden[at - 1]) {
        input.push(`<extra_id_${sentinel}>`);
        target.push(`<extra_id_${sentinel}>`);
        sentinel++;
      }
      target.push(word);
    } else {
      input.push(word);
    }
  }
  return { input: joinWords(input), target: joinWords(target) };
}

/** Punctuation follows its word without a space; sentinels need none. */
function joinWords(words: readonly string[]): string {
  return words.join(' ').replace(/ ([.,?:/])/g, '$1');
}
