import { defaultTemperature, type Compatibility } from '../core/averaging-weights.js';
import type { ScoreMethod } from '../core/methods.js';
import type { StudyConfiguration } from './configuration.js';

/** The study's own temperatures for the scores of one delta, by method. */
export function configuredTemperatures(
  { temperatures, temperaturesByDelta: own }: StudyConfiguration['weights'],
  deltaName: string,
): Partial<Record<ScoreMethod, number>> {
  return { ...temperatures, ...(Object.hasOwn(own, deltaName) ? own[deltaName] : {}) };
}

/** The temperature at which a matrix becomes weights unless one is named: the study's, or the method's. */
export function temperatureOf(
  matrix: {
    readonly method: ScoreMethod;
    readonly deltaName: string;
    readonly compatibility: Compatibility;
  },
  configuration: StudyConfiguration | null,
): number {
  const { method, deltaName, compatibility } = matrix;
  const configured =
    configuration === null ? undefined : configuredTemperatures(configuration.weights, deltaName)[method];
  return configured ?? defaultTemperature(method, compatibility);
}
