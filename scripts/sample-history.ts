import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { simpleGit, type SimpleGit } from 'simple-git';
import { runRecordSchema, scoreMatrixSchema } from '../src/study/records.js';
import { argument } from './console-job.js';

/**
 * Writes the sample study with its records as a small git repository of its own, the way such a study grows: sources tuned, scores by
 * three methods, a temperature changed, merges, results. The commit views have something to show there.
 *
 *   npx tsx scripts/sample-history.ts --out DIR
 */
const SAMPLE = join(import.meta.dirname, '..', 'sample');
const RECORDS = '.deltaloom';
const MINUTE = 60_000;
const SHOWN_METHODS = ['loss', 'el2n', 'grand'] as const;
/** What the temperature of EL2N was before it was changed. */
const EARLIER_EL2N = 0.35;

interface RecordFile {
  readonly path: string;
  /** When it was computed, in milliseconds. */
  readonly time: number;
  readonly stage: 'sources' | (typeof SHOWN_METHODS)[number] | 'other scores' | 'merges' | 'results';
}

async function main(): Promise<void> {
  const out = argument('out');
  if (out === undefined) throw new Error('Say where: --out DIR.');
  const directory = resolve(out);
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) throw new Error(`${directory} is not empty.`);
  const files = await recordFiles();
  // The study is begun an hour before anything in it is computed.
  const history = new History(directory, Math.min(...files.map(({ time }) => time)) - 60 * MINUTE);
  await history.begin();

  for (const part of ['tasks', 'backbone']) await history.copy(part);
  await writeFile(join(directory, 'deltaloom.json'), await earlierConfiguration());
  await writeFile(join(directory, '.gitattributes'), '* -text\n');
  await history.copy(join(RECORDS, '.gitignore'));
  await history.commit('Begin the study: sixteen tasks in four families');
  const stage = async (name: RecordFile['stage'], message: string): Promise<void> => {
    const brought = files.filter((file) => file.stage === name);
    for (const { path } of brought) await history.copy(path);
    await history.commit(message, Math.max(...brought.map(({ time }) => time)));
  };
  await stage('sources', 'Tune a delta on every source');
  await stage('loss', 'Score by loss');
  await stage('el2n', 'Score by EL2N');
  await stage('grand', 'Score by GraNd');
  await history.copy('deltaloom.json');
  await history.commit(`Sharpen the temperature of EL2N (it was ${EARLIER_EL2N})`);
  await stage('other scores', 'Score by the other methods');
  await stage('merges', 'Merge for every target');
  await stage('results', 'Tune the targets from every initialisation');
  // Git ignores them there, as in any study.
  await history.copy(join(RECORDS, 'checkpoints'));
  console.log(`${history.commits} commits in ${directory}`);
}

class History {
  commits = 0;
  private readonly git: SimpleGit;

  /** @param last time before the first commit, in milliseconds */
  constructor(
    private readonly directory: string,
    private last: number,
  ) {
    this.git = simpleGit(directory);
  }

  async begin(): Promise<void> {
    await this.git.init(['--initial-branch=main']);
    await this.git.addConfig('user.name', 'Deltaloom sample');
    await this.git.addConfig('user.email', 'sample@deltaloom.invalid');
    await this.git.addConfig('commit.gpgsign', 'false');
  }

  async copy(path: string): Promise<void> {
    const to = join(this.directory, path);
    await mkdir(dirname(to), { recursive: true });
    await rm(to, { recursive: true, force: true });
    await cp(join(SAMPLE, path), to, { recursive: true });
  }

  /** A minute after what it brings was computed, and after the commit before: the same records give the same commits. */
  async commit(message: string, computed = 0): Promise<void> {
    this.last = Math.max(this.last, computed) + MINUTE;
    const date = new Date(this.last).toISOString();
    await this.git.add('.');
    await this.git
      // No more of the environment than git needs: simple-git refuses editors and the like.
      .env({ PATH: process.env['PATH'] ?? '', GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date })
      .commit(message, { '--allow-empty': null });
    this.commits++;
  }
}

/** Every committed record with the step of the study that made it. */
async function recordFiles(): Promise<RecordFile[]> {
  const names = await readdir(join(SAMPLE, RECORDS), { recursive: true, withFileTypes: true });
  const files: RecordFile[] = [];
  for (const entry of names) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name).slice(SAMPLE.length + 1);
    const [, folder] = path.split(/[\\/]/);
    if (folder === undefined || !['runs', 'scores', 'merges'].includes(folder)) continue;
    const json: unknown = JSON.parse(await readFile(join(SAMPLE, path), 'utf8'));
    files.push({ path, stage: stageOf(folder, json), time: timeOf(json) });
  }
  return files;
}

/** Runs and merges say when they were made; a matrix says it of each of its computations. */
function timeOf(json: unknown): number {
  const { provenance, provenances } = json as {
    readonly provenance?: { readonly time: string };
    readonly provenances?: readonly { readonly time: string }[];
  };
  return Math.max(...[provenance ?? [], provenances ?? []].flat().map(({ time }) => Date.parse(time)));
}

function stageOf(folder: string, json: unknown): RecordFile['stage'] {
  if (folder === 'merges') return 'merges';
  if (folder === 'scores') {
    const { method, granularity } = scoreMatrixSchema.parse(json);
    const shown = SHOWN_METHODS.find((name) => name === method && granularity === 'model');
    return shown ?? 'other scores';
  }
  const { role, initialisation } = runRecordSchema.parse(json);
  if (role === 'source') return 'sources';
  // The runs from random initialisation are the teachers of some scores, those of k steps are part of others.
  return role === 'step-k' || initialisation.kind === 'random' ? 'other scores' : 'results';
}

async function earlierConfiguration(): Promise<string> {
  const text = await readFile(join(SAMPLE, 'deltaloom.json'), 'utf8');
  const earlier = text.replace(/("el2n": )[\d.]+/, `$1${EARLIER_EL2N}`);
  if (earlier === text) throw new Error('deltaloom.json names no temperature of el2n.');
  return earlier;
}

await main();
