import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeltaloomError } from '../../src/core/errors.js';
import { tuningOf } from '../../src/study/configuration.js';
import { checkStudyText, loadStudy, studyJsonSchema } from '../../src/study/load.js';

describe('deltaloom.json', () => {
  it('needs three lines only', () => {
    const { configuration, problems } = checkStudyText('{"version": 1, "backbone": "b", "tasks": "t"}');
    expect(problems).toEqual([]);
    expect(configuration?.targets).toMatchObject({ shots: 16, seeds: [42] });
    expect(configuration?.deltas['adapter']).toMatchObject({ type: 'adapter', size: 12 });
  });

  it('tunes one delta otherwise than the rest, in what is named and nothing else', () => {
    const { configuration, problems } = checkStudyText(`{
  "version": 1, "backbone": "b", "tasks": "t",
  "sources": {
    "tuning": { "steps": 60, "clip": 0 },
    "tuningByDelta": { "lora": { "learningRates": [0.001] } }
  }
}`);
    expect(problems).toEqual([]);
    if (configuration === null) throw new Error('a valid study');
    const { sources, targets } = configuration;
    expect(tuningOf(sources, 'adapter')).toEqual(sources.tuning);
    expect(tuningOf(sources, 'lora')).toEqual({ ...sources.tuning, learningRates: [0.001] });
    expect(tuningOf(targets, 'lora')).toEqual(targets.tuning);
  });

  it('points at the line and path of what is wrong', () => {
    const { configuration, problems } = checkStudyText(`{
  "version": 1,
  "backbone": "b",
  "tasks": "t",
  "deltas": {
    "mine": { "type": "adapter",
      "size": 0 }
  },
  "colour": "blue"
}`);
    expect(configuration).toBeNull();
    expect(problems).toMatchObject([
      { code: 'study-property-invalid', line: 7, path: ['deltas', 'mine', 'size'] },
      { code: 'study-property-unknown', line: 9, path: ['colour'] },
    ]);
  });

  it('names a missing property', () => {
    const { problems } = checkStudyText('{"version": 1, "tasks": "t"}');
    expect(problems).toMatchObject([{ code: 'study-property-missing', path: ['backbone'] }]);
  });

  it('of a later version is not guessed at: nothing else in it is judged', () => {
    const { configuration, problems } = checkStudyText(
      '{"backbone": "b", "tasks": "t",\n "version": 2, "colour": "blue"}',
    );
    expect(configuration).toBeNull();
    expect(problems).toEqual([
      {
        severity: 'error',
        code: 'study-of-later-version',
        message:
          'The study was written for a later Deltaloom: it has version 2, and this one knows version 1.',
        remedy: 'Update Deltaloom.',
        file: 'deltaloom.json',
        line: 2,
        path: ['version'],
      },
    ]);
  });

  it.each(['0', '1.5', '"1"', '"2"', 'null'])('has no version %s', (version) => {
    const { problems } = checkStudyText(`{"version": ${version}, "backbone": "b", "tasks": "t"}`);
    expect(problems).toMatchObject([{ code: 'study-property-invalid', path: ['version'] }]);
  });

  it.each([
    ['{\n  "version": 1,\n}', 3],
    ['{\n  "version" 1 }', 2],
    ['', 1],
    ['{"version": 1} x', 1],
    ['{"a": 1,\n"a": 2}', 2],
    ['{"a": 01}', 1],
    ['{"a": "\t"}', 1],
  ])('says where %j is not JSON', (text, line) => {
    expect(checkStudyText(text).problems).toMatchObject([{ code: 'study-not-json', line }]);
  });

  it('reads what JSON.parse reads', () => {
    const text =
      '{"version":1,"backbone":"\\u00e9\\n","tasks":"t","initialisationSeed":1e2,"groups":{"__proto__":["x"]}}';
    const { configuration } = checkStudyText(text);
    expect(configuration?.backbone).toBe('é\n');
    expect(configuration?.initialisationSeed).toBe(100);
  });
});

describe('a study folder', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'deltaloom-load-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('without the file says how to make one', async () => {
    await expect(loadStudy(directory)).rejects.toMatchObject({ code: 'study-missing' });
  });

  it('with a wrong file fails in one line that names file, line and property', async () => {
    await writeFile(join(directory, 'deltaloom.json'), '{"version": 1,\n "backbone": 7, "tasks": "t"}');
    const error: unknown = await loadStudy(directory).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DeltaloomError);
    expect((error as DeltaloomError).line).toMatch(/deltaloom\.json:2: .*\(at backbone\)/);
  });
});

it('the committed JSON schema is the one made from the code (npx tsx scripts/schema.ts)', async () => {
  const committed: unknown = JSON.parse(
    await readFile(new URL('../../schema/deltaloom.schema.json', import.meta.url), 'utf8'),
  );
  expect(committed).toEqual(studyJsonSchema());
});
