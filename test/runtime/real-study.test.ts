import { mkdtemp, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RuntimeClient } from '../../src/runtime/client.js';
import { readSnapshot } from '../../src/study/snapshot.js';
import { makeRecords, QUICK_SETTINGS, writeStudy, writeTinyBackbone } from '../extension/make-study.js';
import { removeFolder } from '../harness/temporary-folder.js';

/** The real runtime program on a real (tiny) backbone. */
const project = path.resolve(import.meta.dirname, '..', '..');
let study: string;
let client: RuntimeClient;

beforeAll(async () => {
  study = await mkdtemp(path.join(os.tmpdir(), 'deltaloom-real-'));
  const nothing = { ...makeRecords(), runs: [], merges: [], matrices: [] };
  await writeTinyBackbone(project, study);
  await writeStudy(study, nothing, QUICK_SETTINGS);
  client = new RuntimeClient({
    program: () => ({
      command: process.execPath,
      args: ['--import', 'tsx', path.join(project, 'src', 'runtime', 'main.ts')],
      env: { ...process.env, NODE_OPTIONS: '' },
    }),
    settings: () => ({ outliveWindow: false, memoryLimit: 0, studies: [study] }),
    log: () => undefined,
    timeouts: () => ({ start: 120_000, backOff: [10, 10, 10] }),
  });
});
afterAll(async () => {
  await client.dispose();
  await removeFolder(study);
});

describe('the runtime on a study', () => {
  it('tunes, keeps the record, and inspects the checkpoint it made', { timeout: 240_000 }, async () => {
    const view = await client.submit({
      id: 'real',
      study,
      request: {
        kind: 'tune',
        tasks: ['movies'],
        deltaName: 'adapter',
        role: 'target',
        initialisation: { kind: 'random' },
      },
      priority: 'normal',
      title: 'Tune movies',
      compute: { device: 'cpu', threads: 1, packWeights: false },
      attempts: 0,
    });
    const end = await client.finished(view.id);
    expect(end.error).toBeNull();
    expect(end.state).toBe('done');
    expect(await readFile(end.logFile, 'utf8')).toContain('Computing on');
    const [run] = (await readSnapshot(study)).runs;
    expect(run).toMatchObject({ task: 'movies', status: 'done', results: { steps: 60 } });
    const file = path.join(study, run?.checkpoint?.path ?? '');
    const summary = await client.inspect({ file, compareWith: file });
    expect(summary).toMatchObject({
      format: 'safetensors',
      settings: { type: 'adapter', size: 4 },
      disagreements: [],
    });
    expect(summary.parameters).toBeGreaterThan(1000);
    expect(
      summary.tensors.every(
        ({ norm, difference, cosine }) =>
          norm !== null && difference === 0 && Math.abs((cosine ?? 0) - 1) < 1e-6,
      ),
    ).toBe(true);
  });
});
