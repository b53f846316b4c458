import { collectMatrix, collectStudy } from '../../src/extension/panels/collect.js';
import type { StudyView } from '../../src/extension/panels/messages.js';
import { studySchema } from '../../src/study/configuration.js';
import type { RecordCommit } from '../../src/study/history.js';
import type { ScoreSheet } from '../../webview/models/heatmap.js';
import type { ExampleStudy } from './example-study.js';

/** An example study as a page gets it. */
export function viewOf(study: ExampleStudy, authors: readonly RecordCommit[] = []): StudyView {
  return collectStudy(
    {
      configuration: studySchema.parse(study.configuration),
      runs: study.runs,
      matrices: study.matrices,
      merges: [],
      problems: [],
      directory: 'study',
      name: 'Example',
      version: null,
      tasks: study.tasks,
      stale: new Map(),
    },
    new Map(authors.map((commit) => [commit.hash, commit])),
  );
}

/** One of its matrices as a page gets it. */
export function sheetOf(study: ExampleStudy, index = 0): ScoreSheet {
  const [matrix, summary] = [study.matrices[index], viewOf(study).matrices[index]];
  if (matrix === undefined || summary === undefined) throw new Error(`The example has no matrix ${index}.`);
  return { summary, values: collectMatrix(matrix, null) };
}
