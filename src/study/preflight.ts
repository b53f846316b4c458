import { access, constants, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DeltaloomError } from '../core/errors.js';
import { parseMetricName } from '../core/metric-names.js';
import { sizeOfShape } from '../core/tensor.js';
import { openBackboneFolder, type BackboneFolder } from '../formats/backbone-folder.js';
import { readCrossFitFile } from '../formats/crossfit.js';
import { readSafetensorsHeader } from '../formats/safetensors.js';
import { deltaShapes } from '../model/deltas/shapes.js';
import { sourceTasks, targetTasks } from './catalogue.js';
import { mergeChoices } from './merge-choices.js';
import type { StudyConfiguration } from './configuration.js';
import { ContentHashes } from './content-hashes.js';
import { readStudyFile } from './load.js';
import { STUDY_FILE, resolveInStudy } from './paths.js';
import type { CheckpointReference } from './records.js';
import { readSnapshot, type StudyProblem, type StudySnapshot } from './snapshot.js';

/**
 * Everything that would stop or spoil a study, found before any work starts: configuration, backbone, tokenizer, task
 * files, checkpoints of the records, room and permission to write. Nothing is computed or changed.
 */
export async function preflight(directory: string): Promise<StudyProblem[]> {
  const [snapshot, file] = await Promise.all([readSnapshot(directory), readStudyFile(directory)]);
  const problems: StudyProblem[] = [...snapshot.problems];
  const { configuration } = snapshot;
  if (configuration === null) return problems;
  const backbone = await checkBackbone(directory, configuration, file.lineOf, problems);
  await checkTasks(directory, snapshot, problems);
  await checkCheckpoints(directory, snapshot, backbone, problems);
  await checkRoom(directory, snapshot, backbone, problems);
  return problems;
}

async function checkBackbone(
  directory: string,
  configuration: StudyConfiguration,
  lineOf: (path: (string | number)[]) => number,
  problems: StudyProblem[],
): Promise<BackboneFolder | null> {
  const place = { file: STUDY_FILE, line: lineOf(['backbone']), path: ['backbone'] };
  try {
    const folder = await openBackboneFolder(resolveInStudy(directory, configuration.backbone));
    for (const message of folder.warnings) {
      problems.push({
        severity: 'warning',
        code: 'backbone-warning',
        message,
        remedy: 'It works as it is; complete the folder if this is not meant.',
        ...place,
      });
    }
    return folder;
  } catch (error) {
    if (!(error instanceof DeltaloomError)) throw error;
    problems.push({
      severity: 'error',
      code: error.code,
      message: `The backbone can't be used: ${new DeltaloomError(error.code, error.message, { place: error.place }).line}`,
      remedy: error.remedy ?? "Correct 'backbone': the folder of a Hugging Face T5 with its tokenizer.",
      ...place,
    });
    return null;
  }
}

async function checkTasks(
  directory: string,
  { tasks, configuration }: StudySnapshot,
  problems: StudyProblem[],
): Promise<void> {
  if (configuration === null) return;
  const used = new Set([...sourceTasks(configuration, tasks), ...targetTasks(configuration, tasks)]);
  for (const task of tasks.filter(({ name }) => used.has(name))) {
    for (const path of new Set(task.data.flatMap(({ files }) => Object.values(files)))) {
      problems.push(...(await problemsOfTaskFile(directory, path, task.metric)));
    }
  }
}

async function problemsOfTaskFile(directory: string, path: string, metric: string): Promise<StudyProblem[]> {
  const file = resolveInStudy(directory, path);
  try {
    const { examples, warnings } = await readCrossFitFile(file);
    const problems = warnings.map((warning): StudyProblem => ({
      severity: 'warning',
      code: 'task-file-untidy',
      message: warning.replace(`${file}: `, ''),
      remedy: 'It is read as it should be; tidy the file if you like.',
      file: path,
    }));
    const wordIndex = examples.findIndex(({ answers }) => !Number.isFinite(Number(answers[0])));
    if (parseMetricName(metric) === 'Pearson-Correlation' && wordIndex >= 0) {
      problems.push({
        severity: 'error',
        code: 'metric-gold-not-a-number',
        message: `The metric ${metric} compares numbers, and the answer of example ${wordIndex + 1} is none.`,
        remedy: "Choose another metric for this task in deltaloom.json ('metrics').",
        file: path,
      });
    }
    return problems;
  } catch (error) {
    if (!(error instanceof DeltaloomError)) throw error;
    return [
      {
        severity: 'error',
        code: error.code,
        message: error.message,
        remedy: error.remedy ?? 'Mend the file.',
        file: path,
        ...(error.place.line === undefined ? {} : { line: error.place.line }),
      },
    ];
  }
}

async function checkCheckpoints(
  directory: string,
  { configuration, runs, merges }: StudySnapshot,
  backbone: BackboneFolder | null,
  problems: StudyProblem[],
): Promise<void> {
  const hashes = new ContentHashes(directory);
  const found = new Map<string, { checkpoint: CheckpointReference; deltaName: string }>();
  for (const { checkpoint, deltaName, kind, status } of runs) {
    if (checkpoint !== null && kind === 'tune' && status === 'done') {
      found.set(checkpoint.path, { checkpoint, deltaName });
    }
  }
  for (const { checkpoint, deltaName } of merges) found.set(checkpoint.path, { checkpoint, deltaName });
  let missing = 0;
  for (const { checkpoint, deltaName } of found.values()) {
    const file = resolveInStudy(directory, checkpoint.path);
    const problem = (code: string, message: string): void => {
      problems.push({
        severity: 'error',
        code,
        message,
        remedy: 'Restore the file, or delete it: the work is then done anew.',
        file: checkpoint.path,
      });
    };
    try {
      if ((await hashes.of(file)) !== checkpoint.sha256) {
        problem('checkpoint-changed', 'The checkpoint is not the one that its record names.');
        continue;
      }
      const delta = configuration?.deltas[deltaName];
      if (backbone === null || delta === undefined) continue;
      const { tensors } = await readSafetensorsHeader(file);
      const wrong = [...deltaShapes(backbone.config, delta)].find(
        ([name, shape]) => tensors.get(name)?.shape.join() !== shape.join(),
      );
      if (wrong !== undefined) {
        problems.push({
          severity: 'warning',
          code: 'checkpoint-of-other-settings',
          message: `The checkpoint does not fit the delta '${deltaName}' as it is configured now (tensor '${wrong[0]}').`,
          remedy: 'It stays as it is; run the study again for one that fits.',
          file: checkpoint.path,
        });
      }
    } catch (error) {
      if (!(error instanceof DeltaloomError)) throw error;
      if (error.code === 'file-missing') missing++;
      else problem(error.code, error.message);
    }
  }
  if (missing > 0) {
    problems.push({
      severity: 'warning',
      code: 'checkpoints-missing',
      message: `${missing} of ${found.size} checkpoints that the records name are not here.`,
      remedy:
        'What needs them is done anew; copy .deltaloom/checkpoints from where they are to save the work.',
      file: '.deltaloom/checkpoints',
    });
  }
}

/** Free space that is left alone, in bytes. */
const RESERVE = 64 * 1024 * 1024;

async function checkRoom(
  directory: string,
  { configuration, tasks }: StudySnapshot,
  backbone: BackboneFolder | null,
  problems: StudyProblem[],
): Promise<void> {
  if (configuration === null) return;
  try {
    await access(directory, constants.W_OK);
    await access(join(directory, '.deltaloom'), constants.W_OK).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  } catch {
    problems.push({
      severity: 'error',
      code: 'folder-not-writable',
      message: "The study folder can't be written.",
      remedy: 'Change its permissions, or copy the study to a folder that can be written.',
      file: STUDY_FILE,
    });
  }
  if (backbone === null) return;
  const targets = targetTasks(configuration, tasks).length;
  const merges = mergeChoices(configuration).length;
  const checkpoints =
    sourceTasks(configuration, tasks).length +
    targets * (merges + configuration.targets.seeds.length * (1 + merges));
  const bytes = Object.values(configuration.deltas)
    .map((delta) =>
      [...deltaShapes(backbone.config, delta).values()].reduce(
        (sum, shape) => sum + 4 * sizeOfShape(shape),
        0,
      ),
    )
    .reduce((sum, size) => sum + size * checkpoints, 0);
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (bytes + RESERVE <= free) return;
  problems.push({
    severity: bytes > free ? 'error' : 'warning',
    code: 'disk-space',
    message: `The study's checkpoints take up to ${megabytes(bytes)}, and ${megabytes(free)} are free.`,
    remedy: 'Free some space, or configure fewer methods, seeds or deltas.',
    file: STUDY_FILE,
  });
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
