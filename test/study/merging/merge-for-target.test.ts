import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256File } from '../../../src/formats/atomic-file.js';
import { readTensors, writeSafetensors } from '../../../src/formats/safetensors.js';
import type { MergeCandidate, MergeContext, MergeRequest } from '../../../src/study/merging/index.js';
import { mergeForTarget } from '../../../src/study/merging/index.js';
import { checkpointPath } from '../../../src/study/paths.js';
import { StudyStore } from '../../../src/study/store.js';

const NAME = 'encoder.prefix.prefix';
const DELTA = { type: 'prefix', length: 1, hiddenSize: 2 } as const;

describe('mergeForTarget', () => {
  let folder: string;
  let candidates: MergeCandidate[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deltaloom-target-'));
    candidates = [];
    for (const [i, task] of ['a', 'b', 'c'].entries()) {
      const file = join(folder, `${task}.safetensors`);
      await writeSafetensors(file, new Map([[NAME, { shape: [1, 2], data: Float32Array.of(i, i * 10) }]]));
      const sha256 = await sha256File(file);
      candidates.push({ task, id: `run-${task}`, sha256, file, backbone: 'f'.repeat(64), delta: DELTA });
    }
  });
  afterEach(() => rm(folder, { recursive: true }));

  const request = (change: Partial<MergeRequest> = {}): MergeRequest => ({
    target: 'a',
    deltaName: 'prefix',
    delta: DELTA,
    by: { kind: 'average' },
    loraRule: 'factors',
    compatibility: 'default',
    groups: {},
    temperatures: {},
    candidates,
    matrix: null,
    ...change,
  });
  const context = (): MergeContext => {
    const store = new StudyStore(folder);
    return {
      recorded: async (key) =>
        (await store.readMerges()).records.find((record) => record.key === key) ?? null,
      checkpoint: (id) => ({ path: checkpointPath('a', id), file: join(folder, checkpointPath('a', id)) }),
      write: async (record) => {
        await store.writeMerge(record);
      },
      hash: sha256File,
      provenance: () =>
        Promise.resolve({
          commit: null,
          branch: null,
          dirty: false,
          time: '2026-01-01T00:00:00Z',
          device: '',
          versions: {},
        }),
      signal: new AbortController().signal,
    };
  };

  it('writes checkpoint and record, and makes neither a second time', async () => {
    const { record, reused } = await mergeForTarget(request(), context());
    expect(reused).toBe(false);
    expect(record).toMatchObject({ target: 'a', label: 'average', weights: [[0.5, 0.5]], loraRule: null });
    expect(record.sources.map(({ task, id }) => [task, id])).toEqual([
      ['b', 'run-b'],
      ['c', 'run-c'],
    ]);
    const file = join(folder, record.checkpoint.path);
    expect(await sha256File(file)).toBe(record.checkpoint.sha256);
    expect([...((await readTensors(file)).get(NAME)?.data ?? [])]).toEqual([1.5, 15]);
    expect(await mergeForTarget(request(), context())).toEqual({ record, reused: true });
  });

  it('is another merge when a source or a weight is another', async () => {
    const { record } = await mergeForTarget(request(), context());
    const explicit = { kind: 'explicit', weights: { b: 0.25, c: 0.75 } } as const;
    const weighed = await mergeForTarget(request({ by: explicit }), context());
    const fewer = await mergeForTarget(request({ candidates: candidates.slice(0, 2) }), context());
    expect(new Set([record.key, weighed.record.key, fewer.record.key]).size).toBe(3);
    expect(new Set([record.id, weighed.record.id, fewer.record.id]).size).toBe(3);
  });

  it('refuses a checkpoint that is not the one on record', async () => {
    const file = candidates[2]?.file ?? '';
    await writeSafetensors(file, new Map([[NAME, { shape: [1, 2], data: Float32Array.of(7, 7) }]]));
    await expect(mergeForTarget(request(), context())).rejects.toMatchObject({
      code: 'checkpoint-changed',
      place: { file },
    });
    await rm(file);
    await expect(mergeForTarget(request(), context())).rejects.toMatchObject({ code: 'checkpoint-missing' });
  });

  it('refuses a checkpoint that was overwritten while it was read, and leaves no merge of it', async () => {
    const file = candidates[2]?.file ?? '';
    const checked: string[] = [];
    const hash = async (each: string) => {
      // All are as recorded until they have been read.
      if (checked.length === 2) await writeFile(file, 'garbage');
      checked.push(each);
      return sha256File(each);
    };
    await expect(mergeForTarget(request(), { ...context(), hash })).rejects.toMatchObject({
      code: 'checkpoint-changed',
      place: { file },
    });
    expect(await readdir(join(folder, '.deltaloom', 'checkpoints', 'a'))).toEqual([]);
  });
});
