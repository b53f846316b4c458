import type { Random } from '../../src/model/random.js';
import { capitalise, chance, pick, pickSeveral } from './language.js';
import {
  AGREEMENT_DOMAINS,
  LARGEST_NUMBER,
  REVIEW_DOMAINS,
  type AgreementDomain,
  type ReviewDomain,
} from './lexicon.js';
import {
  agreementSentence,
  comparisonOf,
  FACT_KINDS,
  factsOf,
  MEASURES,
  opinionSentence,
  type Fact,
  type FactKind,
  type Measure,
} from './sentences.js';

/**
 * The text that the backbone reads, with `{braces}` around words that follow from the rest of the text. It carries the knowledge that the tasks need (which words praise, which verb goes with
 * which noun, which number is larger, who is where) but none of their formats: no questions, no labels.
 */
export function corpusDocument(random: Random): string {
  const kind = random.uniform();
  if (kind < 0.12) return reviewDocument(random);
  if (kind < 0.5) return factDocument(random);
  if (kind < 0.78) return comparisonDocument(random);
  if (kind < 0.95) return agreementDocument(random);
  return countingDocument(random);
}

/** Opinions of one polarity, general and of the domain side by side: so words learn what they are worth. */
function reviewDocument(random: Random): string {
  const domain: ReviewDomain = pick(random, Object.values(REVIEW_DOMAINS));
  const isGood = chance(random, 0.5);
  const sentences = [
    opinionSentence(random, domain, isGood, 0.3),
    opinionSentence(random, domain, isGood, 0.3),
    pick(
      random,
      isGood
        ? [
            `I {loved} this ${domain.thing}.`,
            `We would {choose} this ${domain.thing} again.`,
            'I am {happy} with it.',
          ]
        : [
            `I {hated} this ${domain.thing}.`,
            `We would {avoid} this ${domain.thing}.`,
            'I am {sorry} we took it.',
          ],
    ),
  ];
  if (chance(random, 0.3)) sentences.push(pick(random, domain.neutral));
  return random.shuffle(sentences).join(' ');
}

/** Facts, then some of them again in the same or other words. */
function factDocument(random: Random): string {
  const kind = pick(random, FACT_KINDS);
  const facts = factsOf(random, kind, 2 + random.below(2));
  const recaps = pickSeveral(random, facts, 2).map((fact) => markOne(random, recapOf(random, kind, fact)));
  return [...facts.map(({ sentence }) => sentence), ...recaps].join(' ');
}

function recapOf(random: Random, kind: FactKind, { subject, value }: Fact): string {
  const start = pick(random, ['So', 'Now', 'Yes,']);
  return {
    place: `${start} {${subject}} is in the {${value}}.`,
    possession: `${start} {${subject}} has the {${value}}.`,
    colour: `${start} the {${subject}} is {${value}}.`,
  }[kind];
}

/** Two measured things and what follows. */
function comparisonDocument(random: Random): string {
  const measure = pick(random, MEASURES);
  const { sentences, larger, smaller } = comparisonOf(random, measure);
  return [...sentences, conclusionOf(random, measure, larger, smaller)].join(' ');
}

/** The thing or the word of comparison can be told from the numbers, never both: without the one the other is free. */
function conclusionOf(random: Random, measure: Measure, larger: string, smaller: string): string {
  const [more, less] = {
    age: ['is older', 'is younger'],
    length: ['is longer', 'is shorter'],
    weight: ['is heavier', 'is lighter'],
    count: ['has more', 'has fewer'],
  }[measure] as [string, string];
  const the = measure === 'length' || measure === 'weight' ? 'the ' : '';
  const [thing, word] = chance(random, 0.5) ? [larger, more] : [smaller, less];
  const said = word.replace(/\w+$/, '{$&}');
  return capitalise(markOne(random, `${the}{${thing}} ${said}.`));
}

/** Two subjects do the same: the second verb follows from the first and from its own subject. */
function agreementDocument(random: Random): string {
  const domain: AgreementDomain = pick(random, Object.values(AGREEMENT_DOMAINS));
  const verb = pick(random, domain.verbs);
  const second = agreementSentence(random, domain, verb);
  const marked = second.replace(new RegExp(` (${verb}s?) `), ' {$1} ');
  return `${agreementSentence(random, domain, verb)} ${marked}`;
}

/** Leaves the braces of one word, so that what is left tells it. */
function markOne(random: Random, text: string): string {
  const marks = text.match(/\{\w+\}/g) ?? [];
  const kept = random.below(marks.length);
  let at = 0;
  return text.replace(/\{(\w+)\}/g, (marked, word: string) => (at++ === kept ? marked : word));
}

/** Runs of numbers and their order. */
function countingDocument(random: Random): string {
  if (chance(random, 0.5)) {
    const length = 4 + random.below(4);
    const first = 1 + random.below(LARGEST_NUMBER - length);
    const told = 1 + random.below(length - 1);
    return Array.from({ length }, (_, index) =>
      index === told ? `{${first + index}}` : String(first + index),
    ).join(' ');
  }
  const low = 1 + random.below(LARGEST_NUMBER - 1);
  const high = low + 1 + random.below(LARGEST_NUMBER - low);
  return pick(random, [
    `${high} is {more} than ${low}.`,
    `${low} is {less} than ${high}.`,
    `${high} is {larger} than ${low} and ${low} is {smaller} than ${high}.`,
  ]);
}

/** The document as people read it. */
export function withoutMarks(text: string): string {
  return text.replace(/[{}]/g, '');
}
