import type { Tensor as TfTensor } from '@tensorflow/tfjs';
import type { Program } from '../../engine/contract.js';
import type { KeysValues } from '../../model/attention.js';
import {
  beginDecoding,
  continueDecoding,
  keepRows,
  type DecodingCache,
} from '../../model/greedy-decoding.js';
import { encode } from '../../model/stack.js';
import {
  deltaInput,
  deltaSignatures,
  encoderInputs,
  encoderSignatures,
  float32,
  input,
  int32,
  type Inputs,
  type Signatures,
} from './program-inputs.js';
import { network, type ProgramModel } from './programs.js';

const CACHE_KINDS = ['own', 'cross'] as const;
const PARTS = ['keys', 'values'] as const;

/** The tensors of a cache, by the name under which they leave one program and enter the next. */
export function cacheNames(model: ProgramModel): string[] {
  return CACHE_KINDS.flatMap((kind) => cacheNamesOf(model, kind));
}

function cacheNamesOf(model: ProgramModel, kind: (typeof CACHE_KINDS)[number]): string[] {
  return Array.from({ length: model.architecture.decoderBlocks }, (_, block) =>
    PARTS.map((part) => `cache/${kind}/${block}/${part}`),
  ).flat();
}

function cacheSignatures(model: ProgramModel): Signatures {
  const { heads, headSize } = model.architecture;
  const signatures: Signatures = {};
  for (const name of cacheNamesOf(model, 'own')) signatures[name] = float32('batch', heads, 'past', headSize);
  for (const name of cacheNamesOf(model, 'cross')) {
    signatures[name] = float32('batch', heads, 'source', headSize);
  }
  return signatures;
}

function cacheOf(model: ProgramModel, inputs: Inputs): DecodingCache {
  const read = (kind: string): KeysValues[] =>
    Array.from({ length: model.architecture.decoderBlocks }, (_, block) => ({
      keys: input(inputs, `cache/${kind}/${block}/keys`),
      values: input(inputs, `cache/${kind}/${block}/values`),
    }));
  return { own: read('own'), cross: read('cross') };
}

function writeCache(
  result: Record<string, TfTensor>,
  kind: (typeof CACHE_KINDS)[number],
  entries: readonly KeysValues[],
): void {
  entries.forEach((entry, block) => {
    for (const part of PARTS) result[`cache/${kind}/${block}/${part}`] = entry[part];
  });
}

/** Of what is trained, what the decoder reads. */
function decoderDelta(model: ProgramModel): ReadonlyMap<string, readonly number[]> {
  // A prefix is in the cache already.
  if (model.delta?.type === 'prefix') return new Map();
  return new Map([...model.trained].filter(([name]) => !name.startsWith('encoder.')));
}

/** Encodes, computes keys and values of the cross-attention, and takes the first step from the start token. */
export function beginDecodingProgram(model: ProgramModel): Program {
  return {
    name: 'begin-decoding',
    inputs: {
      ...encoderSignatures(model.prefix),
      start: int32('batch'),
      ...(model.prefix === 0 ? {} : { startPrefixBuckets: int32(1, model.prefix) }),
      ...deltaSignatures(model.trained),
    },
    outputs: ['next', ...cacheNames(model)],
    compute: (inputs, frozen) => {
      const net = network(model, inputs, frozen, null);
      const encoder = encoderInputs(inputs);
      const step = beginDecoding(net, {
        start: input(inputs, 'start'),
        encoderHidden: encode(net, encoder).hidden,
        encoderMask: encoder.mask,
        prefix:
          encoder.prefix === null
            ? null
            : { rows: encoder.prefix.rows, buckets: input(inputs, 'startPrefixBuckets') },
      });
      const result: Record<string, TfTensor> = { next: step.next };
      writeCache(result, 'own', step.cache.own);
      writeCache(result, 'cross', step.cache.cross);
      return result;
    },
  };
}

/** One further token for every row. The cross-attention's cache stays where it is. */
export function continueDecodingProgram(model: ProgramModel): Program {
  return {
    name: 'continue-decoding',
    inputs: {
      last: int32('batch'),
      inputMask: float32('batch', 'source'),
      pastBuckets: int32(1, 'past'),
      ...cacheSignatures(model),
      ...deltaSignatures(decoderDelta(model)),
    },
    outputs: ['next', ...cacheNamesOf(model, 'own')],
    compute: (inputs, frozen) => {
      const net = network(model, inputs, frozen, null);
      const step = continueDecoding(net, {
        last: input(inputs, 'last'),
        encoderMask: input(inputs, 'inputMask'),
        pastBuckets: input(inputs, 'pastBuckets'),
        cache: cacheOf(model, inputs),
      });
      const result: Record<string, TfTensor> = { next: step.next };
      writeCache(result, 'own', step.cache.own);
      return result;
    },
  };
}

/** Keeps some rows of the cache: those that are not done. */
export function keepRowsProgram(model: ProgramModel): Program {
  return {
    name: 'keep-rows',
    inputs: {
      rows: int32('kept'),
      inputMask: float32('batch', 'source'),
      ...cacheSignatures(model),
    },
    outputs: ['inputMask', ...cacheNames(model)],
    compute: (inputs) => {
      const kept = keepRows(input(inputs, 'rows'), input(inputs, 'inputMask'), cacheOf(model, inputs));
      const result: Record<string, TfTensor> = { inputMask: kept.encoderMask };
      writeCache(result, 'own', kept.cache.own);
      writeCache(result, 'cross', kept.cache.cross);
      return result;
    },
  };
}

/** The names of the delta tensors that a further step reads. */
export function continuingDelta(model: ProgramModel): string[] {
  return [...decoderDelta(model).keys()].map(deltaInput);
}
