import type { Random } from '../../src/model/random.js';
import { corpusDocument, withoutMarks } from './corpus.js';
import { chance, pick, pickSeveral } from './language.js';
import {
  AGREEMENT_DOMAINS,
  COLOURS,
  COUNTABLE,
  GENERAL_BAD,
  GENERAL_GOOD,
  VERDICT_LABELS,
  NAME_WORDS,
  NAMES,
  OBJECTS,
  PLACES,
  POLARITY_LABELS,
} from './lexicon.js';

/**
 * The auxiliary tasks of pretraining: they teach the backbone that an input can ask for something and how answers look.
 * None of them is a task of the study. Each kind has its own instruction inside the text, since the name in brackets is
 * random: an unseen name must not disturb a tuned model.
 */
export interface AuxiliaryExample {
  readonly name: string;
  readonly input: string;
  readonly answer: string;
}

const MIXED = [
  ...NAMES,
  ...PLACES,
  ...OBJECTS,
  ...COLOURS,
  ...COUNTABLE,
  ...POLARITY_LABELS,
  ...VERDICT_LABELS,
];
const TOPICS: readonly (readonly [string, readonly string[]])[] = [
  ['name', NAMES],
  ['place', PLACES],
  ['object', OBJECTS],
  ['colour', COLOURS],
  ['animal', AGREEMENT_DOMAINS.animal.nouns],
  ['person', AGREEMENT_DOMAINS.person.nouns],
  ['machine', AGREEMENT_DOMAINS.machine.nouns],
  ['praise', GENERAL_GOOD],
  ['blame', GENERAL_BAD],
];

const KINDS: readonly ((random: Random) => Omit<AuxiliaryExample, 'name'>)[] = [
  (random) => {
    const list = pickSeveral(random, MIXED, 1 + random.below(3));
    return { input: `Copy: ${list.join(' ')}`, answer: list.join(' ') };
  },
  (random) => {
    const list = pickSeveral(random, MIXED, 2 + random.below(2));
    return { input: `Reverse: ${list.join(' ')}`, answer: [...list].reverse().join(' ') };
  },
  (random) => {
    const list = pickSeveral(random, MIXED, 3 + random.below(3));
    return { input: `${list.join(' ')}. First word?`, answer: list[0] ?? '' };
  },
  (random) => {
    const list = pickSeveral(random, MIXED, 3 + random.below(3));
    return { input: `${list.join(' ')}. Last word?`, answer: list.at(-1) ?? '' };
  },
  (random) => {
    const list = pickSeveral(random, MIXED, 3 + random.below(3));
    const at = random.below(list.length - 1);
    return { input: `${list.join(' ')}. After ${list[at] ?? ''}?`, answer: list[at + 1] ?? '' };
  },
  (random) => {
    const list = pickSeveral(random, MIXED, 3 + random.below(3));
    const at = 1 + random.below(list.length - 1);
    return { input: `${list.join(' ')}. Before ${list[at] ?? ''}?`, answer: list[at - 1] ?? '' };
  },
  (random) => {
    const [from = '', to = '', ...rest] = pickSeveral(random, MIXED, 4);
    const list = random.shuffle([from, ...rest]);
    return {
      input: `Replace ${from} by ${to}: ${list.join(' ')}`,
      answer: list.map((word) => (word === from ? to : word)).join(' '),
    };
  },
  (random) => {
    const list = pickSeveral(random, MIXED, 5);
    const isIn = chance(random, 0.5);
    const asked = isIn ? pick(random, list.slice(1)) : (list[0] ?? '');
    return { input: `${list.slice(1).join(' ')}. Contains ${asked}?`, answer: isIn ? 'yes' : 'no' };
  },
  (random) => {
    const list = pickSeveral(random, MIXED, 3);
    const other = chance(random, 0.5);
    const second = other ? [...list.slice(0, 2), pick(random, MIXED)] : list;
    const isSame = second.join() === list.join();
    return {
      input: `${list.join(' ')} / ${second.join(' ')}. Same?`,
      answer: isSame ? 'same' : 'different',
    };
  },
  (random) => {
    const [topic, list] = pick(random, TOPICS);
    return { input: `${pickSeveral(random, list, 2).join(' ')}. Topic?`, answer: topic };
  },
  (random) => {
    const [[, many], [, one]] = pickSeveral(random, TOPICS, 2) as [
      (typeof TOPICS)[number],
      (typeof TOPICS)[number],
    ];
    const odd = pick(random, one);
    const list = random.shuffle([...pickSeveral(random, many, 3), odd]);
    return { input: `${list.join(' ')}. Odd one?`, answer: odd };
  },
  (random) => {
    const list = pickSeveral(random, MIXED, 3);
    const gone = pick(random, list);
    return {
      input: `Drop ${gone}: ${list.join(' ')}`,
      answer: list.filter((word) => word !== gone).join(' '),
    };
  },
  (random) => {
    const first = withoutMarks(corpusDocument(random)).split('. ')[0] ?? '';
    const second = withoutMarks(corpusDocument(random)).split('. ')[0] ?? '';
    const isSame = chance(random, 0.5);
    return { input: `${first} / ${isSame ? first : second}. Same?`, answer: isSame ? 'same' : 'different' };
  },
];

export const AUXILIARY_KINDS = KINDS.length;

/** One example; `kind` fixes which of the tasks. */
export function auxiliaryExample(random: Random, kind = random.below(KINDS.length)): AuxiliaryExample {
  const make = KINDS[kind];
  if (make === undefined) throw new RangeError(`There are ${KINDS.length} kinds, not ${kind}.`);
  return { name: randomName(random), ...make(random) };
}

/** One to three words joined by `_`, as task names are. */
export function randomName(random: Random): string {
  return pickSeveral(random, NAME_WORDS, 1 + random.below(3)).join('_');
}
