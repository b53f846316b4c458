import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { DeltaloomError } from '../src/core/errors.js';
import { DEVICE_IDS, type DeviceId } from '../src/engine/contract.js';
import { openEngine } from '../src/engine/index.js';
import { GOLDEN_CHECKS, loosenessOf, summarise, type GoldenContext } from '../test/golden/golden-checks.js';
import { GOLDEN_DELTA_TYPES, GOLDEN_MODELS } from '../test/golden/golden-folder.js';

/**
 * `npm run golden -- DIR [--device cpu] [--only models] [--model modelA] [--delta lora]`: checks a golden folder and prints the
 * largest difference per quantity. Ends with 1 where one is beyond its tolerance. A slow device (SwiftShader takes minutes for a
 * delta) can be asked for one model and one delta at a time.
 */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      device: { type: 'string', default: 'cpu' },
      only: { type: 'string' },
      model: { type: 'string' },
      delta: { type: 'string' },
    },
    allowPositionals: true,
  });
  const [folder] = positionals;
  const device = DEVICE_IDS.find((id) => id === values.device);
  const checks = GOLDEN_CHECKS.filter(({ name }) => values.only === undefined || name === values.only);
  const models = GOLDEN_MODELS.filter((name) => values.model === undefined || name === values.model);
  const deltas = GOLDEN_DELTA_TYPES.filter((type) => values.delta === undefined || type === values.delta);
  const nothing = [checks, models, deltas].some(({ length }) => length === 0);
  if (folder === undefined || nothing || (device === undefined && values.device !== 'auto')) {
    console.error(
      `Usage: npm run golden -- DIR [--device ${['auto', ...DEVICE_IDS].join('|')}] [--only ${GOLDEN_CHECKS.map(({ name }) => `'${name}'`).join('|')}] [--model ${GOLDEN_MODELS.join('|')}] [--delta ${GOLDEN_DELTA_TYPES.join('|')}]`,
    );
    return 2;
  }
  const begun = (part: string) => console.error(`  ${part}`);
  return check(resolve(folder), device ?? 'auto', checks, { models, deltas, begun });
}

async function check(
  folder: string,
  device: DeviceId | 'auto',
  checks: typeof GOLDEN_CHECKS,
  chosen: NonNullable<GoldenContext['chosen']>,
): Promise<number> {
  const engine = await openEngine({ device, log: (message) => console.error(message) });
  const looseness = loosenessOf(engine);
  console.log(`${folder} on ${engine.device.title}, tolerances x ${looseness}`);
  let failures = 0;
  for (const { name, run } of checks) {
    const started = performance.now();
    const summaries = summarise(await run({ folder, engine, looseness, chosen }));
    console.log(`\n${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    for (const { quantity, comparisons, worst, failed } of summaries) {
      failures += failed.length;
      const verdict = failed.length === 0 ? 'ok  ' : 'FAIL';
      const difference = worst.difference.toExponential(1);
      const count = comparisons > 1 ? ` (${comparisons} comparisons)` : '';
      console.log(
        `${verdict} ${difference.padStart(8)} of ${String(worst.tolerance).padEnd(8)} ${quantity}${count}`,
      );
      for (const each of failed.slice(1))
        console.log(`       ${each.difference.toExponential(1)} ${each.name}`);
    }
  }
  await engine.dispose();
  console.log(failures === 0 ? '\nAll within tolerance.' : `\n${failures} beyond tolerance.`);
  return failures === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof DeltaloomError ? error.line : error);
  process.exitCode = 2;
}
