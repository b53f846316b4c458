import type { Random } from '../../src/model/random.js';
import { capitalise, chance, pick, pickSeveral, withArticle } from './language.js';
import {
  COLOURS,
  COUNTABLE,
  GENERAL_BAD,
  GENERAL_GOOD,
  HEAVY_THINGS,
  LARGEST_NUMBER,
  LONG_THINGS,
  NAMES,
  OBJECTS,
  PLACES,
  type AgreementDomain,
  type ReviewDomain,
} from './lexicon.js';

/** The grammars that corpus and tasks share: they speak of one world. What they do with it differs. */

/** Something and what is said of it: `subject` and `value` are the words that a question can ask for. */
export interface Fact {
  readonly subject: string;
  readonly value: string;
  /** `Anna is in the kitchen.` */
  readonly sentence: string;
}

export const FACT_KINDS = ['place', 'possession', 'colour'] as const;
export type FactKind = (typeof FACT_KINDS)[number];

/** Facts of one kind with different subjects and different values. */
export function factsOf(random: Random, kind: FactKind, count: number): Fact[] {
  const [subjects, values] = {
    place: [NAMES, PLACES],
    possession: [NAMES, OBJECTS],
    colour: [OBJECTS, COLOURS],
  }[kind].map((list) => pickSeveral(random, list, count)) as [string[], string[]];
  return subjects.map((subject, index) => {
    const value = values[index] ?? '';
    return { subject, value, sentence: factSentence(kind, subject, value) };
  });
}

export function factSentence(kind: FactKind, subject: string, value: string): string {
  switch (kind) {
    case 'place':
      return `${subject} is in the ${value}.`;
    case 'possession':
      return `${subject} has ${withArticle(value)}.`;
    case 'colour':
      return `The ${subject} is ${value}.`;
  }
}

export const MEASURES = ['age', 'length', 'weight', 'count'] as const;
export type Measure = (typeof MEASURES)[number];

/** Two things measured: two sentences in random order, and who or what has more and less of it. */
export interface Comparison {
  readonly measure: Measure;
  readonly sentences: readonly [string, string];
  readonly larger: string;
  readonly smaller: string;
}

export function comparisonOf(random: Random, measure: Measure): Comparison {
  const things = { age: NAMES, length: LONG_THINGS, weight: HEAVY_THINGS, count: NAMES }[measure];
  const [larger = '', smaller = ''] = pickSeveral(random, things, 2);
  // From 2 on, so that every noun is plural.
  const low = 2 + random.below(LARGEST_NUMBER - 2);
  const high = low + 1 + random.below(LARGEST_NUMBER - low);
  const item = pick(random, COUNTABLE);
  const say = (thing: string, amount: number): string => {
    switch (measure) {
      case 'age':
        return `${thing} is ${amount} years old.`;
      case 'length':
        return `The ${thing} is ${amount} feet long.`;
      case 'weight':
        return `The ${thing} weighs ${amount} pounds.`;
      case 'count':
        return `${thing} has ${amount} ${item}.`;
    }
  };
  const sentences: [string, string] = [say(larger, high), say(smaller, low)];
  if (chance(random, 0.5)) sentences.reverse();
  return { measure, sentences, larger, smaller };
}

/** `The dogs near the barn run often.` */
export function agreementSentence(random: Random, domain: AgreementDomain, verb: string): string {
  const plural = chance(random, 0.5);
  const noun = pick(random, domain.nouns) + (plural ? 's' : '');
  const form = verb + (plural ? '' : 's');
  const landmark = pick(random, domain.landmarks) + (chance(random, 0.5) ? 's' : '');
  const preposition = pick(random, ['near', 'behind', 'beside', 'by']);
  const place = chance(random, 0.4) ? ` ${preposition} the ${landmark}` : '';
  return `The ${noun}${place} ${form} ${pick(random, domain.adverbs)}.`;
}

/** One sentence of praise or blame. `general` opens it to words that fit every domain. */
export function opinionSentence(
  random: Random,
  domain: ReviewDomain,
  isGood: boolean,
  general: number,
): string {
  const own = isGood ? domain.good : domain.bad;
  const common = isGood ? GENERAL_GOOD : GENERAL_BAD;
  const adjective = (): string => pick(random, chance(random, general) ? common : own);
  const [first = '', second = ''] = pickSeveral(random, domain.aspects, 2);
  switch (random.below(4)) {
    case 0:
      return `The ${first} was ${adjective()} and the ${second} was ${adjective()}.`;
    case 1:
      return `The ${first} was very ${adjective()}.`;
    case 2:
      return `${capitalise(withArticle(adjective()))} ${first} and ${withArticle(adjective())} ${second}.`;
    default:
      return `We found the ${first} ${adjective()}.`;
  }
}
