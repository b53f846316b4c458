import { join } from 'node:path';
import { generateSample } from '../sample/generator/generate.js';

/** Writes `sample/tasks` and the tokenizer of `sample/backbone` anew: `npx tsx scripts/sample-generate.ts`. */
const sample = join(import.meta.dirname, '..', 'sample');
await generateSample(sample, join(sample, 'backbone'));
