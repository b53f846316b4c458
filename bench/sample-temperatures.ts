import { resolve } from 'node:path';
import { averagingWeights } from '../src/core/averaging-weights.js';
import { mean } from '../src/core/statistics.js';
import { readSnapshot } from '../src/study/snapshot.js';
import type { ScoreMatrix } from '../src/study/records.js';
import { argument } from '../scripts/console-job.js';

/**
 * The temperature at which a score's weights are worth as many equally weighted sources as asked for, on average over targets
 * (and blocks): how the sample's temperatures were chosen. It reads scores alone; no result of a tuning enters.
 *
 *   npx tsx bench/sample-temperatures.ts --study DIR [--effective 2.5]
 */
const study = resolve(argument('study') ?? 'sample');
const wanted = Number(argument('effective') ?? 2.5);
const { configuration, matrices } = await readSnapshot(study);
for (const matrix of matrices) {
  const { deltaName, method, granularity } = matrix;
  const inUse = configuration?.weights.temperatures[method];
  const now = inUse === undefined ? '-' : `${inUse} (${effectiveSources(matrix, inUse).toFixed(1)} sources)`;
  const found = temperatureFor(matrix).toPrecision(2);
  console.log(`${deltaName} ${method} ${granularity}: ${found} for ${wanted} sources; in use ${now}`);
}

/** By bisection of its logarithm: the effective number grows with the temperature. */
function temperatureFor(matrix: ScoreMatrix): number {
  let [low, high] = [1e-6, 1e3];
  while (high / low > 1.001) {
    const middle = Math.sqrt(low * high);
    if (effectiveSources(matrix, middle) < wanted) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}

function effectiveSources({ cells, targets, parts, direction }: ScoreMatrix, temperature: number): number {
  const rows = targets.flatMap((target) => {
    const own = cells.filter((cell) => cell.target === target);
    return parts.map((_, part) =>
      averagingWeights(
        target,
        own.map(({ source, values }) => ({ task: source, value: values[part] ?? null })),
        { direction, temperature },
      ),
    );
  });
  return mean(rows.map((row) => row.effectiveSources));
}
