import { defaultTemperature } from '../core/averaging-weights.js';
import type { ScoreMethod } from '../core/methods.js';
import type { StudyConfiguration } from './configuration.js';
import type { ScoreMatrix } from './records.js';

/** The study's own temperatures for the scores of one delta, by method; none without a configuration. */
export function configuredTemperatures(
  configuration: StudyConfiguration | null,
  deltaName: string,
): Partial<Record<ScoreMethod, number>> {
  if (configuration === null) return {};
  const { temperatures, temperaturesByDelta: own } = configuration.weights;
  return { ...temperatures, ...(Object.hasOwn(own, deltaName) ? own[deltaName] : {}) };
}

/** The temperature at which a matrix becomes weights unless one is named: the study's, or the method's. */
export function temperatureOf(
  { method, deltaName, compatibility }: Pick<ScoreMatrix, 'method' | 'deltaName' | 'compatibility'>,
  configuration: StudyConfiguration | null,
): number {
  return (
    configuredTemperatures(configuration, deltaName)[method] ?? defaultTemperature(method, compatibility)
  );
}
