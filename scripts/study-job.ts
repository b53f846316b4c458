import { basename, resolve } from 'node:path';
import { jobRequestSchema } from '../src/study/jobs.js';
import { argument, ConsoleJobs, tellFailure } from './console-job.js';

/**
 * Does one job of a study in a process of its own and tells on the console where it stands.
 *
 *   npx tsx scripts/study-job.ts --study DIR --job JSON [--threads N]
 */
async function main(): Promise<void> {
  const study = resolve(argument('study') ?? '.');
  const request = jobRequestSchema.parse(JSON.parse(argument('job') ?? 'null'));
  const prefix = `${basename(study)}: `;
  const jobs = new ConsoleJobs(Number(argument('threads') ?? 1), prefix);
  try {
    const { summary } = await jobs.run(study, request);
    console.log(`${prefix}${summary}`);
  } finally {
    await jobs.close();
  }
}

await tellFailure(main);
