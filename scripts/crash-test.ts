// Kills a small study with SIGKILL at random moments and compares every byte with an undisturbed run:
//   npm run crash-test [-- --kills 20 --seed 1]
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compareKilledRuns } from '../test/support/killed-runs.js';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } },
});
await compareKilledRuns(fileURLToPath(new URL('../dist/cli.js', import.meta.url)), {
  kills: Number(values.kills),
  seed: Number(values.seed),
  log: console.log,
});
