import { SCORE_METHOD_INFO, SCORE_METHODS, type Granularity, type ScoreMethod } from '../../core/methods.js';
import { STRINGS } from '../strings.js';
import type { Choice } from './tune-choices.js';

/** The methods with what they cost; those of the last time are ticked. */
export function collectMethods(last: readonly string[]): Choice<ScoreMethod>[] {
  return SCORE_METHODS.map((id) => {
    const { title, summary, cost, needsTargetDelta } = SCORE_METHOD_INFO[id];
    const needs = needsTargetDelta ? `, ${STRINGS.score.needsTarget}` : '';
    return {
      label: title,
      description: `${STRINGS.score.cost[cost]}${needs}`,
      detail: summary,
      value: id,
      picked: last.includes(id),
    };
  });
}

/** The study's granularities that the methods have; a method without any of them brings its own. */
export function granularitiesFor(
  methods: readonly ScoreMethod[],
  configured: readonly Granularity[],
): Granularity[] {
  const wanted = new Set<Granularity>(configured);
  for (const method of methods) {
    const { granularities } = SCORE_METHOD_INFO[method];
    const [own] = granularities;
    if (own !== undefined && !granularities.some((granularity) => wanted.has(granularity))) wanted.add(own);
  }
  return [...wanted];
}
