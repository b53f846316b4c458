import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DeltaloomError } from '../../src/core/errors.js';
import { listCrossFitTasks, readCrossFitFile } from '../../src/formats/crossfit.js';
import { openSentencePieceModel } from '../../src/formats/sentencepiece-model.js';
import { openTokenizerJson } from '../../src/formats/tokenizer-json.js';
import { encodeWithEos, openTokenizer, type Tokenizer } from '../../src/formats/tokenizer.js';
import { encodeSpiece } from './spiece-fixture.js';
import { goldenFixture, isAbsent, refusal, shared, temporaryFolder } from './shared-data.js';

const path = temporaryFolder();

async function readJson<T>(schema: z.ZodType<T>, ...parts: string[]): Promise<T> {
  return schema.parse(JSON.parse(await readFile(join(...parts), 'utf8')));
}

/** The golden folder keeps its tokenizer.json compressed. */
async function goldenTokenizerJson(): Promise<Tokenizer> {
  const file = path('golden', 'tokenizer.json');
  await mkdir(path('golden'), { recursive: true });
  await writeFile(file, gunzipSync(await readFile(shared('golden/tokenizer/tokenizer.json.gz'))));
  return openTokenizerJson(file);
}

const READERS: [string, () => Promise<Tokenizer>][] = [
  ['spiece.model', () => openSentencePieceModel(goldenFixture('tokenizer/spiece.model'))],
  ...(isAbsent('golden') ? [] : [['tokenizer.json', goldenTokenizerJson] satisfies [string, unknown]]),
];

describe.each(READERS)('the golden tokenizer through %s', (_, open) => {
  it('gives the ids of the slow T5Tokenizer', async () => {
    const tokenizer = await open();
    const cases = await readJson(
      z.array(z.object({ text: z.string(), ids_with_eos: z.array(z.number()) })),
      goldenFixture('tokenizer/encode_cases.json'),
    );
    expect(cases.length).toBeGreaterThan(10);
    for (const { text, ids_with_eos: ids } of cases) {
      expect([text, ...encodeWithEos(tokenizer, text, 512)]).toEqual([text, ...ids]);
    }
  });

  it('gives the texts of the slow T5Tokenizer', async () => {
    const tokenizer = await open();
    const cases = await readJson(
      z.array(z.object({ ids: z.array(z.number()), text_skip_special_clean: z.string() })),
      goldenFixture('tokenizer/decode_cases.json'),
    );
    for (const { ids, text_skip_special_clean: text } of cases) expect(tokenizer.decode(ids)).toBe(text);
  });

  it('knows its special ids and size', async () => {
    expect(await open()).toMatchObject({ vocabularySize: 300, eosId: 1, padId: 0 });
  });

  it.skipIf(isAbsent('golden'))('gives the ids of every golden data line', async () => {
    const tokenizer = await open();
    const tokenized = await readJson(
      z.object({ tasks: z.record(z.string(), z.record(z.string(), z.unknown())) }),
      shared('golden/data/tokenized.json'),
    );
    const split = z.object({
      input_ids: z.array(z.array(z.number())),
      output_ids_flattened_over_all_answers: z.array(z.array(z.number())),
    });
    let compared = 0;
    for (const task of await listCrossFitTasks(shared('golden/data'))) {
      for (const [name, file] of Object.entries(task.samplings[0]?.files ?? {})) {
        const expected = split.parse(tokenized.tasks[task.name]?.[name]);
        const { examples } = await readCrossFitFile(file);
        const inputs = examples.map(({ input }) => [
          ...encodeWithEos(tokenizer, ` [${task.name}] ${input}`, 160),
        ]);
        expect(inputs).toEqual(expected.input_ids);
        const outputs = examples.flatMap(({ answers }) =>
          answers.map((answer) => [...encodeWithEos(tokenizer, `<extra_id_0>${answer}`, 16)]),
        );
        expect(outputs).toEqual(expected.output_ids_flattened_over_all_answers);
        compared += inputs.length;
      }
    }
    expect(compared).toBe(4 * (12 + 24 + 8));
  });
});

describe.skipIf(isAbsent('models/t5-tokenizer') || isAbsent('tasks'))('the published T5 vocabulary', () => {
  it('gives the same ids and texts through both readers on real lines', async () => {
    const model = await openSentencePieceModel(shared('models/t5-tokenizer/spiece.model'));
    const json = await openTokenizerJson(shared('models/t5-tokenizer/tokenizer.json'));
    expect(model.vocabularySize).toBe(32100);
    expect(json.vocabularySize).toBe(32100);
    const lines = new Set<string>();
    for (const { name, samplings } of await listCrossFitTasks(shared('tasks'))) {
      for (const file of Object.values(samplings[0]?.files ?? {})) {
        for (const { input, answers } of (await readCrossFitFile(file)).examples) {
          lines.add(` [${name}] ${input.slice(0, 400)}`);
          for (const answer of answers) lines.add(`<extra_id_0>${answer}`);
        }
      }
    }
    expect(lines.size).toBeGreaterThan(5000);
    let differences = 0;
    for (const line of lines) {
      const ids = model.encode(line);
      const others = json.encode(line);
      // Long runs of one character have several segmentations of equal score; float32 sums from the start of the line
      // (SentencePiece) and sums per word (tokenizer.json) may then choose differently.
      if (ids.join() !== others.join()) {
        expect([...ids].sort()).toEqual([...others].sort());
        differences++;
      }
      expect(json.decode(ids)).toBe(model.decode(ids));
    }
    expect(differences).toBeLessThan(5);
  });

  it('normalizes characters as SentencePiece does through both readers', async () => {
    const model = await openSentencePieceModel(shared('models/t5-tokenizer/spiece.model'));
    const json = await openTokenizerJson(shared('models/t5-tokenizer/tokenizer.json'));
    for (const text of [
      'e\u0301',
      'ﬁ ½ ㌔ Å',
      'a\u200bb\u00adc',
      '\u0085x\ufeffy',
      '～ ～',
      'ｶﾞ',
      '\u0000\u0001z',
    ]) {
      expect([text, ...json.encode(text)]).toEqual([text, ...model.encode(text)]);
    }
    expect(model.decode(model.encode('ｆｕｌｌ　ｗｉｄｔｈ'))).toBe('full width');
  });
});

describe('encodeWithEos', () => {
  it('cuts to the length and keeps the end of sequence', async () => {
    const file = path('letters', 'spiece.model');
    await mkdir(path('letters'), { recursive: true });
    await writeFile(file, encodeSpiece({ pieces: ['\u2581', 'a', 'b'] }));
    const tokenizer = await openTokenizer(path('letters'));
    expect([...encodeWithEos(tokenizer, 'abab', 10)]).toEqual([3, 4, 5, 4, 5, 1]);
    expect([...encodeWithEos(tokenizer, 'abab', 3)]).toEqual([3, 4, 1]);
    expect([...encodeWithEos(tokenizer, 'a</s>', 10)]).toEqual([3, 4, 1]);
    expect([...encodeWithEos(tokenizer, '', 1)]).toEqual([1]);
  });
});

describe('a spiece.model', () => {
  const open = async (name: string, bytes: Uint8Array, settings?: unknown) => {
    await mkdir(path(name), { recursive: true });
    await writeFile(path(name, 'spiece.model'), bytes);
    if (settings !== undefined) {
      await writeFile(path(name, 'tokenizer_config.json'), JSON.stringify(settings));
    }
    return openTokenizer(path(name));
  };

  it('joins unknown characters that follow one another, and takes the best path', async () => {
    const tokenizer = await open(
      'unknown',
      encodeSpiece({ pieces: ['\u2581', 'a', 'b', 'ab'], scores: [-1, -2, -2, -3] }),
    );
    expect([...tokenizer.encode('ab xy a')]).toEqual([3, 6, 3, 2, 3, 4]);
  });

  it('falls back to bytes where the model does, and joins them when decoding', async () => {
    const bytes = Array.from(
      { length: 256 },
      (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`,
    );
    const tokenizer = await open('bytes', encodeSpiece({ pieces: ['\u2581', 'a'], bytePieces: bytes }));
    const ids = tokenizer.encode('aé日');
    expect([...ids]).toEqual([3, 4, ...[0xc3, 0xa9, 0xe6, 0x97, 0xa5].map((b) => 5 + b)]);
    expect(tokenizer.decode(ids)).toBe('aé日');
  });

  it('prefers user-defined pieces', async () => {
    const tokenizer = await open(
      'user',
      encodeSpiece({ pieces: ['\u2581', 'a', 'b'], scores: [-1, -2, -2], userDefined: ['ab'] }),
    );
    expect([...tokenizer.encode('aab')]).toEqual([3, 4, 6]);
  });

  it('takes the number of sentinels from tokenizer_config.json', async () => {
    const bytes = encodeSpiece({ pieces: ['\u2581', 'a'] });
    const tokenizer = await open('sentinels', bytes, { extra_ids: 3, eos_token: { content: '</s>' } });
    expect(tokenizer.vocabularySize).toBe(8);
    expect([...tokenizer.encode('<extra_id_0> a <extra_id_2><extra_id_3>')].slice(0, 4)).toEqual([
      7, 3, 4, 5,
    ]);
    expect(tokenizer.decode([4, 9])).toBe('a<extra_id_-2>');
  });

  it.each([
    ['text', Buffer.from('this is not a protocol buffer'), 'tokenizer-invalid'],
    ['an empty file', Buffer.alloc(0), 'tokenizer-invalid'],
    ['a BPE model', encodeSpiece({ pieces: ['a'], modelType: 2 }), 'tokenizer-unsupported'],
    [
      'a model without </s>',
      encodeSpiece({ pieces: ['a'], special: ['<pad>', '<unk>'] }),
      'tokenizer-unsupported',
    ],
    ['an empty piece', encodeSpiece({ pieces: [''] }), 'tokenizer-invalid'],
    ['a score that is no number', encodeSpiece({ pieces: ['a'], scores: [NaN] }), 'tokenizer-invalid'],
    [
      'a damaged character map',
      encodeSpiece({ pieces: ['a'], charsmap: Uint8Array.of(255, 255, 0, 0, 1) }),
      'tokenizer-invalid',
    ],
  ])('refuses %s', async (name, bytes, code) => {
    const error = await refusal(open(name, bytes));
    expect(error.code).toBe(code);
    expect(error.place.file).toBe(path(name, 'spiece.model'));
  });

  it('answers any mutation with a tokenizer or a DeltaloomError', async () => {
    const valid = await readFile(goldenFixture('tokenizer/spiece.model'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 40 }),
        fc.option(fc.nat(valid.length)),
        fc.string({ unit: 'binary' }),
        async (changes, length, text) => {
          const bytes = Buffer.from(valid);
          for (const [at, value] of changes) bytes[at] = value;
          try {
            const tokenizer = await open('mutated', bytes.subarray(0, length ?? bytes.length));
            for (const id of tokenizer.encode(text)) expect(id).toBeLessThan(tokenizer.vocabularySize);
          } catch (error) {
            expect(error).toBeInstanceOf(DeltaloomError);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a tokenizer.json', () => {
  it.each([
    ['text', 'no json', 'json-invalid'],
    ['another object', '{"a":1}', 'tokenizer-invalid'],
    [
      'an unknown model',
      JSON.stringify({ added_tokens: [], model: { type: 'New', vocab: [['a', 0]] } }),
      'tokenizer-invalid',
    ],
    [
      'an unknown token outside the vocabulary',
      JSON.stringify({ added_tokens: [], model: { type: 'Unigram', unk_id: 1, vocab: [['a', 0]] } }),
      'tokenizer-invalid',
    ],
    [
      'a vocabulary without </s>',
      JSON.stringify({
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
        decoder: null,
        model: {
          type: 'Unigram',
          unk_id: 0,
          vocab: [
            ['<unk>', 0],
            ['a', -1],
          ],
        },
      }),
      'tokenizer-unsupported',
    ],
  ])('refuses %s', async (name, content, code) => {
    await mkdir(path(name), { recursive: true });
    await writeFile(path(name, 'tokenizer.json'), content);
    expect((await refusal(openTokenizer(path(name)))).code).toBe(code);
  });
});

describe('openTokenizer', () => {
  it('says that a folder has no tokenizer', async () => {
    await mkdir(path('bare'), { recursive: true });
    const error = await refusal(openTokenizer(path('bare')));
    expect(error.code).toBe('tokenizer-missing');
  });
});

describe('tokens that were added to those of T5', () => {
  async function folder(name: string, files: Readonly<Record<string, unknown>>): Promise<string> {
    await mkdir(path(name), { recursive: true });
    await writeFile(path(name, 'spiece.model'), encodeSpiece({ pieces: ['\u2581', 'a', 'b'] }));
    for (const [file, json] of Object.entries(files)) await writeFile(path(name, file), JSON.stringify(json));
    return path(name);
  }

  it('are refused by name where only spiece.model says how to read', async () => {
    for (const [file, json] of [
      ['added_tokens.json', { '<extra_id_0>': 105, '{': 106, '}': 107 }],
      ['tokenizer_config.json', { added_tokens_decoder: { 0: { content: '<pad>' }, 106: { content: '{' } } }],
    ] as const) {
      const error = await refusal(openTokenizer(await folder(`with ${file}`, { [file]: json })));
      expect(error.code).toBe('tokenizer-unsupported');
      expect(error.message).toContain("'{'");
      expect(error.place.file).toContain(file);
      expect(error.remedy).toContain('tokenizer.json');
    }
  });

  it('may be the sentinels', async () => {
    const directory = await folder('with sentinels', {
      'added_tokens.json': { '<extra_id_0>': 105, '<extra_id_99>': 6 },
      'tokenizer_config.json': { added_tokens_decoder: { 105: { content: '<extra_id_0>' } } },
    });
    expect((await openTokenizer(directory)).vocabularySize).toBe(106);
  });
});
