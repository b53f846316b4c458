import { describe, expect, it } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';
import { parseT5Config, readT5Config } from '../../src/formats/t5-config.js';
import { isAbsent, shared } from './shared-data.js';

const small = {
  model_type: 't5',
  architectures: ['T5ForConditionalGeneration'],
  vocab_size: 304,
  d_model: 32,
  d_kv: 8,
  d_ff: 64,
  num_heads: 4,
  num_layers: 2,
};

function refusalOf(json: unknown): DeltaloomError {
  try {
    parseT5Config(json, 'config.json');
  } catch (error) {
    if (error instanceof DeltaloomError) return error;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

describe('parseT5Config', () => {
  it('takes the defaults of T5 v1.0 where the file is silent', () => {
    expect(parseT5Config(small, 'config.json')).toMatchObject({
      decoderBlocks: 2,
      feedForward: 'relu',
      scalesLogits: true,
      relativeBuckets: 32,
      relativeMaxDistance: 128,
      layerNormEpsilon: 1e-6,
      padId: 0,
      eosId: 1,
      decoderStartId: 0,
    });
  });

  it('does not scale the logits where the words are said not to be tied', () => {
    const json = {
      ...small,
      feed_forward_proj: 'gated-gelu',
      tie_word_embeddings: false,
      num_decoder_layers: 3,
    };
    expect(parseT5Config(json, 'config.json')).toMatchObject({
      decoderBlocks: 3,
      feedForward: 'gated-gelu',
      scalesLogits: false,
    });
  });

  // What transformers 5 writes for a v1.0 and a v1.1: the words are always said to be tied.
  it('scales the logits as transformers 5 says', () => {
    const written = { ...small, tie_word_embeddings: true, eos_token_id: [1] };
    expect(parseT5Config({ ...written, scale_decoder_outputs: true }, 'c').scalesLogits).toBe(true);
    expect(parseT5Config({ ...written, scale_decoder_outputs: false }, 'c')).toMatchObject({
      scalesLogits: false,
      eosId: 1,
    });
    expect(parseT5Config({ ...written, model_type: 'mt5' }, 'c').scalesLogits).toBe(false);
  });

  it('gives mT5 its own defaults', () => {
    expect(parseT5Config({ ...small, model_type: 'mt5' }, 'c')).toMatchObject({
      feedForward: 'gated-gelu',
      scalesLogits: false,
    });
  });

  it.each([
    ['umt5', 'UMT5ForConditionalGeneration'],
    ['longt5', 'LongT5ForConditionalGeneration'],
    ['bart', 'BartForConditionalGeneration'],
    ['t5', 'T5EncoderModel'],
  ])('names the architecture of %s', (type, architecture) => {
    const error = refusalOf({ ...small, model_type: type, architectures: [architecture] });
    expect(error.code).toBe('architecture-unsupported');
    expect(error.message).toContain(architecture);
  });

  it.each([
    [{}, 'config-invalid', 'neither'],
    [[], 'config-invalid', 'neither'],
    [{ ...small, d_model: -1 }, 'config-invalid', 'd_model'],
    [{ ...small, d_ff: undefined }, 'config-invalid', 'd_ff'],
    [{ ...small, feed_forward_proj: 'gated-silu' }, 'architecture-unsupported', 'gated-silu'],
  ])('refuses %j', (json, code, words) => {
    const error = refusalOf(json);
    expect(error.code).toBe(code);
    expect(error.line).toContain(words);
  });

  it.skipIf(isAbsent('golden'))('reads the golden models', async () => {
    expect(await readT5Config(shared('golden/modelA/config.json'))).toMatchObject({
      feedForward: 'gated-gelu',
      scalesLogits: false,
    });
    expect(await readT5Config(shared('golden/modelB/config.json'))).toMatchObject({
      feedForward: 'relu',
      scalesLogits: true,
    });
  });
});
