import { join } from 'node:path';
import { z } from 'zod';
import { DeltaloomError } from '../core/errors.js';
import { readTextFile } from '../formats/text-file.js';
import { STUDY_VERSION, studySchema, type StudyConfiguration } from './configuration.js';
import { JsonSyntaxError, parseJsonWithPositions, type JsonPositions } from './json-positions.js';
import { STUDY_FILE } from './paths.js';
import type { StudyProblem } from './snapshot.js';

export interface StudyFile {
  /** null when it can't be understood; the problems say why. */
  readonly configuration: StudyConfiguration | null;
  readonly problems: readonly StudyProblem[];
  /** 1-based line of a property; 1 where the file has no such property. */
  readonly lineOf: JsonPositions['lineOf'];
}

/** A study whose configuration is understood. */
export interface Study {
  /** Absolute. */
  readonly directory: string;
  readonly configuration: StudyConfiguration;
}

/** Reads and checks `deltaloom.json`; whatever is wrong with it becomes a problem with line and path. */
export async function readStudyFile(directory: string): Promise<StudyFile> {
  let text: string;
  try {
    ({ text } = await readTextFile(join(directory, STUDY_FILE)));
  } catch (error) {
    if (!(error instanceof DeltaloomError)) throw error;
    const missing = error.code === 'file-missing';
    return refused({
      code: missing ? 'study-missing' : error.code,
      message: missing ? `There is no ${STUDY_FILE} in this folder.` : error.message,
      remedy: missing
        ? 'Create it with deltaloom init, or choose the folder of a study.'
        : (error.remedy ?? 'Mend the file.'),
      ...(error.place.line === undefined ? {} : { line: error.place.line }),
    });
  }
  return checkStudyText(text);
}

const laterVersion = z.object({ version: z.int().gt(STUDY_VERSION) });

/** The same on a text in memory. */
export function checkStudyText(text: string): StudyFile {
  let positions: JsonPositions;
  try {
    positions = parseJsonWithPositions(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return refused({
      code: 'study-not-json',
      message: `${error.message} (column ${error.column}).`,
      remedy: 'Mend the JSON.',
      line: error.line,
    });
  }
  const later = laterVersion.safeParse(positions.value);
  if (later.success) {
    // What else it holds may mean something there: it is not judged.
    const path = ['version'];
    return refused({
      code: 'study-of-later-version',
      message: `The study was written for a later Deltaloom: it has version ${later.data.version}, and this one knows version ${STUDY_VERSION}.`,
      remedy: 'Update Deltaloom.',
      line: positions.lineOf(path),
      path,
    });
  }
  const parsed = studySchema.safeParse(positions.value);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => problemsOfIssue(issue, positions));
    return { configuration: null, problems, lineOf: (path) => positions.lineOf(path) };
  }
  return { configuration: parsed.data, problems: [], lineOf: (path) => positions.lineOf(path) };
}

/**
 * The study in a folder.
 *
 * @throws DeltaloomError of the first problem, with file, line and property
 */
export async function loadStudy(directory: string): Promise<Study> {
  const { configuration, problems } = await readStudyFile(directory);
  if (configuration !== null) return { directory, configuration };
  const [first, ...others] = problems;
  const more = others.length === 0 ? '' : ` (${others.length} more: deltaloom check lists them.)`;
  throw new DeltaloomError(first?.code ?? 'study-invalid', first?.message ?? 'The study is not valid.', {
    place: {
      file: join(directory, STUDY_FILE),
      ...(first?.line === undefined ? {} : { line: first.line }),
      ...(first?.path === undefined || first.path.length === 0 ? {} : { at: first.path.join('.') }),
    },
    remedy: `${first?.remedy ?? ''}${more}`,
  });
}

/** The JSON schema that editors complete and check `deltaloom.json` with. */
export function studyJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(studySchema, { io: 'input', target: 'draft-7' }),
    title: 'Deltaloom study',
    description: 'What a study is made of: backbone, tasks, deltas, how to tune, score and merge.',
  };
}

function refused(problem: Omit<StudyProblem, 'severity' | 'file'>): StudyFile {
  return {
    configuration: null,
    problems: [{ severity: 'error', file: STUDY_FILE, ...problem }],
    lineOf: () => 1,
  };
}

type Issue = z.core.$ZodIssue;

function problemsOfIssue(issue: Issue, { lineOf }: Pick<JsonPositions, 'lineOf'>): StudyProblem[] {
  const base = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
  const problem = (
    path: (string | number)[],
    code: string,
    message: string,
    remedy: string,
  ): StudyProblem => ({
    severity: 'error',
    code,
    message,
    remedy,
    file: STUDY_FILE,
    line: lineOf(path),
    path,
  });
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) =>
      problem(
        [...base, key],
        'study-property-unknown',
        `The property '${key}' is unknown here.`,
        'Remove it, or check its spelling.',
      ),
    );
  }
  const name = base.at(-1);
  const missing = issue.code === 'invalid_type' && issue.message.includes('received undefined');
  if (missing) {
    return [
      problem(
        base,
        'study-property-missing',
        `The property '${String(name)}' is missing.`,
        `Add '${String(name)}'.`,
      ),
    ];
  }
  const where = base.length === 0 ? 'The study' : `'${base.join('.')}'`;
  return [
    problem(
      base,
      'study-property-invalid',
      `${where} is not valid: ${issue.message}.`,
      'Correct the value; the schema lists what is allowed.',
    ),
  ];
}
