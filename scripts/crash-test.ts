// Kills a small study with SIGKILL at random moments until it is done, and compares every byte with an undisturbed run:
//   npm run crash-test [-- --kills 20 --seed 1]
// Needs dist/cli.js (npm run build).
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random } from '../src/model/random.js';
import { contentOfStudy, copyInputs, writeTinyStudy } from '../test/support/tiny-study.js';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } },
});
const kills = Number(values.kills);
const random = new Random(Number(values.seed));
const cli = new URL('../dist/cli.js', import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly killed: boolean;
  readonly milliseconds: number;
  readonly stderr: string;
}

/** Runs the study, killing it after `killAfter` milliseconds if it is given and the run lasts that long. */
async function run(study: string, killAfter: number | null): Promise<Ended> {
  const started = performance.now();
  const child = spawn(process.execPath, [cli, 'run', '--study', study, '--device', 'cpu', '--threads', '1'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let killed = false;
  if (killAfter !== null) {
    const first = await Promise.race([ended.then(() => 'ended'), sleep(killAfter).then(() => 'time')]);
    if (first === 'time') killed = child.kill('SIGKILL');
  }
  const code = await ended;
  return { code, killed: killed && code === null, milliseconds: performance.now() - started, stderr };
}

const root = await mkdtemp(join(tmpdir(), 'deltaloom-crash-'));
try {
  const calm = join(root, 'calm');
  const disturbed = join(root, 'disturbed');
  await writeTinyStudy(calm);
  await copyInputs(calm, disturbed);
  const whole = await run(calm, null);
  if (whole.code !== 0) throw new Error(`the undisturbed run failed:\n${whole.stderr}`);
  console.log(`undisturbed: ${(whole.milliseconds / 1000).toFixed(1)} s`);

  let done = 0;
  let last: Ended;
  do {
    // From the start of the process to the end of what is left; mostly early, so that there are many kills.
    const moment = 300 + random.uniform() ** 2 * whole.milliseconds * 0.6;
    last = await run(disturbed, done < kills ? moment : null);
    if (!last.killed && last.code !== 0) throw new Error(`it did not continue:\n${last.stderr}`);
    if (last.killed) done++;
    console.log(last.killed ? `kill ${done} after ${moment.toFixed(0)} ms` : 'finished');
    if (!last.killed && done < kills) {
      // Finished before all kills were spent: begin again.
      await compare(calm, disturbed);
      await rm(join(disturbed, '.deltaloom'), { recursive: true });
    }
  } while (last.killed || done < kills);
  await compare(calm, disturbed);
  console.log(`${done} kills: the same bytes as the undisturbed run`);
} finally {
  await rm(root, { recursive: true, force: true });
}

async function compare(calm: string, disturbed: string): Promise<void> {
  const [expected, found] = [await contentOfStudy(calm), await contentOfStudy(disturbed)];
  const differing = [...new Set([...expected.keys(), ...found.keys()])].filter(
    (name) => expected.get(name) !== found.get(name),
  );
  if (differing.length > 0) throw new Error(`these files differ:\n${differing.join('\n')}`);
}
