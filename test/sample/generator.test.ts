import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auxiliaryExample, AUXILIARY_KINDS } from '../../sample/generator/auxiliary.js';
import { corpusDocument, withoutMarks } from '../../sample/generator/corpus.js';
import { generateSample } from '../../sample/generator/generate.js';
import { corruptSpans } from '../../sample/generator/pretraining-examples.js';
import { sampleOf } from '../../sample/generator/task-files.js';
import { SAMPLE_TASKS } from '../../sample/generator/tasks.js';
import { sha256File } from '../../src/formats/atomic-file.js';
import { encodeWithEos, openTokenizer } from '../../src/formats/tokenizer.js';
import { Random } from '../../src/model/random.js';
import { loadStudy } from '../../src/study/load.js';
import { readSnapshot } from '../../src/study/snapshot.js';

const sample = join(import.meta.dirname, '..', '..', 'sample');

describe('the sample study on disk', () => {
  let fresh: string;
  beforeAll(async () => {
    fresh = await mkdtemp(join(tmpdir(), 'deltaloom-sample-'));
    await generateSample(fresh, join(fresh, 'backbone'));
  });
  afterAll(() => rm(fresh, { recursive: true, force: true }));

  it('is what the generator writes, byte for byte', async () => {
    const files = (await readdir(join(fresh, 'tasks'), { recursive: true })).filter((name) =>
      name.endsWith('.tsv'),
    );
    expect(files).toHaveLength(16 * 23);
    for (const file of [...files.map((name) => join('tasks', name)), join('backbone', 'tokenizer.json')]) {
      expect(await readFile(join(sample, file), 'utf8'), file).toBe(
        await readFile(join(fresh, file), 'utf8'),
      );
    }
  });

  it('declares every task in one family and every family has at least three', async () => {
    const { configuration } = await loadStudy(sample);
    const declared = Object.entries(configuration.groups).flatMap(([group, tasks]) =>
      tasks.map((task) => `${group}/${task}`),
    );
    expect(declared.sort()).toEqual(SAMPLE_TASKS.map(({ name, group }) => `${group}/${name}`).sort());
    for (const tasks of Object.values(configuration.groups)) expect(tasks.length).toBeGreaterThanOrEqual(3);
  });

  it('carries the weights of its adapter sources, as their records pin them', async () => {
    const { runs } = await readSnapshot(sample);
    const sources = runs.filter(({ role, deltaName }) => role === 'source' && deltaName === 'adapter');
    expect(sources.map(({ task }) => task).sort()).toEqual(SAMPLE_TASKS.map(({ name }) => name).sort());
    for (const { checkpoint } of sources) {
      expect(await sha256File(join(sample, checkpoint?.path ?? ''))).toBe(checkpoint?.sha256);
    }
  });

  it('keeps test and dev examples out of every train file', async () => {
    for (const { name } of SAMPLE_TASKS) {
      const folder = join(sample, 'tasks', name);
      const inputs = async (part: string): Promise<string[]> => {
        const names = (await readdir(folder)).filter((file) => file.endsWith(`${part}.tsv`));
        const texts = await Promise.all(names.map((file) => readFile(join(folder, file), 'utf8')));
        return texts.flatMap((text) =>
          text
            .trim()
            .split('\n')
            .map((line) => line.split('\t')[0] ?? ''),
        );
      };
      const test = new Set(await inputs('test'));
      const held = new Set([...(await inputs('full_42_dev')), ...test]);
      expect(test.size).toBe(500);
      expect((await inputs('train')).filter((input) => held.has(input))).toEqual([]);
    }
  });
});

describe('the tokenizer', () => {
  it('knows every word that the tasks write in one piece', async () => {
    const tokenizer = await openTokenizer(join(sample, 'backbone'));
    const random = new Random(5);
    for (const task of SAMPLE_TASKS) {
      const [example] = sampleOf(task, random, 2, new Set());
      const text = `${example?.input ?? ''} ${example?.answer ?? ''}`;
      const words = text.match(/[A-Za-z0-9]+|[.,:?]/g) ?? [];
      expect([...tokenizer.encode(text)], text).toHaveLength(words.length);
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.toLowerCase());
    }
  });

  it('writes words it has never seen in letters, and gives them back', async () => {
    const tokenizer = await openTokenizer(join(sample, 'backbone'));
    const text = 'question: is "quantum-zebra" worth $3.14? [sep] (a) yes';
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect([...tokenizer.encode('\u65e5')]).toContain(2);
  });

  it('has the sentinels as the last ids, the first one last', async () => {
    const tokenizer = await openTokenizer(join(sample, 'backbone'));
    expect([...encodeWithEos(tokenizer, '<extra_id_0>positive', 8)][0]).toBe(tokenizer.vocabularySize - 1);
    expect([...tokenizer.encode('<extra_id_31>')]).toEqual([tokenizer.vocabularySize - 32]);
  });
});

describe('pretraining text', () => {
  it('gives back the document when the hidden words are put in', () => {
    for (let index = 0; index < 300; index++) {
      const document = corpusDocument(new Random(1, index));
      const { input, target } = corruptSpans(new Random(2, index), document);
      const spans = target.split(/<extra_id_\d+>/).slice(1);
      let at = 0;
      const whole = input.replace(/<extra_id_\d+>/g, () => spans[at++] ?? '');
      const plain = (text: string): string => text.replace(/\W+/g, ' ').trim();
      expect(plain(whole)).toBe(plain(withoutMarks(document)));
      expect(at).toBe(spans.length);
    }
  });

  it('asks none of the questions of the study and never says a label as a verdict', () => {
    for (let index = 0; index < 2000; index++) {
      expect(corpusDocument(new Random(3, index))).not.toMatch(/\?|positive|negative|correct|wrong/);
      const { input } = auxiliaryExample(new Random(4, index), index % AUXILIARY_KINDS);
      expect(input).not.toMatch(/^(Who|What|Where)|(Who|What|Where) [a-z]/);
    }
  });
});

describe('a task', () => {
  it('is the same for the same seed and balanced where it has labels', () => {
    for (const task of SAMPLE_TASKS) {
      const draw = (seed: number) => sampleOf(task, new Random(seed), 32, new Set());
      expect(draw(9)).toEqual(draw(9));
      expect(draw(9)).not.toEqual(draw(10));
      if (task.labels === null) continue;
      const answers = draw(9).map(({ answer }) => answer);
      for (const label of task.labels) expect(answers.filter((answer) => answer === label)).toHaveLength(16);
    }
  });
});
