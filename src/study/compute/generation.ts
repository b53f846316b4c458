import type { DeviceTensor, Executable, HostTensor } from '../../engine/contract.js';
import type { Batch } from './contract.js';
import {
  beginDecodingProgram,
  cacheNames,
  continueDecodingProgram,
  continuingDelta,
  keepRowsProgram,
} from './decoding-programs.js';
import { hostInt32, type BatchInputs, type HostTensors } from './program-inputs.js';
import type { ProgramModel } from './programs.js';

type Compile = (key: string, make: () => ReturnType<typeof beginDecodingProgram>) => Promise<Executable>;
type Tensors = Record<string, HostTensor | DeviceTensor>;

/**
 * Greedy decoding: the encoder and the cross-attention's keys and values once, then one token per run. Rows that are done
 * leave the batch as soon as they are half of it.
 */
export async function generateGreedily(options: {
  readonly model: ProgramModel;
  readonly batchInputs: BatchInputs;
  readonly compile: Compile;
  readonly delta: HostTensors;
  readonly batch: Batch;
  /** Counts the start token. */
  readonly maxLength: number;
}): Promise<Int32Array[]> {
  const { model, batchInputs, compile, delta, batch, maxLength } = options;
  const { decoderStartId, eosId } = model.architecture;
  const texts: number[][] = Array.from({ length: batch.size }, () => []);
  if (maxLength <= 1) return texts.map((ids) => Int32Array.from(ids));

  const begin = await compile('begin-decoding', () => beginDecodingProgram(model));
  const encoderTensors = batchInputs.encoder(batch);
  const encoded: Record<string, DeviceTensor> = await begin.run({
    ...encoderTensors,
    ...(model.prefix === 0 ? {} : { startPrefixBuckets: batchInputs.startPrefixBuckets() }),
    start: hostInt32(new Int32Array(batch.size).fill(decoderStartId), batch.size),
    ...delta,
  });

  const decoderDelta: HostTensors = {};
  for (const name of continuingDelta(model)) {
    const tensor = delta[name];
    if (tensor !== undefined) decoderDelta[name] = tensor;
  }
  /** Row of the batch by row of the cache; -1 once it is done. */
  let rows = Array.from({ length: batch.size }, (_, row) => row);
  let mask: HostTensor | DeviceTensor | undefined = encoderTensors['inputMask'];
  let { next, ...cache } = encoded;
  try {
    for (let length = 2; ; length++) {
      const tokens = (await next?.data()) as Int32Array | undefined;
      next?.dispose();
      rows = rows.map((row, at) => {
        if (row < 0) return row;
        const token = tokens?.[at] ?? eosId;
        if (token === eosId) return -1;
        texts[row]?.push(token);
        return row;
      });
      const live = rows.flatMap((row, at) => (row < 0 ? [] : [at]));
      if (live.length === 0 || length >= maxLength || mask === undefined) break;

      let last = rows.map((row, at) => (row < 0 ? eosId : (tokens?.[at] ?? eosId)));
      if (live.length <= rows.length / 2) {
        const keep = await compile('keep-rows', () => keepRowsProgram(model));
        const indices = hostInt32(Int32Array.from(live), live.length);
        const { inputMask, ...kept } = await keep.run({ rows: indices, inputMask: mask, ...cache });
        disposeAll(cache);
        if (isDevice(mask)) mask.dispose();
        mask = inputMask;
        cache = kept;
        last = live.map((at) => last[at] ?? eosId);
        rows = live.map((at) => rows[at] ?? -1);
        if (mask === undefined) break;
      }
      const more = await compile('continue-decoding', () => continueDecodingProgram(model));
      const stepped: Record<string, DeviceTensor> = await more.run({
        last: hostInt32(Int32Array.from(last), last.length),
        inputMask: mask,
        pastBuckets: batchInputs.past(model.prefix + length - 1),
        ...cache,
        ...decoderDelta,
      });
      for (const name of cacheNames(model)) {
        const fresh = stepped[name];
        if (fresh === undefined) continue;
        cache[name]?.dispose();
        cache[name] = fresh;
      }
      next = stepped['next'];
    }
  } finally {
    disposeAll(cache);
    if (mask !== undefined && isDevice(mask)) mask.dispose();
  }
  return texts.map((ids) => Int32Array.from(ids));
}

function isDevice(tensor: HostTensor | DeviceTensor): tensor is DeviceTensor {
  return typeof tensor.data === 'function';
}

function disposeAll(tensors: Tensors): void {
  for (const tensor of Object.values(tensors)) if (isDevice(tensor)) tensor.dispose();
}
