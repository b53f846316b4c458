import type { Random } from '../../src/model/random.js';
import { chance, pick, pickSeveral } from './language.js';
import { POLARITY_LABELS, REVIEW_DOMAINS, VERDICT_LABELS } from './lexicon.js';
import { comparisonOf, factSentence, factsOf, type Fact, type FactKind, type Measure } from './sentences.js';

export interface TaskExample {
  readonly input: string;
  readonly answer: string;
}

export interface SampleTask {
  readonly name: string;
  readonly group: string;
  /** Answers that every sample holds equally often; null where answers are free. */
  readonly labels: readonly [string, string] | null;
  /** `label` is asked for where `labels` are; it is one of them. */
  readonly example: (random: Random, label: string) => TaskExample;
}

/** Facts in a question: three, so that guessing among them gives a third. */
const FACTS = 3;

/** Two parts of a thing, one praised and one blamed: the verdict on the one that is asked for. */
function reviewTask(kind: keyof typeof REVIEW_DOMAINS): SampleTask {
  const domain = REVIEW_DOMAINS[kind];
  return {
    name: `${kind}_reviews`,
    group: 'sentiment',
    labels: POLARITY_LABELS,
    example: (random, label) => {
      const [asked = '', other = ''] = pickSeveral(random, domain.aspects, 2);
      const isGood = label === 'positive';
      const sentences = [
        `The ${asked} was ${pick(random, isGood ? domain.good : domain.bad)}.`,
        `The ${other} was ${pick(random, isGood ? domain.bad : domain.good)}.`,
      ];
      if (chance(random, 0.3)) sentences.push(pick(random, domain.neutral));
      return { input: `${random.shuffle(sentences).join(' ')} The ${asked}?`, answer: label };
    },
  };
}

function questionTask(
  name: string,
  kind: FactKind,
  ask: (fact: { subject: string; value: string }) => string,
  answer: 'subject' | 'value',
): SampleTask {
  return {
    name,
    group: 'questions',
    labels: null,
    example: (random) => {
      const facts = factsOf(random, kind, FACTS);
      const asked = pick(random, facts);
      return {
        input: [...facts.map(({ sentence }) => sentence), ask(asked)].join(' '),
        answer: asked[answer],
      };
    },
  };
}

function comparisonTask(
  name: string,
  measure: Measure,
  question: string,
  answer: 'larger' | 'smaller',
): SampleTask {
  return {
    name,
    group: 'comparison',
    labels: null,
    example: (random) => {
      const comparison = comparisonOf(random, measure);
      return { input: [...comparison.sentences, question].join(' '), answer: comparison[answer] };
    },
  };
}

function checkingTask(name: string, kind: FactKind): SampleTask {
  return {
    name,
    group: 'checking',
    labels: VERDICT_LABELS,
    example: (random, label) => {
      const [asked, other] = factsOf(random, kind, 2) as [Fact, Fact];
      const facts = random.shuffle([asked, other]);
      const claimed = factSentence(kind, asked.subject, label === 'correct' ? asked.value : other.value);
      return {
        input: `${facts.map(({ sentence }) => sentence).join(' ')} Check: ${claimed}`,
        answer: label,
      };
    },
  };
}

/**
 * The study's tasks. Siblings of a group share a skill and differ in words, so that each knows a part of what a new sibling
 * needs. `who_has_fewer` is the odd one: it reads like `who_has_more` and wants the opposite.
 */
export const SAMPLE_TASKS: readonly SampleTask[] = [
  reviewTask('film'),
  reviewTask('hotel'),
  reviewTask('meal'),
  reviewTask('phone'),
  questionTask('where_is', 'place', ({ subject }) => `Where is ${subject}?`, 'value'),
  questionTask('who_is_there', 'place', ({ value }) => `Who is in the ${value}?`, 'subject'),
  questionTask('what_has', 'possession', ({ subject }) => `What does ${subject} have?`, 'value'),
  questionTask('what_colour', 'colour', ({ subject }) => `What colour is the ${subject}?`, 'value'),
  comparisonTask('who_is_older', 'age', 'Who is older?', 'larger'),
  comparisonTask('what_is_longer', 'length', 'What is longer?', 'larger'),
  comparisonTask('what_is_heavier', 'weight', 'What is heavier?', 'larger'),
  comparisonTask('who_has_more', 'count', 'Who has more?', 'larger'),
  comparisonTask('who_has_fewer', 'count', 'Who has fewer?', 'smaller'),
  checkingTask('check_where', 'place'),
  checkingTask('check_has', 'possession'),
  checkingTask('check_colour', 'colour'),
];
