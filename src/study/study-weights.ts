import type { Granularity, ScoreMethod } from '../core/methods.js';
import { readCatalogue, sourceTasks, taskNamed } from './catalogue.js';
import { loadStudy } from './load.js';
import { chooseWeights, type ChosenWeights, type MergeBy } from './merging/index.js';
import { StudyStore } from './store.js';
import { configuredTemperatures } from './temperatures.js';

/**
 * The weights that a merge for a target would have, from the records alone: no checkpoint needs to be here.
 *
 * @throws DeltaloomError as `chooseWeights` does, `task-unknown`
 */
export async function studyWeights(
  directory: string,
  request: { readonly target: string; readonly deltaName: string; readonly by: MergeBy },
): Promise<ChosenWeights> {
  const { configuration } = await loadStudy(directory);
  const tasks = await readCatalogue(directory, configuration);
  taskNamed(request.target, tasks);
  const store = new StudyStore(directory);
  const wanted = matrixOf(request.by);
  const matrix =
    wanted === null ? null : await store.readMatrix(request.deltaName, wanted.method, wanted.granularity);
  const sources = sourceTasks(configuration, tasks);
  return chooseWeights({
    target: request.target,
    by: request.by,
    compatibility: configuration.compatibility,
    // A matrix may hold columns that the study does not merge (any more), and lack some that were never scored.
    sources: matrix?.sources.filter((task) => sources.includes(task)) ?? sources,
    groups: configuration.groups,
    temperatures: configuredTemperatures(configuration, request.deltaName),
    matrix,
  });
}

function matrixOf(by: MergeBy): { method: ScoreMethod; granularity: Granularity } | null {
  if (by.kind === 'score') return by;
  return by.kind === 'best-source' ? { method: by.method, granularity: 'model' } : null;
}
