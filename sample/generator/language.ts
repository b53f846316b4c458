import type { Random } from '../../src/model/random.js';

/** One of the items, each as likely. */
export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new RangeError('Nothing to pick from.');
  return item;
}

/** `count` different items, in random order. */
export function pickSeveral<T>(random: Random, items: readonly T[], count: number): T[] {
  if (count > items.length) throw new RangeError(`Cannot pick ${count} of ${items.length}.`);
  return random.shuffle([...items]).slice(0, count);
}

/** True with this probability. */
export function chance(random: Random, probability: number): boolean {
  return random.uniform() < probability;
}

export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `a cup`, `an anvil`. */
export function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}
