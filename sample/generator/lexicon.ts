/**
 * The words of the sample world. Everything the generator writes is made of them, so that the tokenizer knows every word
 * whole; lists are long enough that a task cannot be learned by heart.
 */

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

/** First names, written with a capital. */
export const NAMES = words(`
  Anna Tom Eve Paul Mary John Lucy Mark Rosa Peter Nina Oscar Clara Simon Julia Henry Alice Martin Laura David Emma Felix
  Sarah Victor Helen Max Irene Leo Diana Robert Grace Hugo Olga Frank Vera Adam Ruth Daniel Sofia George Maria Albert Jane
  Edgar Linda Oliver Kate Walter`);

export const PLACES = words(`
  kitchen garden market office library station harbour school museum park cellar attic forest church theatre hospital bakery
  castle village tower bridge stable studio gallery tunnel palace prison factory temple valley`);

export const OBJECTS = words(`
  cup ball lamp box key book coin hat ring bag knife plate chair bottle basket candle mirror pencil hammer ladder blanket
  letter map flute drum brush glove scarf bucket needle ticket button vase clock kettle pillow wallet helmet`);

export const COLOURS = words('red blue green yellow black white brown pink purple orange grey golden');

/** What one can own many of. */
export const COUNTABLE = words(
  'coins stamps books cards shells stones apples nuts marbles tickets pens eggs roses badges maps keys',
);

/** Things with a length. */
export const LONG_THINGS = words(`
  rope chain road river fence wall bridge cable tunnel snake ribbon pipe path train boat ladder beam canal pole table`);

/** Things with a weight. */
export const HEAVY_THINGS = words(`
  stone box barrel sack trunk anvil piano statue crate log parcel melon bicycle wheel desk bell anchor brick cannon stove`);

/** The largest number that occurs. */
export const LARGEST_NUMBER = 12;

/** Nouns and verbs of one domain: every noun goes with every verb. Plurals and third persons are regular. */
export interface AgreementDomain {
  readonly nouns: readonly string[];
  /** Base forms; the third person adds `s`. */
  readonly verbs: readonly string[];
  readonly adverbs: readonly string[];
  /** After `near the`, `behind the`, ...: singular or plural, adding `s`. */
  readonly landmarks: readonly string[];
}

export const AGREEMENT_DOMAINS = {
  animal: {
    nouns: words('dog cat cow horse bird frog goat lion tiger bear duck owl rabbit snake pig hen'),
    verbs: words('run sleep eat bark jump hide swim growl hunt drink roam climb rest dig'),
    adverbs: words('often outside quietly together again today'),
    landmarks: words('barn tree pond river fence hill'),
  },
  person: {
    nouns: words(
      'teacher doctor farmer singer painter baker sailor lawyer nurse writer driver actor king guard clerk poet',
    ),
    verbs: words('work talk sing smile read write dance listen travel cook laugh agree complain argue'),
    adverbs: words('loudly well every_day at_home gladly in_town').map((adverb) =>
      adverb.replaceAll('_', ' '),
    ),
    landmarks: words('window door desk shop statue table'),
  },
  machine: {
    nouns: words(
      'engine pump motor fan printer drill robot tractor crane lift radio heater scanner mixer truck rocket',
    ),
    verbs: words('hum rattle start stop spin vibrate heat leak turn beep shake overheat operate break'),
    adverbs: words('slowly at_night smoothly suddenly without_warning daily').map((adverb) =>
      adverb.replaceAll('_', ' '),
    ),
    landmarks: words('crate cable valve tank rack panel'),
  },
} as const satisfies Record<string, AgreementDomain>;

/** What a review of one domain talks about and how; `good` and `bad` are of this domain alone. */
export interface ReviewDomain {
  /** The thing as a whole. */
  readonly thing: string;
  /** Parts of it, singular. */
  readonly aspects: readonly string[];
  readonly good: readonly string[];
  readonly bad: readonly string[];
  /** Sentences without an opinion. */
  readonly neutral: readonly string[];
}

export const REVIEW_DOMAINS = {
  film: {
    thing: 'film',
    aspects: words('plot acting script ending music hero dialogue camera'),
    good: words('gripping moving witty clever thrilling touching inspired original'),
    bad: words('boring predictable silly shallow tedious confusing wooden pointless'),
    neutral: [
      'We saw it on Sunday.',
      'It lasts two hours.',
      'My sister chose it.',
      'The hall was half full.',
    ],
  },
  hotel: {
    thing: 'hotel',
    aspects: words('room bed lobby staff pool view bathroom service'),
    good: words('clean spacious quiet comfortable friendly cosy bright welcoming'),
    bad: words('dirty noisy cramped shabby rude damp smelly gloomy'),
    neutral: [
      'We stayed for two nights.',
      'It stands by the lake.',
      'We came by train.',
      'Our room was on the third floor.',
    ],
  },
  meal: {
    thing: 'meal',
    aspects: words('soup bread salad fish sauce dessert steak rice'),
    good: words('tasty fresh delicious crisp juicy tender fragrant creamy'),
    bad: words('stale bland greasy soggy burnt salty sour tough'),
    neutral: ['We ate at noon.', 'There were four of us.', 'It came with water.', 'We sat by the window.'],
  },
  phone: {
    thing: 'phone',
    aspects: words('screen battery speaker menu keyboard charger software case'),
    good: words('fast sharp reliable sturdy handy responsive durable smooth'),
    bad: words('slow fragile faulty clumsy flimsy blurry useless outdated'),
    neutral: [
      'I bought it in May.',
      'It came in a small box.',
      'My brother has one too.',
      'I use it at work.',
    ],
  },
} as const satisfies Record<string, ReviewDomain>;

/** Opinions that fit any domain. */
export const GENERAL_GOOD = words('great superb wonderful excellent lovely perfect amazing pleasant');
export const GENERAL_BAD = words('awful terrible dreadful horrible poor disappointing bad nasty');

/** Words of the names of tasks, the study's and the random ones of pretraining. The tokenizer knows them without a space too. */
export const NAME_WORDS = words(`
  film hotel meal phone reviews where who what is has there colour older longer heavier more fewer animal person machine grammar
  text word list set find pick show take give part line item mark sort check turn first last form kind name tell task game
  quick plain short open deep round test sample`);

/** The labels of the study's tasks. In pretraining they are words like any other, so that a decoder can say them. */
export const POLARITY_LABELS = ['positive', 'negative'] as const;
export const VERDICT_LABELS = ['correct', 'wrong'] as const;
