import { writeFileAtomically } from '../formats/atomic-file.js';
import type { Examples } from './examples.js';
import { predictionsPath } from './paths.js';
import type { StudySession } from './session.js';

/** Keeps what a checkpoint answered: one JSON object a line, in the order of the file. */
export async function writePredictions(
  session: StudySession,
  task: string,
  id: string,
  split: string,
  examples: Examples,
  predictions: readonly string[],
): Promise<string> {
  const path = predictionsPath(task, id, split);
  const lines = examples.texts.map(({ input, answers }, row) =>
    JSON.stringify({ row, input, answers, prediction: predictions[row] ?? '' }),
  );
  await session.store.prepare();
  await writeFileAtomically(session.absolute(path), `${lines.join('\n')}\n`);
  return path;
}
