import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { DeltaloomError } from '../src/core/errors.js';
import { DEVICE_IDS, type DeviceId } from '../src/engine/contract.js';
import { openEngine } from '../src/engine/index.js';
import { GOLDEN_CHECKS, loosenessOf, summarise } from '../test/golden/golden-checks.js';

/**
 * `npm run golden -- DIR [--device cpu] [--only models]`: checks a golden folder and prints the largest difference per quantity.
 * Ends with 1 where one is beyond its tolerance.
 */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      device: { type: 'string', default: 'cpu' },
      only: { type: 'string' },
    },
    allowPositionals: true,
  });
  const [folder] = positionals;
  const device = DEVICE_IDS.find((id) => id === values.device);
  if (folder === undefined || (device === undefined && values.device !== 'auto')) {
    console.error(
      `Usage: npm run golden -- DIR [--device ${['auto', ...DEVICE_IDS].join('|')}] [--only CHECK]`,
    );
    return 2;
  }
  return check(resolve(folder), device ?? 'auto', values.only);
}

async function check(folder: string, device: DeviceId | 'auto', only: string | undefined): Promise<number> {
  const engine = await openEngine({ device, log: (message) => console.error(message) });
  const looseness = loosenessOf(engine);
  console.log(`${folder} on ${engine.device.title}, tolerances x ${looseness}`);
  let failures = 0;
  for (const { name, run } of GOLDEN_CHECKS) {
    if (only !== undefined && only !== name) continue;
    const started = performance.now();
    const summaries = summarise(await run({ folder, engine, looseness }));
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
