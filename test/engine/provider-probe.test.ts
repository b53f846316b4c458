import { createRequire } from 'node:module';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OnnxGraphBuilder } from '../../src/engine/onnx/graph-builder.js';
import { askInChild } from '../../src/engine/provider-probe.js';

const runtime = createRequire(import.meta.url).resolve('onnxruntime-node');
let folder: string;
let model: Uint8Array;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deltaloom-probe-'));
  const builder = new OnnxGraphBuilder();
  builder.input('x', 'float32', [1]);
  builder.output('y', builder.apply('Add', ['x', 'x']), 'float32', 1);
  model = builder.finish('probe');
});
afterAll(() => rm(folder, { recursive: true }));

describe('a provider that is asked in a process of its own', () => {
  it('answers', async () => {
    await expect(askInChild(runtime, model, 'cpu')).resolves.toBeUndefined();
  });

  it('says in one line why it is not there', async () => {
    await expect(askInChild(runtime, model, 'abacus')).rejects.toThrow(/abacus/);
    await expect(askInChild(join(folder, 'nowhere'), model, 'cpu')).rejects.toThrow(/Cannot find module/);
  });

  it('may crash', async () => {
    const crashing = join(folder, 'crashing.cjs');
    await writeFile(crashing, "console.error('noise'); process.kill(process.pid, 'SIGSEGV');");
    await expect(askInChild(crashing, model, 'webgpu')).rejects.toThrow('its driver crashed with SIGSEGV');
  });
});
