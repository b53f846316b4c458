import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/model/random.js';
import { contentOfStudy, copyInputs, writeTinyStudy } from './tiny-study.js';

export interface Ended {
  /** null: a signal ended it. */
  readonly code: number | null;
  readonly milliseconds: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line, sending a signal after `after` milliseconds if it lasts that long. */
export async function runCli(
  cli: string,
  args: readonly string[],
  kill?: { readonly signal: NodeJS.Signals; readonly after: number },
): Promise<Ended> {
  const started = performance.now();
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  if (kill !== undefined) {
    await Promise.race([ended, sleep(kill.after)]);
    child.kill(kill.signal);
  }
  const code = await ended;
  return { code, milliseconds: performance.now() - started, stdout, stderr };
}

/**
 * Kills a small study with SIGKILL at random moments until it was killed often enough, lets it finish, and compares every
 * byte with an undisturbed run. A study that finishes before is compared and begun again.
 *
 * @throws Error naming the files that differ, or with what a run printed that did not continue
 */
export async function compareKilledRuns(
  cli: string,
  {
    kills,
    seed,
    log,
  }: { readonly kills: number; readonly seed: number; readonly log: (line: string) => void },
): Promise<void> {
  const random = new Random(seed);
  const root = await mkdtemp(join(tmpdir(), 'deltaloom-crash-'));
  const [calm, disturbed] = [join(root, 'calm'), join(root, 'disturbed')];
  const run = (study: string, after?: number): Promise<Ended> =>
    runCli(
      cli,
      ['run', '--study', study, '--device', 'cpu', '--threads', '1'],
      after === undefined ? undefined : { signal: 'SIGKILL', after },
    );
  try {
    await writeTinyStudy(calm);
    await copyInputs(calm, disturbed);
    const whole = await run(calm);
    if (whole.code !== 0) throw new Error(`the undisturbed run failed:\n${whole.stderr}`);
    log(`undisturbed: ${(whole.milliseconds / 1000).toFixed(1)} s`);
    for (let done = 0; ;) {
      // Mostly early, so that it takes many kills to get through.
      const moment = 300 + random.uniform() ** 2 * whole.milliseconds * 0.6;
      const ended = await run(disturbed, done < kills ? moment : undefined);
      if (ended.code === null) {
        done++;
        log(`kill ${done} after ${moment.toFixed(0)} ms`);
        continue;
      }
      if (ended.code !== 0) throw new Error(`it did not continue:\n${ended.stderr}`);
      await compare(calm, disturbed);
      log('finished: the same bytes as the undisturbed run');
      if (done >= kills) return;
      await rm(join(disturbed, '.deltaloom'), { recursive: true });
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function compare(calm: string, disturbed: string): Promise<void> {
  const [expected, found] = [await contentOfStudy(calm), await contentOfStudy(disturbed)];
  const differing = [...new Set([...expected.keys(), ...found.keys()])].filter(
    (name) => expected.get(name) !== found.get(name),
  );
  if (differing.length > 0) throw new Error(`these files differ:\n${differing.join('\n')}`);
}
