import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeProgress } from '../../src/cli/terminal.js';
import { shellWord } from '../../src/study/shell-word.js';
import { readSnapshot } from '../../src/study/snapshot.js';
import { compareKilledRuns, runCli } from '../support/killed-runs.js';
import { TINY_TUNING, writeTinyStudy } from '../support/tiny-study.js';

// The program as people run it, bundled like scripts/build.mjs does. Inside the repository: it finds its native module there.
const bundle = fileURLToPath(new URL('../../.cache/test-cli/cli.mjs', import.meta.url));
let root: string;
let study: string;

beforeAll(async () => {
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    logLevel: 'error',
    external: ['onnxruntime-node', '@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu'],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  root = await mkdtemp(join(tmpdir(), 'deltaloom-cli-'));
  study = join(root, 'study');
  await mkdir(study);
  await writeTinyStudy(study);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const deltaloom = (...args: string[]) => runCli(bundle, args);
const work = ['--device', 'cpu', '--threads', '1'];

it('names of tasks are quoted where a remedy is to be copied', () => {
  expect(shellWord('ai2_arc')).toBe('ai2_arc');
  expect(shellWord('last letter')).toBe('"last letter"');
  expect(shellWord('a"b$c')).toBe('"a\\"b\\$c"');
});

describe('the command line', { timeout: 300_000 }, () => {
  it('begins with a shebang and knows its version and commands', async () => {
    expect(await readFile(bundle, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect((await deltaloom('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = (await deltaloom('--help')).stdout;
    for (const name of ['init', 'check', 'tune', 'evaluate', 'score', 'weights', 'merge', 'run']) {
      expect(help).toContain(`  ${name} `);
    }
    for (const name of ['results', 'report', 'import', 'status', 'devices']) {
      expect(help).toContain(`  ${name} `);
    }
  });

  it('writes all of a long answer into a pipe', async () => {
    const long = join(root, 'long');
    await writeTinyStudy(long);
    const file = join(long, 'deltaloom.json');
    const configuration = JSON.parse(await readFile(file, 'utf8')) as object;
    const unknown = Array.from({ length: 3000 }, (_, i) => `unknown-${i}`);
    await writeFile(file, JSON.stringify({ ...configuration, groups: { unknown } }));
    const { stdout } = await deltaloom('check', '--study', long, '--json');
    expect(stdout.length).toBeGreaterThan(2 ** 19);
    expect(JSON.stringify(JSON.parse(stdout))).toContain('unknown-2999');
  });

  it('fails in one line without a stack trace, with the error as JSON when asked', async () => {
    const plain = await deltaloom('tune', '--study', study, '--task', 'cpy', ...work);
    expect(plain).toMatchObject({ code: 1, stdout: '' });
    expect(plain.stderr).toBe("deltaloom: The study has no task 'cpy'. Did you mean 'copy'?\n");
    const rate = await deltaloom('tune', '--study', study, '--all', '--learning-rate', '0', ...work);
    expect(rate).toMatchObject({ code: 1, stdout: '' });
    expect(rate.stderr).toMatch(/^deltaloom: The tuning setting 'learningRates' can't be 0: .+\n$/);
    const unknown = await deltaloom('tune', '--taks', 'copy', '--json');
    expect(unknown).toMatchObject({
      code: 1,
      stderr: "deltaloom: Unknown option '--taks'. Did you mean --task?\n",
    });
    expect(JSON.parse(unknown.stdout)).toMatchObject({ error: { code: 'command-line-invalid' } });
    const json = await deltaloom('weights', '--study', study, '--target', 'copy', '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'no-other-source' } });
  });

  it('does one thing after the other, and weighs what it scored', async () => {
    const tuned = await deltaloom(
      'tune',
      '--study',
      study,
      '--group',
      'letters',
      '--task',
      "it's",
      '--json',
      ...work,
    );
    expect(JSON.parse(tuned.stdout)).toMatchObject({
      ...{ computed: 3, reused: 0 },
      checkpoints: expect.arrayContaining([
        expect.stringMatching(/^\.deltaloom\/checkpoints\/last letter\/adapter\.source\..+\.safetensors$/),
      ]) as string[],
    });
    // One line a second at most: on a fast machine the first task's may be the only one.
    expect(tuned.stderr).toMatch(/\d+\/18 steps.*Tuning .+ \(adapter, full data, seed 42\)/);
    const scored = await deltaloom('score', '--study', study, '--method', 'loss', 'el2n', '--json', ...work);
    expect(JSON.parse(scored.stdout)).toMatchObject({ computed: 18 });
    const weights = await deltaloom('weights', '--study', study, '--target', 'copy', '--json');
    const { weights: rows, sources } = JSON.parse(weights.stdout) as {
      weights: number[][];
      sources: string[];
    };
    expect(sources).toEqual(["it's", 'last letter']);
    expect(rows[0]?.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    const merged = await deltaloom(
      ...['merge', '--study', study, '--target', 'copy', '--weights', "it's=0.25", 'last letter=0.75'],
    );
    // The file is said, since the next command may be given it.
    const [, file = ''] =
      /^Merged 2 sources for copy by explicit\.\n {2}(\S+\.safetensors)\n$/.exec(merged.stdout) ?? [];
    const evaluated = await deltaloom(
      ...['evaluate', '--study', study, '--task', 'copy', '--checkpoint', file, '--json', ...work],
    );
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ computed: 1 });
    const refused = await deltaloom('weights', '--study', study, '--target', 'copy', '--temperature', '-1');
    expect(refused.stderr).toContain('must be a number greater than 0');
    const unscored = await deltaloom(
      'merge',
      '--study',
      study,
      '--target',
      'copy',
      '--method',
      'kl-divergence',
    );
    expect(unscored.stderr).toContain(
      `Run: deltaloom score --study ${study} --method kl-divergence --target copy --delta adapter.`,
    );
  });

  it('stops on Ctrl-C, keeping what is finished, and continues', async () => {
    const args = ['run', '--study', study, ...work];
    const stopped = await runCli(bundle, args, { signal: 'SIGINT', after: 3000 });
    expect([0, 130]).toContain(stopped.code);
    if (stopped.code === 130) expect(stopped.stderr).toContain('The same command continues.');
    expect((await deltaloom(...args)).code).toBe(0);
    const again = await deltaloom(...args, '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ computed: 0 });
    const results = await deltaloom('results', '--study', study, '--json');
    expect((JSON.parse(results.stdout) as { tasks: unknown[] }[])[0]?.tasks).toHaveLength(3);
  });

  it('stops like that when nobody reads any more what it says', async () => {
    const unheard = join(root, 'unheard');
    await writeTinyStudy(unheard, {
      configuration: { sources: { tuning: { ...TINY_TUNING, steps: 100_000, validateEvery: 100_000 } } },
    });
    const args = [bundle, 'tune', '--study', unheard, '--task', 'copy', ...work];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(child, 'close');
    // Long before the program can say anything.
    child.stdout.destroy();
    child.stderr.destroy();
    expect(await ended).toEqual([141, null]);
    const { runs } = await readSnapshot(unheard);
    expect(runs.map(({ status }) => status)).toEqual(['cancelled']);
    const status = await deltaloom('status', '--study', unheard, '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ holder: null });
  });

  it('killed at random moments it ends with the same bytes', async () => {
    await compareKilledRuns(bundle, { kills: 3, seed: 2, log: () => undefined });
  });
});

it('progress names units, rate, time left and where the tuning stands', () => {
  const progress = {
    label: 'Tuning x',
    done: 12,
    total: 40,
    unit: 'steps',
    secondsLeft: 69,
    loss: 0.5,
  } as const;
  expect(describeProgress(progress, 3.14)).toBe('12/40 steps, 3.1/s, 1:09 left, loss 0.500: Tuning x');
  const waiting = { label: 'Waiting for process 1', done: 0, total: 0, unit: 'steps' } as const;
  expect(describeProgress(waiting, null)).toBe('Waiting for process 1');
});
